"""What the attacks that learn share: images as tensors, chance, the loop that keeps the budget, and reconstruction.

Importing this brings torch; attacks import it when they run.
"""

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from blindsight.algebra import BlockGrid
from blindsight.algebra.permutation import Sample, split_nibbles
from blindsight.audit.attack import Budget
from blindsight.profile import Profile

__all__ = [
    "MovingAverage",
    "device",
    "grid_of",
    "learn",
    "reconstruct",
    "seeded",
    "share_left",
    "to_features",
    "to_labels",
    "to_tensor",
]

Pixels = NDArray[np.uint8]
_BATCH = 128
_WARM_UP = 0.05
_DECAY = 0.99


def device() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def seeded(budget: Budget, use: int) -> Iterator[np.random.Generator]:
    """Torch draws from the budget's seed inside, and goes on as before outside; yields NumPy's generator beside it.

    Args:
        budget: whose seed.
        use: tells the attacks apart.
    """
    rng = budget.rng(use)
    with torch.random.fork_rng():
        torch.manual_seed(int(rng.integers(1 << 62)))
        yield rng


def grid_of(profile: Profile, images: Pixels) -> BlockGrid:
    """The blocks of images that a profile speaks of."""
    assert profile.block_size is not None  # profiles of ciphers have one; attacks ask for these
    return BlockGrid(images.shape[1], images.shape[2], images.shape[3], profile.block_size)


def to_tensor(images: Pixels) -> Tensor:
    """uint8 (N, H, W, C) -> float32 (N, C, H, W), -1 to 1, on the device."""
    return torch.from_numpy(np.moveaxis(images, 3, 1).astype(np.float32) / 127.5 - 1).to(device())


def to_labels(labels: NDArray[np.int64]) -> Tensor:
    """int64 (N,) on the device."""
    return torch.from_numpy(labels).to(device())


def to_features(images: Pixels, sample: Sample) -> Tensor:
    """What a network sees of protected images: the samples that the scheme moves.

    A scheme of nibbles tears the halves of a byte apart, and no linear map of bytes puts them together again.

    Args:
        images: uint8 (N, H, W, C).
        sample: of the scheme.

    Returns:
        float32 (N, C or 2 C, H, W), -1 to 1.
    """
    if sample == "byte":
        return to_tensor(images)
    n, height, width, channels = images.shape
    halves = split_nibbles(images.reshape(n, -1)).reshape(n, height, width, 2 * channels)
    return to_tensor(halves * np.uint8(17))  # 0 to 15 becomes 0 to 255


def share_left(step: int, steps: int, budget: Budget) -> float:
    """What is left, 1 to 0, of the steps or of the time, whichever is less: learning rates follow it."""
    left = 1 - step / steps
    return left if budget.seconds is None else max(0.0, min(left, 1 - budget.spent() / budget.seconds))


def learn(
    steps: int,
    budget: Budget,
    step: Callable[[int], None],
    what: str,
    optimisers: tuple[torch.optim.Optimizer, ...] = (),
) -> int:
    """Takes steps until they or the time are used up.

    Args:
        steps: at most so many.
        budget: asked before each.
        step: takes one; is given its number.
        what: for people.
        optimisers: whose learning rates warm up over the first twentieth and then fall as a cosine to 0.

    Returns:
        How many were taken.
    """
    rates = [[group["lr"] for group in optimiser.param_groups] for optimiser in optimisers]
    for done in range(steps):
        if budget.over():
            return done
        left = share_left(done, steps, budget)
        factor = min((1 - left + 1 / steps) / _WARM_UP, 0.5 - 0.5 * math.cos(math.pi * left), 1.0)
        for optimiser, own in zip(optimisers, rates, strict=True):
            for group, rate in zip(optimiser.param_groups, own, strict=True):
                group["lr"] = rate * factor
        step(done)
        if done % max(1, steps // 100) == 0:
            budget.tell(1 - left, f"{what}, step {done} of {steps}")
    return steps


class MovingAverage:
    """A network whose weights are averages of another's over its last steps: what adversaries do to each other step by
    step cancels.

    Args:
        of: the network that learns. The average begins as it is now.

    Attributes:
        network: the average.
    """

    def __init__(self, of: nn.Module) -> None:
        self.network = copy.deepcopy(of).requires_grad_(False)
        self._of, self._steps = of, 0

    @torch.no_grad()
    def take(self) -> None:
        """Takes in the weights as they are after a step; the first ones are soon forgotten."""
        keep = min(_DECAY, (1 + self._steps) / (10 + self._steps))
        self._steps += 1
        for mean, now in zip(self.network.parameters(), self._of.parameters(), strict=True):
            mean.lerp_(now, 1 - keep)
        for mean, now in zip(self.network.buffers(), self._of.buffers(), strict=True):
            mean.copy_(now)


@torch.no_grad()
def reconstruct(network: nn.Module, images: Pixels, sample: Sample) -> Pixels:
    """What a network makes of protected images, uint8 (N, H, W, C), in batches."""
    network.eval()
    made = []
    for start in range(0, len(images), _BATCH):
        output = network(to_features(images[start : start + _BATCH], sample))
        pixels = ((output.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        made.append(pixels.permute(0, 2, 3, 1).cpu().numpy())
    network.train()
    return np.ascontiguousarray(np.concatenate(made))
