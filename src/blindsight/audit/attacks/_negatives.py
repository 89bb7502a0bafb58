"""Whether images are negatives: learned from public ones, for a generator that settled on the negative of everything.

Importing this brings torch; attacks import it when they run.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from blindsight.audit.attack import Budget
from blindsight.audit.attacks._learning import device, learn, to_tensor
from blindsight.audit.attacks._networks import PlainClassifier

__all__ = ["Negatives", "Signed"]

_STEPS, _WIDTH, _RATE = 100, 16, 5e-3
_EVERY = 50


class Signed(nn.Module):
    """A generator whose result is taken as it is, or as its negative.

    Args:
        network: images (N, C, H, W) in -1 to 1 out.
    """

    sign: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("sign", torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        """What the network makes of images, or its negative."""
        made: Tensor = self.sign * self.network(images)
        return made


class Negatives:
    """A small classifier of public images and their negatives, at any contrast, and what follows from it.

    Args:
        public: uint8 (P, H, W, C).
        batch: images a step of its training.
        rng: draws them.
        budget: of the attack.
    """

    def __init__(self, public: NDArray[np.uint8], batch: int, rng: np.random.Generator, budget: Budget) -> None:
        self._network = PlainClassifier(public.shape[3], 2, _WIDTH).to(device())
        optimiser = torch.optim.Adam(self._network.parameters(), _RATE)

        def step(_: int) -> None:
            images = to_tensor(public[rng.integers(len(public), size=batch)])
            negative = torch.from_numpy(rng.integers(0, 2, batch)).to(device())
            contrast = torch.from_numpy(rng.uniform(0.2, 1, batch).astype(np.float32)).to(device())
            scale = (1 - 2 * negative) * contrast
            loss = cross_entropy(self._network(images * scale[:, None, None, None]), negative)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

        learn(_STEPS, budget, step, "plain images and their negatives", (optimiser,))

    @torch.no_grad()
    def mend(self, generator: Signed, made: Tensor) -> None:
        """Takes a generator's negative from now on where that looks more like plain images.

        Args:
            generator: changed in place.
            made: (N, C, H, W), some of what it makes.
        """
        scores = self._network(made) - self._network(-made)
        if float((scores[:, 1] - scores[:, 0]).mean()) > 0:
            generator.sign.neg_()

    def mend_at(self, step: int, generator: Signed, made: Tensor) -> None:
        """The same, every so many steps."""
        if (step + 1) % _EVERY == 0:
            self.mend(generator, made.detach())
