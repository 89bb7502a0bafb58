"""Was an image in the training set? Membership inference against a model, by whoever has it and protected images.

The attacker has the model (or its outputs) and protected images with their labels: the provider, or anybody to whom a
run was handed on. No key is needed, and none helps. Somebody with plain images only cannot ask at all unless the model
takes plain ones. The attacks see outputs only (black box); of half of the images the attacker knows whether the model
was trained on them, and guesses the other half.

A model that does no better on its training images than on others gives little away here, and one that memorised them
gives nearly all away, protected or not. This is a measure of the model, not of the cipher: a cipher does not change
it. Stronger attacks exist (shadow models), so a figure near chance is no proof.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from blindsight.audit._art import art_classifier, require_art
from blindsight.audit.estimates import Estimate
from blindsight.audit.threat import LabelledSet
from blindsight.errors import ParameterError

if TYPE_CHECKING:
    from blindsight.nets.runs import Run

__all__ = ["CHANCE", "Membership", "MembershipScore", "infer_membership", "mann_whitney"]

Values = NDArray[np.float64]

#: Accuracy and area under the curve of guessing, for members and others are equally many.
CHANCE = 0.5
#: Images of each kind at least: half of them are known, and an interval needs a few.
FEWEST = 8
_Z = 1.959964  # 95 %
_BATCH = 256


@dataclass(frozen=True)
class MembershipScore:
    """How well one attack tells training images from others.

    Attributes:
        attack: ``loss-threshold`` (Yeom et al.), ``rule-based`` (right answer: member), ``logistic`` or ``forest``
            (both learned on the known half).
        accuracy: balanced: the mean of the shares of members and of others that it gets right.
        auc: area under its receiver operating curve: how often a member scores above another image.
    """

    attack: str
    accuracy: Estimate
    auc: Estimate


@dataclass(frozen=True)
class Membership:
    """What the attacks found.

    Attributes:
        scores: one for each attack.
        chance: accuracy and area of guessing, 0.5.
        known: images of each kind of which the attacker knew; the same number was guessed.
        right_members: share of the guessed members that the model classifies rightly.
        right_others: the same of other images; the difference is what the model memorised.
    """

    scores: tuple[MembershipScore, ...]
    chance: float
    known: int
    right_members: float
    right_others: float

    @property
    def worst(self) -> MembershipScore:
        """The attack with the largest area: what the model is worth."""
        return max(self.scores, key=lambda score: score.auc.mean)


class _Seen(NamedTuple):
    """Outputs of the model and labels.

    Attributes:
        logits: float32 (N, K).
        labels: int64 (N,).
    """

    logits: NDArray[np.float32]
    labels: NDArray[np.int64]

    def at(self, rows: NDArray[np.int64]) -> "_Seen":
        return _Seen(self.logits[rows], self.labels[rows])

    @property
    def one_hot(self) -> NDArray[np.float32]:
        # ART takes the number of classes from the labels that are there, and they may not all be.
        return np.eye(self.logits.shape[1], dtype=np.float32)[self.labels]

    @property
    def losses(self) -> Values:
        """Cross-entropy of each image."""
        shifted = self.logits.astype(np.float64) - self.logits.max(axis=1, keepdims=True)
        own = np.take_along_axis(shifted, self.labels[:, None], axis=1)[:, 0]
        found: Values = np.log(np.exp(shifted).sum(axis=1)) - own
        return found


class _Guess(NamedTuple):
    """What an attack says of each image: a score, larger for likelier members, and whether it calls it a member."""

    scores: Values
    called: NDArray[np.bool_]


def infer_membership(
    run: "Run", members: LabelledSet, others: LabelledSet, *, seed: int = 0, device: str | None = None
) -> Membership:
    """Tries to tell images that a model was trained on from others like them.

    Members and others should come from one source: where they differ in kind, the attacks find that difference
    instead. As many of both are taken as there are of the fewer.

    Loss threshold: Yeom, Giacomelli, Fredrikson & Jha, "Privacy risk in machine learning", CSF 2018, with the
    mean loss of the known members for a threshold. The other attacks are ART's ``MembershipInferenceBlackBox``
    (logistic regression on loss and label; a random forest on log-probabilities and label) and
    ``MembershipInferenceBlackBoxRuleBased``.

    Args:
        run: the model.
        members: images that it was trained on, protected as it wants them, with labels.
        others: images that it was not trained on.
        seed: of the halves and the forest.
        device: where the model runs; None takes the best there is.

    Raises:
        MissingDependencyError: ART is not installed.
        ParameterError: fewer than 8 images of a kind, of another size than the model takes, or labels that the model
            does not know.
        CorruptDataError: the weights give no finite numbers.
    """
    require_art("membership inference")
    count = min(len(members.images), len(others.images)) // 2
    if count < FEWEST // 2:
        raise ParameterError(
            f"membership inference needs {FEWEST} members and {FEWEST} others, got {len(members.images)} and "
            f"{len(others.images)}"
        )
    rng = np.random.default_rng(seed)
    known, asked = [], []
    for one in (members, others):
        seen = _outputs(run, one, rng.permutation(len(one.images))[: 2 * count], device)
        known.append(seen.at(np.arange(count)))
        asked.append(seen.at(np.arange(count, 2 * count)))
    both = _Seen(*(np.concatenate(values) for values in zip(*asked, strict=True)))
    scores = []
    for name, attack in _ATTACKS.items():
        guess = attack(known[0], known[1], both, seed)
        called = guess.called.astype(np.float64)
        # The area of a yes or no is its balanced accuracy.
        accuracy, auc = (mann_whitney(values[:count], values[count:]) for values in (called, guess.scores))
        scores.append(MembershipScore(name, accuracy, auc))
    right = [float((part.logits.argmax(axis=1) == part.labels).mean()) for part in asked]
    return Membership(tuple(scores), CHANCE, count, *right)


def mann_whitney(members: Values, others: Values) -> Estimate:
    """How often a member scores above another image, ties counting half: the area under the ROC curve.

    With the 95 % interval of DeLong, DeLong & Clarke-Pearson, Biometrics 44(3), 1988, cut to 0 to 1. Of scores that
    are apart without exception it is a point, as a bootstrap's would be.

    Args:
        members: float (M,), M at least 2.
        others: float (N,), N at least 2.

    Raises:
        ParameterError: fewer than two of a kind.
    """
    m, n = len(members), len(others)
    if min(m, n) < 2:
        raise ParameterError(f"an area with an interval needs two scores of each kind, got {m} and {n}")
    ranks = rankdata(np.concatenate([members, others]))
    above = (ranks[:m] - rankdata(members)) / n  # for each member, the share of others below it
    below = 1 - (ranks[m:] - rankdata(others)) / m
    area = float(above.mean())
    half = _Z * float(np.sqrt(above.var(ddof=1) / m + below.var(ddof=1) / n))
    return Estimate(area, max(0.0, area - half), min(1.0, area + half), m + n)


def _outputs(run: "Run", images: LabelledSet, rows: NDArray[np.int64], device: str | None) -> _Seen:
    import torch

    from blindsight.provider.prediction import logits_of, pick_device

    labels, classes = images.labels[rows], len(run.profile.classes)
    expected = (*run.size, run.profile.channels)
    if images.images.shape[1:] != expected:
        raise ParameterError(f"the model takes images of {expected}, got {images.images.shape[1:]}; protect them anew")
    if labels.min() < 0 or labels.max() >= classes:
        raise ParameterError(f"labels are 0 to {classes - 1} for this model, got {labels.min()} to {labels.max()}")
    where = pick_device(device)
    run.model.to(where).eval()
    parts = []
    for start in range(0, len(rows), _BATCH):
        batch = torch.from_numpy(images.images[np.sort(rows)[start : start + _BATCH]])
        parts.append(logits_of(run, batch.permute(0, 3, 1, 2).to(where)).numpy())
    # Read in the order of the file, given back in the order of the draw.
    logits = np.concatenate(parts)[np.argsort(np.argsort(rows))]
    return _Seen(logits, labels)


def _by_loss(members: _Seen, others: _Seen, asked: _Seen, seed: int) -> _Guess:  # noqa: ARG001
    losses = asked.losses
    return _Guess(-losses, losses <= members.losses.mean())


def _by_rule(members: _Seen, others: _Seen, asked: _Seen, seed: int) -> _Guess:  # noqa: ARG001
    from art.attacks.inference.membership_inference import MembershipInferenceBlackBoxRuleBased

    found = MembershipInferenceBlackBoxRuleBased(_recorded(asked)).infer(asked.logits, asked.one_hot)
    return _Guess(found.astype(np.float64), found == 1)


def _learned(kind: str, reads: str) -> Callable[[_Seen, _Seen, _Seen, int], _Guess]:
    def guess(members: _Seen, others: _Seen, asked: _Seen, seed: int) -> _Guess:
        from art.attacks.inference.membership_inference import MembershipInferenceBlackBox

        attack = MembershipInferenceBlackBox(_recorded(asked), input_type=reads, attack_model_type=kind)
        attack.attack_model.set_params(random_state=seed)
        attack.fit(members.logits, members.one_hot, others.logits, others.one_hot)
        found = attack.infer(asked.logits, asked.one_hot, probabilities=True)[:, 0].astype(np.float64)
        return _Guess(found, found > CHANCE)

    return guess


def _recorded(seen: _Seen) -> Any:
    """ART's classifier for attacks that see outputs only: outputs in, outputs out, so that the model runs once."""
    from torch import nn

    classes = seen.logits.shape[1]
    return art_classifier(nn.Identity(), (classes,), classes)


_ATTACKS: dict[str, Callable[[_Seen, _Seen, _Seen, int], _Guess]] = {
    "loss-threshold": _by_loss,
    "rule-based": _by_rule,
    "logistic": _learned("lr", "loss"),
    "forest": _learned("rf", "prediction"),
}
