"""What the attacks of one threat model reached together: the data of the report."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindsight.audit.estimates import Estimate
from blindsight.audit.scores import Levels, Outcome, Scores
from blindsight.profile import Scalar

__all__ = ["LEVELS", "AttackResult", "Pictures", "ThreatResult"]

Pixels = NDArray[np.uint8]

#: What may be concluded, the worst first, and how it is called.
LEVELS = {
    "restored": "Broken",
    "visible": "Partly visible",
    "unknown": "No verdict",
    "not-broken": "Not broken by the attacks run",
    "unscored": "Not scored",
    "not-applicable": "Does not apply",
}


@dataclass(frozen=True)
class Pictures:
    """The images of a case, uint8 (N, H, W, C).

    Attributes:
        protected: as published.
        plain: the originals; None where nobody grants them.
        found: what the attack made of them, in its best global state where the truth is granted.
    """

    protected: Pixels
    plain: Pixels | None
    found: Pixels


@dataclass(frozen=True)
class AttackResult:
    """One attack on one case.

    Attributes:
        name: of the attack.
        title: for people.
        reference: the paper.
        seconds: wall clock.
        why_not: why it was not tried; None where it was.
        error: what went wrong; None where it gave a reconstruction.
        facts: numbers of its own.
        scores: against the truth; None without.
        keyless: mean SSIM that it reaches under a key that changes nothing; None where that was not asked.
        flags: what makes its failure say little, in words.
        is_evidence: whether that it finds nothing means anything.
        run_as: the threat model that it was run for: a weaker attacker's result counts for a stronger one.
    """

    name: str
    title: str
    reference: str
    seconds: float
    why_not: str | None = None
    error: str | None = None
    facts: Mapping[str, Scalar] = field(default_factory=dict)
    scores: Scores | None = None
    keyless: float | None = None
    flags: tuple[str, ...] = ()
    is_evidence: bool = False
    run_as: str = ""


@dataclass(frozen=True)
class ThreatResult:
    """All attacks on one case.

    Attributes:
        threat: name of the threat model.
        title: what its attacker sees.
        images: to be reconstructed.
        level: ``restored`` (the pictures come back), ``visible`` (more than chance comes back), ``not-broken`` (no more
            than chance, by attacks that can do more), ``unknown`` (no more than chance, by attacks that could not
            do more either where there is no key), ``unscored`` (nobody grants the truth) or ``not-applicable`` (such
            an attacker makes no sense here; nothing was run).
        reason: one sentence, on the attack that decides on the level.
        best: the attack that reaches most: where none restores the pictures, the one whose SSIM, in its best state, is
            farthest above its chance. None where none reaches more than the published images.
        attacks: one each, those that were not tried among them.
        levels: what is had without an attack; None without the truth.
        pictures: of the best attack, or of every attack where nothing is scored: attack's name -> images.
    """

    threat: str
    title: str
    images: int
    level: str
    reason: str
    best: str | None
    attacks: tuple[AttackResult, ...]
    levels: Levels | None
    pictures: dict[str, Pictures]

    @classmethod
    def not_applicable(cls, threat: str, title: str, reason: str) -> "ThreatResult":
        """Of a threat model that makes no sense here, and why."""
        return cls(threat, title, 0, "not-applicable", reason[:1].upper() + reason[1:], None, (), None, {})

    @property
    def tried(self) -> bool:
        """Whether an attack was run for this very attacker."""
        return any(each.run_as == self.threat and each.why_not is None for each in self.attacks)

    @property
    def top(self) -> AttackResult | None:
        """The best attack's result."""
        return next((each for each in self.attacks if each.name == self.best), None)

    @property
    def outcome(self) -> Outcome | None:
        """What it reaches, or what the published images show by themselves; None without the truth."""
        if self.levels is None:
            return None
        return self.top.scores.top if self.top and self.top.scores else self.levels.protected

    @property
    def chance(self) -> Estimate | None:
        """The SSIM that guesses reach, turned like the best attack's pictures; None without the truth."""
        if self.levels is None:
            return None
        turned = self.top is not None and self.top.scores is not None and self.top.scores.best is not None
        return self.levels.chance_of("ssim", turned=turned)

    def as_json(self) -> dict[str, Any]:
        """All numbers; no picture. Chance levels stand once, not with every attack."""
        attacks = []
        for each in self.attacks:
            scores = each.scores
            attacks.append(
                {
                    "name": each.name,
                    "title": each.title,
                    "run_as": each.run_as,
                    "reference": each.reference,
                    "seconds": round(each.seconds, 3),
                    "why_not": each.why_not,
                    "error": each.error,
                    "facts": dict(each.facts),
                    "pick": None if scores is None else asdict(scores.pick),
                    "best_of_states": None if scores is None or scores.best is None else asdict(scores.best),
                    "keyless_ssim": each.keyless,
                    "is_evidence": each.is_evidence,
                    "flags": list(each.flags),
                }
            )
        return {
            "threat": self.threat,
            "title": self.title,
            "images": self.images,
            "level": self.level,
            "reason": self.reason,
            "best": self.best,
            "attacks": attacks,
            "levels": None if self.levels is None else asdict(self.levels),
        }
