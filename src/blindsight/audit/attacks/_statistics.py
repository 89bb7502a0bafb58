"""What the attacks have in common that match second moments of a protected set to those of public images."""

from abc import abstractmethod
from typing import ClassVar

from blindsight.audit.attack import Attack, Budget, Reconstruction
from blindsight.audit.attacks._layout import Layout, layout_of
from blindsight.audit.threat import Observation, ProtectedSet

__all__ = ["StatisticsAttack"]


class StatisticsAttack(Attack):
    """An attack on schemes that arrange samples inside blocks, by how samples and neighbouring blocks go together.

    Attributes:
        misfit: why it cannot be tried on the schemes that it does not fit.
    """

    reference: ClassVar[str] = (
        "ours; after Le Roux, Bengio et al., 'Learning the 2-D topology of images', NIPS 2007, with graph matching "
        "by Vogelstein et al., PLOS ONE 10(4), 2015"
    )
    observes: ClassVar[type[Observation]] = ProtectedSet
    needs_public: ClassVar[bool] = True
    misfit: ClassVar[str]

    @abstractmethod
    def fits(self, layout: Layout) -> bool:
        """Whether a scheme with this layout is one that the attack is for."""

    @abstractmethod
    def solve(self, observation: Observation, layout: Layout, budget: Budget) -> Reconstruction:
        """Attacks.

        Args:
            observation: with public images.
            layout: of its scheme; it fits.
            budget: to be kept.
        """

    def why_not(self, observation: Observation) -> str | None:
        layout = layout_of(observation)
        if layout is None or not self.fits(layout):
            return self.misfit
        if layout.grid.rows < 2 or layout.grid.cols < 2:
            return "needs at least two rows and two columns of blocks"
        return super().why_not(observation)

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:
        layout = layout_of(observation)
        assert layout is not None  # why_not refuses the rest
        budget.tell(0.0, "learning from public images")
        return self.solve(observation, layout, budget)
