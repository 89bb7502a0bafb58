"""Inverse transformation networks: trained on pairs of protected and plain images, to undo the scheme or the key."""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra.permutation import Sample
from blindsight.audit.attack import Budget, Reconstruction, register_attack
from blindsight.audit.attacks._learned_attack import LearnedAttack
from blindsight.audit.attacks._network_sizes import check_counts, check_width
from blindsight.audit.attacks._own_keys import own_publisher, scheme_facts
from blindsight.audit.threat import KnownPairs, Observation, ProtectedSet
from blindsight.profile import Scalar

if TYPE_CHECKING:
    from torch import nn

__all__ = ["InverseNetwork", "InverseNetworkPairs"]

Pixels = NDArray[np.uint8]
#: Draws a batch to learn from: (protected, plain), uint8 (B, H, W, C).
Draw = Callable[[int], tuple[Pixels, Pixels]]
_REFERENCE = "Ito, Kinoshita & Kiya, arXiv 2008.03143 (the ITN attack)"
_FEWEST_HELD_OUT = 20
_MOST_HELD_OUT = 500
_CHECKS = 20
_USE = 61


class _Inverse(LearnedAttack):
    """What both share: the network, its training and what it gives back.

    Of 20 images and more a tenth (at most 500) is held out, and the network is taken as it was when it restored these
    best: a network that has learned its pairs by heart restores nothing else.

    Args:
        steps: of training. The authors' code has 50 epochs of 50,000 images in batches of 128: about 19,500.
        batch: pairs a step.
        width: of the network's tokens.
        depth: transformer layers.
        rate: Adam's largest learning rate.

    Raises:
        ParameterError: a number below 1, or a width that is not a multiple of 32.
    """

    def __init__(
        self, steps: int = 19_500, batch: int = 128, width: int = 128, depth: int = 4, rate: float = 1e-3
    ) -> None:
        check_counts(steps=steps, batch=batch, depth=depth)
        check_width(width)
        self.steps, self.batch, self.width, self.depth, self.rate = steps, batch, width, depth, rate

    def _restore(
        self, observation: Observation, plain: Pixels, draw: Draw, held: tuple[Pixels, Pixels] | None, budget: Budget
    ) -> Reconstruction:
        """Trains on what ``draw`` gives and applies the network to the observation, torch being seeded."""
        from blindsight.audit.attacks._learning import device, grid_of, reconstruct, to_tensor
        from blindsight.audit.attacks._networks import BlockTransformer

        sample = scheme_facts(observation.profile, observation.images.shape[1:], budget.rng(_USE, 1)).sample
        mean = to_tensor(plain).mean(dim=0)
        grid = grid_of(observation.profile, observation.images)
        features = grid.channels * (1 if sample == "byte" else 2)
        network = BlockTransformer(grid, features, self.width, self.depth, mean).to(device())
        facts = self._train(network, sample, draw, held, budget)
        return Reconstruction(reconstruct(network, observation.images, sample), facts=facts)

    def _train(
        self, network: "nn.Module", sample: Sample, draw: Draw, held: tuple[Pixels, Pixels] | None, budget: Budget
    ) -> dict[str, Scalar]:
        import torch

        from blindsight.audit.attacks._learning import learn, reconstruct, to_features, to_tensor

        optimiser = torch.optim.AdamW(network.parameters(), self.rate, weight_decay=1e-4)
        best, best_error = {}, float("inf")

        def keep_best() -> None:
            nonlocal best, best_error
            if held is not None:
                error = _rmse(reconstruct(network, held[0], sample), held[1])
                if error < best_error:
                    best = {name: value.detach().clone() for name, value in network.state_dict().items()}
                    best_error = error

        def step(number: int) -> None:
            protected, plain = draw(self.batch)
            loss = torch.nn.functional.mse_loss(network(to_features(protected, sample)), to_tensor(plain))
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            if (number + 1) % max(1, self.steps // _CHECKS) == 0:
                keep_best()

        taken = learn(self.steps, budget, step, "learning to undo the scheme", (optimiser,))
        facts: dict[str, Scalar] = {"steps": taken}
        if held is not None:
            keep_best()
            network.load_state_dict(best)
            facts |= {"held_out": len(held[0]), "held_out_rmse": best_error}
        return facts


@register_attack
class InverseNetwork(_Inverse):
    """Trained on public images that the attacker protects itself, each under a fresh key of its own.

    It learns what can be undone without the key: what all keys have in common, and what a single image tells of its
    key. A key that the protected images share does not help it, so it says nothing on fixed keys that
    :class:`InverseNetworkPairs` and the attacks on pooled statistics do not say better.

    The paper's network sees one block at a time, and its published code trains the logistic function of a hyperbolic
    tangent towards targets outside of its range. Here every output block is made from the whole image, outputs are not
    squashed, and Adam takes the place of plain gradient descent.

    Facts: ``steps`` that were taken; ``held_out`` images and ``held_out_rmse`` on them, 0 to 255, under own keys.
    """

    name: ClassVar[str] = "inverse-network"
    title: ClassVar[str] = "a network trained on images protected with other keys"
    reference: ClassVar[str] = f"{_REFERENCE}, with a network that sees the whole image"
    observes: ClassVar[type[Observation]] = ProtectedSet
    needs_public: ClassVar[bool] = True

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:
        from blindsight.audit.attacks._learning import seeded

        assert observation.public is not None
        with seeded(budget, _USE) as rng:
            plain, others = _hold_out(observation.public, rng)
            publish = own_publisher(observation.profile, rng)
            held = None if others is None else (publish(others), others)

            def draw(count: int) -> tuple[Pixels, Pixels]:
                chosen = plain[rng.integers(len(plain), size=count)]
                return publish(chosen), chosen

            return self._restore(observation, plain, draw, held, budget)


@register_attack
class InverseNetworkPairs(_Inverse):
    """Trained on known pairs under the key of the protected set: what a network makes of known plaintext.

    Facts: ``pairs``; ``steps`` that were taken; ``held_out`` pairs and ``held_out_rmse`` on them, 0 to 255.
    """

    name: ClassVar[str] = "inverse-network-pairs"
    title: ClassVar[str] = "a network trained on known pairs"
    reference: ClassVar[str] = f"{_REFERENCE}, with the same key and a network that sees the whole image"
    observes: ClassVar[type[Observation]] = KnownPairs

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:
        from blindsight.audit.attacks._learning import seeded

        assert isinstance(observation, KnownPairs)
        with seeded(budget, _USE) as rng:
            order = rng.permutation(len(observation.known_plain))
            out = _held_out(len(order))
            learned, others = order[out:], order[:out]
            plain, protected = observation.known_plain, observation.known_protected
            held = (protected[others], plain[others]) if out else None

            def draw(count: int) -> tuple[Pixels, Pixels]:
                chosen = learned[rng.integers(len(learned), size=count)]
                return protected[chosen], plain[chosen]

            found = self._restore(observation, plain[learned], draw, held, budget)
        return Reconstruction(found.images, facts={"pairs": len(order), **found.facts})


def _held_out(count: int) -> int:
    """How many of so many images are not learned from."""
    return 0 if count < _FEWEST_HELD_OUT else min(count // 10, _MOST_HELD_OUT)


def _hold_out(images: Pixels, rng: np.random.Generator) -> tuple[Pixels, Pixels | None]:
    """(to learn from, held out or None)."""
    order, out = rng.permutation(len(images)), _held_out(len(images))
    return images[order[out:]], images[order[:out]] if out else None


def _rmse(a: Pixels, b: Pixels) -> float:
    return float(np.sqrt(np.mean((a.astype(np.float64) - b) ** 2)))
