"""The jigsaw of one image: each image is put together on its own, whatever keys the others have."""

from typing import ClassVar

from blindsight.audit.attack import Attack, Budget, Reconstruction, register_attack
from blindsight.audit.attacks._solver import solve, state_model
from blindsight.audit.attacks.dataset_jigsaw import puzzle_of, why_no_jigsaw
from blindsight.audit.threat import Observation
from blindsight.profile import Scalar

__all__ = ["Jigsaw"]


@register_attack
class Jigsaw(Attack):
    """Puts each image together on its own: the attack that keys per image do not stop."""

    name: ClassVar[str] = "jigsaw"
    title: ClassVar[str] = "jigsaw puzzle of each image alone"
    reference: ClassVar[str] = (
        "Chuman, Kurihara & Kiya, IEICE Trans. E101-D(1), 2018 (extended jigsaw puzzle solver); Gallagher, CVPR 2012 "
        "(Mahalanobis gradient), here learned from joins inside the blocks; genetic search as in Sholomon et al., 2013"
    )
    observes: ClassVar[type[Observation]] = Observation

    def why_not(self, observation: Observation) -> str | None:
        return super().why_not(observation) or why_no_jigsaw(observation)

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:
        """Images that the time does not suffice for are given back as they came.

        The state of the whole image is chosen for each image on its own; the key is given where there is one image.
        """
        grid, freedom = puzzle_of(observation)
        model = state_model(observation.public, grid, freedom, budget)
        images = observation.images.copy()
        count, costs, key = len(images), [], None
        for number in range(count):
            if number and budget.over():
                break
            found = solve(
                observation.images[number : number + 1],
                grid,
                freedom,
                budget,
                number,
                model=model,
                told=(number / count, (number + 1) / count),
            )
            images[number] = found.images[0]
            costs.append(found.mean_cost)
            key = found.decrypts.inverse() if count == 1 else None
        facts: dict[str, Scalar] = {"solved": len(costs), "join_cost": sum(costs) / len(costs)}
        return Reconstruction(images, key, symmetric=True, facts=facts)
