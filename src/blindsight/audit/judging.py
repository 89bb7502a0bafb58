"""Attacks run on a case and scored, and what may be concluded. Safety is concluded only from attacks that can do it.

A verdict of safety is refused where no attack solves the keyless case: the same images under a key that changes nothing
(:func:`~blindsight.audit.cases.keyless`). The idea is that of AutoAttack (Croce and Hein, arXiv 2003.01690), which
flags evaluations that may be void.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from blindsight.audit.attack import Attack
from blindsight.audit.cases import Case, keyless
from blindsight.audit.mixing_verdict import percent
from blindsight.audit.results import LEVELS, AttackResult, Pictures, ThreatResult
from blindsight.audit.scoring import Levels, Outcome, Yardstick, chance_levels, in_best_state, score
from blindsight.audit.trials import Trial, try_attack

__all__ = ["MARGIN", "RESTORED", "TIMES", "Judging", "judge_case"]

#: Mean SSIM from which pictures count as restored, and a keyless case as solved.
RESTORED = 0.9
#: Share of images that are exact from which pictures count as restored.
MOST = 0.5
#: How far above its chance level SSIM, or above the commonest class label accuracy, may be and still count as nothing.
MARGIN = 0.05
#: How many times chance re-identification may be and still count as nothing.
TIMES = 2
COPIES = "gives back what it sees"
SSIM = "ssim"


@dataclass(frozen=True)
class Judging:
    """How attacks are run and scored.

    Attributes:
        seconds: budget an attack and threat model; None is no limit.
        seed: of everything that attacks draw.
        by: what is measured.
        tell: called with (threat, attack's title, share done, what is done now).
    """

    seconds: float | None = 60.0
    seed: int = 0
    by: Yardstick = field(default_factory=Yardstick)
    tell: Callable[[str, str, float, str], None] = lambda *_: None


def judge_case(case: Case, attacks: Sequence[Attack], judging: Judging) -> ThreatResult:
    """Runs attacks on a case and says what may be concluded.

    Args:
        case: on what.
        attacks: which.
        judging: how.
    """
    trials = {attack.name: _tried(attack, case, judging, case.threat) for attack in attacks}
    results = [_result(attack, trials[attack.name], case, judging) for attack in attacks]
    truth, seen = case.truth, case.seen
    if truth is None:
        found = {
            name: Pictures(seen.images, None, trial.reconstruction.images)
            for name, trial in trials.items()
            if trial.reconstruction is not None
        }
        reason = "Nobody granted the originals: look at the pictures."
        return _threat_result(case, "unscored", reason, None, results, None, found)
    levels = chance_levels(truth, seen, others=case.others, by=judging.by)
    results = [_scored(result, trials[result.name], case, levels, judging) for result in results]
    best, level, reason = _best(levels, results)
    if level == "not-broken":
        results = [_on_keyless(*each, case, judging) for each in zip(attacks, results, strict=True)]
        if not any(result.is_evidence for result in results):
            level, reason = "unknown", _why_unknown(results)
    pictures = {}
    shown = None if best is None else trials[best.name].reconstruction
    if best is not None and shown is not None:
        if shown.symmetric:
            shown = in_best_state(shown, truth, seen, one_state=_one_state(case))
        pictures[best.name] = Pictures(seen.images, truth.images, shown.images)
    return _threat_result(case, level, reason, None if best is None else best.name, results, levels, pictures)


def _threat_result(
    case: Case,
    level: str,
    reason: str,
    best: str | None,
    results: list[AttackResult],
    levels: Levels | None,
    pictures: dict[str, Pictures],
) -> ThreatResult:
    count = len(case.seen.images)
    return ThreatResult(case.threat, case.title, count, level, reason, best, tuple(results), levels, pictures)


def _tried(attack: Attack, case: Case, judging: Judging, where: str) -> Trial:
    return try_attack(
        attack, case, judging.seconds, judging.seed, lambda share, what: judging.tell(where, attack.title, share, what)
    )


def _result(attack: Attack, trial: Trial, case: Case, judging: Judging) -> AttackResult:
    flags = []
    if trial.error is not None:
        flags.append("failed")
    if trial.overran:
        flags.append(f"took {trial.seconds:.1f} s of {judging.seconds:g} s")
    if trial.reconstruction is not None and np.array_equal(trial.reconstruction.images, case.seen.images):
        flags.append(COPIES)
    facts = {} if trial.reconstruction is None else trial.reconstruction.facts
    return AttackResult(
        attack.name,
        attack.title,
        attack.reference,
        trial.seconds,
        trial.why_not,
        trial.error,
        facts,
        flags=tuple(flags),
    )


def _scored(result: AttackResult, trial: Trial, case: Case, levels: Levels, judging: Judging) -> AttackResult:
    truth = case.truth
    if trial.reconstruction is None or truth is None:
        return result
    one_state = _one_state(case)
    scores = score(
        trial.reconstruction, truth, case.seen, others=case.others, one_state=one_state, levels=levels, by=judging.by
    )
    return replace(result, scores=scores)


def _one_state(case: Case) -> bool | None:
    """Attacked one by one, each picture is found in a state of its own."""
    return False if len(case.observations) > 1 else None


def _on_keyless(attack: Attack, result: AttackResult, case: Case, judging: Judging) -> AttackResult:
    """The result with what the attack reaches where there is no key."""
    if result.scores is None:
        return result
    easy = keyless(case)
    trial = _tried(attack, easy, judging, f"{case.threat}, no key")
    reached = 0.0
    if trial.reconstruction is not None and easy.truth is not None:
        levels, one_state = result.scores.levels, _one_state(case)
        scores = score(trial.reconstruction, easy.truth, easy.seen, one_state=one_state, levels=levels)
        reached = scores.top.measures[SSIM].mean
    solved = reached >= RESTORED
    flags = result.flags if solved else (*result.flags, f"reaches SSIM {reached:.2f} where there is no key")
    return replace(result, keyless=reached, flags=flags, is_evidence=solved and COPIES not in flags)


def _best(levels: Levels, results: list[AttackResult]) -> tuple[AttackResult | None, str, str]:
    """The attack that reaches most, None where the published images show as much; the level, and the reason."""
    found: list[tuple[AttackResult | None, Outcome, str]] = [
        (None, levels.protected, "the published images themselves")
    ]
    found += [(each, each.scores.top, f"“{each.title}”") for each in results if each.scores is not None]
    judged = [(each, outcome, *_level(levels, outcome, who)) for each, outcome, who in found]

    def worth(entry: tuple[AttackResult | None, Outcome, str, str]) -> tuple[int, float, float]:
        _, outcome, level, _ = entry
        return -list(LEVELS).index(level), outcome.exact.mean, outcome.measures[SSIM].mean

    best, _, level, reason = max(judged, key=worth)
    return best, level, reason


def _level(levels: Levels, top: Outcome, who: str) -> tuple[str, str]:
    """What the best that was reached means, and why."""
    found, chance = top.measures[SSIM], levels.chance_of(SSIM)
    said = f"SSIM {found.mean:.2f}, chance {chance.mean:.2f}"
    if top.exact.mean >= MOST:
        return "restored", f"Of the pictures {percent(top.exact.mean)} come back bit for bit, by {who}."
    if found.mean >= RESTORED:
        return "restored", f"The pictures come back, by {who}: {said}."
    for by, traced in top.reidentified.items():
        if traced.top1.low > TIMES * traced.chance:
            named = f"{percent(traced.top1.mean)} are traced to their original by {by}, chance {percent(traced.chance)}"
            return "visible", f"More than chance comes back, by {who}: {named}; {said}."
    if found.low > chance.mean and found.mean > chance.mean + MARGIN:
        return "visible", f"More than chance comes back, by {who}: {said}."
    accuracy, commonest = top.label_accuracy, levels.commonest_class
    if accuracy is not None and commonest is not None and accuracy.low > commonest + MARGIN:
        named = f"a classifier of plain images names the class of {percent(accuracy.mean)}"
        return (
            "visible",
            f"More than chance comes back, by {who}: {named}; the commonest class is {percent(commonest)}.",
        )
    return "not-broken", f"No attack run gets more than chance: {said}."


def _why_unknown(results: list[AttackResult]) -> str:
    if not any(result.scores for result in results):
        return "No attack that was run works on what is seen here."
    return (
        "Nothing was found, and none of the attacks run finds anything where there is no key either: they may be too "
        "weak, or have too little time or too few images."
    )
