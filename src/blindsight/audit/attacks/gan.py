"""The GAN attack: a generator learns, from unpaired images, to make protected images look like public plain ones."""

from typing import ClassVar

from blindsight.audit.attack import Budget, Reconstruction, register_attack
from blindsight.audit.attacks._learned_attack import LearnedAttack
from blindsight.audit.attacks._network_sizes import check_counts
from blindsight.audit.attacks._own_keys import scheme_facts
from blindsight.audit.threat import Observation, ProtectedSet

__all__ = ["GanAttack"]

_USE = 62
_GRADIENT_PENALTY = 0.05
#: The penalty is taken at one step in so many, so many times as strong: "lazy", Karras et al., CVPR 2020.
_PENALISED = 4


@register_attack
class GanAttack(LearnedAttack):
    """Generator against discriminator, with nothing but the look of the result to go by: no term pairs a protected
    image with what it was.

    The discriminator sees plain public images and what the generator makes of the protected set. The loss is the
    non-saturating one (Goodfellow et al., 2014), the optimiser Adam with beta1 0.5, as in Ito's code. The generator
    there sees one block at a time and cannot put blocks back; here it is a linear map of the whole image, which
    every fixed signed permutation is, and outputs are not squashed. The map begins near 0: nothing of the input is
    in the output before it has been learned. Keys that change from image to image are not in its reach. The
    discriminator is held by a penalty on its gradient (R1; Mescheder, Geiger & Nowozin, ICML 2018) in place of a
    spectral norm. Learning rates fall as a cosine to 0, and the generator that is applied is the average of the
    last hundred or so.

    Nothing keeps a generator from making pretty pictures of something else: low figures say that this training did not
    find the way, not that there is none.

    Args:
        steps: of training. The paper's 25 epochs of 50,000 images in batches of 64 are about 19,500.
        batch: images a step.
        rate: Adam's largest learning rate for the generator.
        judge_width: channels of the discriminator's first layer.
        judge_rate: Adam's largest learning rate for the discriminator.

    Facts: ``steps`` that were taken, ``discriminator_loss`` and ``generator_loss`` of the last.

    Raises:
        ParameterError: a number below 1.
    """

    name: ClassVar[str] = "gan"
    title: ClassVar[str] = "a generator taught by the look of public images"
    reference: ClassVar[str] = (
        "Sirichotedumrong's GAN attack as Ito, Kinoshita & Kiya publish it beside arXiv 2008.03143, with a "
        "generator that sees the whole image and a gradient penalty"
    )
    observes: ClassVar[type[Observation]] = ProtectedSet
    needs_public: ClassVar[bool] = True

    def __init__(
        self,
        steps: int = 19_500,
        batch: int = 64,
        rate: float = 2e-3,
        judge_width: int = 64,
        judge_rate: float = 1e-3,
    ) -> None:
        check_counts(steps=steps, batch=batch, judge_width=judge_width)
        self.steps, self.batch, self.rate = steps, batch, rate
        self.judge_width, self.judge_rate = judge_width, judge_rate

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:
        from torch.autograd import grad
        from torch.nn.functional import softplus
        from torch.optim import Adam

        from blindsight.audit.attacks._learning import (
            MovingAverage,
            device,
            grid_of,
            learn,
            reconstruct,
            seeded,
            to_features,
            to_tensor,
        )
        from blindsight.audit.attacks._networks import BlockMap, Discriminator

        images, public = observation.images, observation.public
        assert public is not None
        with seeded(budget, _USE) as rng:
            sample = scheme_facts(observation.profile, images.shape[1:], rng).sample
            grid = grid_of(observation.profile, images)
            features = grid.channels * (1 if sample == "byte" else 2)
            generator = BlockMap(grid, features)
            judge = Discriminator((grid.height, grid.width), grid.channels, self.judge_width, spectral=False)
            generator, judge = generator.to(device()), judge.to(device())
            average = MovingAverage(generator)
            of_generator = Adam(generator.paces(self.rate), betas=(0.5, 0.999))
            of_judge = Adam(judge.parameters(), self.judge_rate, betas=(0.5, 0.999))
            losses = {"discriminator_loss": float("nan"), "generator_loss": float("nan")}

            def step(number: int) -> None:
                made = generator(to_features(images[rng.integers(len(images), size=self.batch)], sample))
                real = to_tensor(public[rng.integers(len(public), size=self.batch)]).requires_grad_()
                scores = judge(real)
                judged = softplus(-scores).mean() + softplus(judge(made.detach())).mean()
                if number % _PENALISED == 0:
                    slope = grad(scores.sum(), real, create_graph=True)[0]
                    judged = judged + _PENALISED * _GRADIENT_PENALTY * slope.square().sum(dim=(1, 2, 3)).mean()
                of_judge.zero_grad()
                judged.backward()
                of_judge.step()
                fooled = softplus(-judge(made)).mean()
                of_generator.zero_grad()
                fooled.backward()
                of_generator.step()
                average.take()
                losses.update(discriminator_loss=float(judged.detach()), generator_loss=float(fooled.detach()))

            rates = (of_generator, of_judge)
            taken = learn(self.steps, budget, step, "generator against discriminator", rates)
            return Reconstruction(reconstruct(average.network, images, sample), facts={"steps": taken, **losses})
