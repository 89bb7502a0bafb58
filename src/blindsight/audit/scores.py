"""What a reconstruction reached, and its chance levels: the data that scoring gives."""

from dataclasses import dataclass

from blindsight.audit.estimates import Estimate
from blindsight.audit.reidentification import Reidentification

__all__ = ["CHANCE", "REFERENCES", "TURNED", "KeyShare", "Levels", "Outcome", "Scores"]

#: What the originals are compared with beside reconstructions, and how the page calls it.
REFERENCES = {
    "random_image": "another original at random",
    "turned_image": "another original at random, in its best state",
    "mean_image": "the mean image",
    "turned_mean": "the mean image, in its best state",
    "mean_colour": "each original's own mean colour",
    "black": "a black image",
    "protected": "the protected image, as published",
}
#: Those of them that are guesses: what they reach is chance; and those that are guesses for turned pictures alone.
CHANCE = ("random_image", "mean_image", "mean_colour", "black")
TURNED = {"random_image": "turned_image", "mean_image": "turned_mean"}


@dataclass(frozen=True)
class KeyShare:
    """How much of a key is right.

    Attributes:
        samples: share of samples whose place and mask are both right.
        blocks: share of blocks right in every part; None where one of the keys is not made of whole blocks.
    """

    samples: float
    blocks: float | None


@dataclass(frozen=True)
class Outcome:
    """What one set of pictures reaches.

    Attributes:
        measures: measure -> estimate.
        exact: share of images equal to the original bit for bit.
        reidentified: ``pixels``, and ``features`` where a feature function is given -> is the right original the
            nearest. Empty where there is nothing to choose from.
        label_accuracy: share whose class a classifier trained on plain images names; None without one.
        key: of the recovered key; None where none was.
    """

    measures: dict[str, Estimate]
    exact: Estimate
    reidentified: dict[str, Reidentification]
    label_accuracy: Estimate | None
    key: KeyShare | None


@dataclass(frozen=True)
class Levels:
    """What is had without an attack: what the figures of a reconstruction are to be compared with.

    Attributes:
        references: name of :data:`REFERENCES` -> measure -> estimate; without those of
            another original where there is one only.
        protected: what the published images themselves reach.
        plain_accuracy: of the classifier on the originals, the most that can be had; None without one.
        commonest_class: share of the commonest class, what guessing it always reaches; None without labels.
    """

    references: dict[str, dict[str, Estimate]]
    protected: Outcome
    plain_accuracy: Estimate | None
    commonest_class: float | None

    def chance_of(self, measure: str, *, turned: bool = False) -> Estimate:
        """The most alike of the guesses.

        Args:
            measure: name.
            turned: compared with what is in the best of its global states: choosing among 96 makes anything more alike.
        """
        names = (*CHANCE, *TURNED.values()) if turned else CHANCE
        guesses = [self.references[name][measure] for name in names if name in self.references]
        return (min if measure == "lpips" else max)(guesses, key=lambda guess: guess.mean)


@dataclass(frozen=True)
class Scores:
    """What an attack reaches, beside its chance levels.

    Attributes:
        images: scored.
        pick: of the reconstructions as the attacker gives them.
        best: of the same in the best of the global states, where nothing observed tells these apart; else None.
        levels: what is had without an attack.
    """

    images: int
    pick: Outcome
    best: Outcome | None
    levels: Levels

    @property
    def top(self) -> Outcome:
        """What a person gets out of it who picks by eye."""
        return self.best or self.pick
