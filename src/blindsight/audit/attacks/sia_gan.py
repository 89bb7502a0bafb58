"""SIA-GAN: a generator with weights of each block position's own, taught by a discriminator, by labels and by
smoothness."""

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from blindsight.audit.attack import Budget, Reconstruction, register_attack
from blindsight.audit.attacks._learned_attack import LearnedAttack
from blindsight.audit.attacks._network_sizes import check_counts
from blindsight.audit.attacks._own_keys import scheme_facts
from blindsight.audit.threat import LabelledSet, Observation

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["SiaGan"]

_USE = 63
_TOTAL_VARIATION = 1e-3
_CLASSIFIER_SHARE = 10  # of the steps, one in so many trains the classifier


@register_attack
class SiaGan(LearnedAttack):
    """An unpaired attack on schemes whose keys differ from block to block.

    A classifier learns the classes from public plain images. Then a generator is trained against a discriminator with
    the hinge loss; besides fooling it, its output for a protected image must be classified as that image's label, and
    be smooth (total variation, weight 1e-3). Adam with betas (0.5, 0.9) for the generator and (0, 0.9) for the
    discriminator, as in the authors' code. Their rates are 1e-4 and 4e-4; here they are larger, fall as a cosine to 0,
    and the generator that is applied is the average of the last hundred or so. Where nobody has labels of the public
    images there is no classifier, and the term is left out.

    For schemes that move blocks the generator learns a soft permutation of them besides; the authors have a second
    program for that. Outputs are not squashed.

    Args:
        steps: of training the generator; a tenth as many train the classifier before. The paper's number is not known
            here; the default is as many as that of ``gan``.
        batch: images a step.
        width: channels of the generator inside.
        rate: Adam's largest learning rate for the generator.
        judge_width: channels of the discriminator's first layer.
        judge_rate: Adam's largest learning rate for the discriminator.

    Facts: ``steps`` that were taken; ``classifier``, whether there was one; ``discriminator_loss`` and
    ``generator_loss`` of the last step.

    Raises:
        ParameterError: a number below 1.
    """

    name: ClassVar[str] = "sia-gan"
    title: ClassVar[str] = "a generator for each block position, taught by look and labels"
    reference: ClassVar[str] = (
        'Madono et al., "SIA-GAN: Scrambling Inversion Attack Using Generative Adversarial Network", '
        "IEEE Access 9, 2021, with the soft permutation inside the generator"
    )
    observes: ClassVar[type[Observation]] = LabelledSet
    needs_public: ClassVar[bool] = True

    def __init__(
        self,
        steps: int = 19_500,
        batch: int = 64,
        width: int = 32,
        rate: float = 2e-3,
        judge_width: int = 64,
        judge_rate: float = 1e-3,
    ) -> None:
        check_counts(steps=steps, batch=batch, width=width, judge_width=judge_width)
        self.steps, self.batch, self.width, self.rate = steps, batch, width, rate
        self.judge_width, self.judge_rate = judge_width, judge_rate

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:
        from torch.nn import functional as F
        from torch.optim import Adam

        from blindsight.audit.attacks._learning import (
            MovingAverage,
            device,
            grid_of,
            learn,
            reconstruct,
            seeded,
            to_features,
            to_labels,
            to_tensor,
        )
        from blindsight.audit.attacks._networks import Discriminator, PositionGenerator

        assert isinstance(observation, LabelledSet)
        assert observation.public is not None
        images, public = observation.images, observation.public
        with seeded(budget, _USE) as rng:
            scheme = scheme_facts(observation.profile, images.shape[1:], rng)
            grid = grid_of(observation.profile, images)
            features = grid.channels * (1 if scheme.sample == "byte" else 2)
            classifier = self._classifier(observation, rng, budget)
            generator = PositionGenerator(grid, features, scheme.moves_blocks, self.width).to(device())
            judge = Discriminator((grid.height, grid.width), grid.channels, self.judge_width, spectral=True)
            judge, average = judge.to(device()), MovingAverage(generator)
            of_generator = Adam(generator.paces(self.rate), betas=(0.5, 0.9))
            of_judge = Adam(judge.parameters(), self.judge_rate, betas=(0.0, 0.9))
            losses = {"discriminator_loss": float("nan"), "generator_loss": float("nan")}

            def step(_: int) -> None:
                seen = rng.integers(len(images), size=self.batch)
                made = generator(to_features(images[seen], scheme.sample))
                real = to_tensor(public[rng.integers(len(public), size=self.batch)])
                judged = F.relu(1 - judge(real)).mean() + F.relu(1 + judge(made.detach())).mean()
                of_judge.zero_grad()
                judged.backward()
                of_judge.step()
                loss = _TOTAL_VARIATION * _total_variation(made) - judge(made).mean()
                if classifier is not None:
                    loss = loss + F.cross_entropy(classifier(made), to_labels(observation.labels[seen]))
                of_generator.zero_grad()
                loss.backward()
                of_generator.step()
                average.take()
                losses.update(discriminator_loss=float(judged.detach()), generator_loss=float(loss.detach()))

            rates = (of_generator, of_judge)
            taken = learn(self.steps, budget, step, "generator against discriminator", rates)
            found = reconstruct(average.network, images, scheme.sample)
        return Reconstruction(found, facts={"steps": taken, "classifier": classifier is not None, **losses})

    def _classifier(self, observation: LabelledSet, rng: np.random.Generator, budget: Budget) -> "nn.Module | None":
        """Trained on the public images, its weights fixed; None without their labels."""
        from torch.nn.functional import cross_entropy
        from torch.optim import Adam

        from blindsight.audit.attacks._learning import device, learn, to_labels, to_tensor
        from blindsight.audit.attacks._networks import PlainClassifier

        public, labels = observation.public, observation.public_labels
        if public is None or labels is None:
            return None
        classes = int(max(labels.max(), observation.labels.max())) + 1
        network = PlainClassifier(public.shape[3], classes).to(device())
        optimiser = Adam(network.parameters(), 2e-3)

        def step(_: int) -> None:
            chosen = rng.integers(len(public), size=self.batch)
            loss = cross_entropy(network(to_tensor(public[chosen])), to_labels(labels[chosen]))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

        learn(max(1, self.steps // _CLASSIFIER_SHARE), budget, step, "classifier of plain images", (optimiser,))
        return network.eval().requires_grad_(False)


def _total_variation(images: "Tensor") -> "Tensor":
    """The sum of absolute differences of neighbours, of each image, meaned over images."""
    down = (images[:, :, 1:] - images[:, :, :-1]).abs()
    right = (images[:, :, :, 1:] - images[:, :, :, :-1]).abs()
    return (down.sum() + right.sum()) / len(images)
