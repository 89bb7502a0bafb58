"""Attacks run on a case and scored, and what may be concluded. Safety is concluded only from attacks that can do it.

A verdict of safety is refused where no attack solves the keyless case: the same images under a key that changes nothing
(:func:`~blindsight.audit.cases.keyless`). The idea is that of AutoAttack (Croce and Hein, arXiv 2003.01690), which
flags evaluations that may be void.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from blindsight.audit.attack import Attack
from blindsight.audit.cases import ALWAYS, Case, keyless
from blindsight.audit.mixing_verdict import percent
from blindsight.audit.results import LEVELS, AttackResult, Pictures, ThreatResult
from blindsight.audit.scores import Levels, Outcome
from blindsight.audit.scoring import Yardstick, chance_levels, in_best_state, score
from blindsight.audit.trials import Trial, try_attack

__all__ = ["MARGIN", "RESTORED", "TIMES", "Judging", "judge_cases"]

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


@dataclass(frozen=True, eq=False)
class _Run:
    """An attack that was run: on what, and what came of it."""

    case: Case
    trial: Trial
    result: AttackResult


def judge_cases(
    cases: Sequence[Case], attacks: Sequence[Attack], judging: Judging, wanted: Sequence[str] = ALWAYS
) -> tuple[ThreatResult, ...]:
    """Runs attacks on cases and says what may be concluded of each.

    Who sees more can do all that who sees less can. So what an attack found for a weaker attacker on the same images
    counts for the stronger one as well, and it is not run again.

    Args:
        cases: on what, the weakest attacker first.
        attacks: which.
        judging: how.
        wanted: threat models that are reported in any case; of the others those alone for which an attack was run.
    """
    done: dict[str, _Run] = {}
    results = [_judged(case, attacks, judging, done) for case in cases]
    return tuple(result for result in results if result.threat in wanted or result.tried)


def _judged(case: Case, attacks: Sequence[Attack], judging: Judging, done: dict[str, _Run]) -> ThreatResult:
    truth, seen = case.truth, case.seen
    levels = (
        None
        if truth is None
        else chance_levels(truth, seen, others=case.others, one_state=_one_state(case), by=judging.by)
    )
    for attack in attacks:
        before = done.get(attack.name)
        if before is None or not _holds_for(before, case):
            trial = _tried(attack, case, judging, case.threat)
            result = _scored(_result(attack, trial, case, judging), trial, case, levels, judging)
            done[attack.name] = _Run(case, trial, result)
    runs = [_among(done[attack.name], case, levels, judging) for attack in attacks]
    if truth is None or levels is None:
        found = {
            run.result.name: Pictures(seen.images, None, run.trial.reconstruction.images)
            for run in runs
            if run.trial.reconstruction is not None
        }
        reason = "Nobody granted the originals: look at the pictures."
        return _threat_result(case, "unscored", reason, None, runs, None, found)
    best, level, reason = _best(
        levels, [run.result for run in runs], {run.result.name for run in runs if run.case is case}
    )
    if level == "not-broken":
        # What a weaker attacker's attacks cannot do says nothing of what this one has more.
        for attack in attacks:
            if done[attack.name].case is case:
                done[attack.name] = _on_keyless(attack, done[attack.name], judging)
        runs = [_among(done[attack.name], case, levels, judging) for attack in attacks]
        own = [run.result for run in runs if run.case is case]
        if not any(result.is_evidence for result in own):
            level, reason = "unknown", _why_unknown(own)
    pictures = {}
    shown = None if best is None else done[best.name].trial.reconstruction
    if best is not None and shown is not None:
        if shown.symmetric:
            shown = in_best_state(shown, truth, seen, one_state=_one_state(case))
        pictures[best.name] = Pictures(seen.images, truth.images, shown.images)
    return _threat_result(case, level, reason, None if best is None else best.name, runs, levels, pictures)


def _among(run: _Run, case: Case, levels: Levels | None, judging: Judging) -> _Run:
    """The run as it counts here: what a weaker attacker's attack found is traced among all that this one could mean."""
    if run.case.others is case.others:
        return run
    return replace(run, result=_scored(run.result, run.trial, case, levels, judging))


def _holds_for(run: _Run, case: Case) -> bool:
    """Whether what was found for another attacker is found by this one too: who sees the same images, and no less."""
    before, now = run.case.observations, case.observations
    return (
        run.trial.why_not is None
        and len(before) == len(now) == 1
        and isinstance(now[0], type(before[0]))
        and np.array_equal(before[0].images, now[0].images)
    )


def _threat_result(
    case: Case,
    level: str,
    reason: str,
    best: str | None,
    runs: list[_Run],
    levels: Levels | None,
    pictures: dict[str, Pictures],
) -> ThreatResult:
    results = tuple(replace(run.result, run_as=run.case.threat) for run in runs)
    return ThreatResult(case.threat, case.title, len(case.seen.images), level, reason, best, results, levels, pictures)


def _tried(attack: Attack, case: Case, judging: Judging, where: str) -> Trial:
    trial = try_attack(
        attack, case, judging.seconds, judging.seed, lambda share, what: judging.tell(where, attack.title, share, what)
    )
    if trial.reconstruction is None or case.counted is None:
        return trial
    return replace(
        trial, reconstruction=replace(trial.reconstruction, images=trial.reconstruction.images[case.counted])
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


def _scored(result: AttackResult, trial: Trial, case: Case, levels: Levels | None, judging: Judging) -> AttackResult:
    truth = case.truth
    if trial.reconstruction is None or truth is None:
        return result
    one_state = _one_state(case)
    scores = score(
        trial.reconstruction, truth, case.seen, others=case.others, one_state=one_state, levels=levels, by=judging.by
    )
    return replace(result, scores=scores)


def _one_state(case: Case) -> bool | None:
    """Attacked one by one, each picture is found in a state of its own; in a mixed set all are in one."""
    if len(case.observations) > 1:
        return False
    return True if case.observations[0].profile.kind == "mix" else None


def _on_keyless(attack: Attack, run: _Run, judging: Judging) -> _Run:
    """The run with what the attack reaches where there is no key."""
    result, easy = run.result, keyless(run.case, attack)
    if result.scores is None or result.keyless is not None:
        return run
    trial = _tried(attack, easy, judging, f"{run.case.threat}, no key")
    reached = 0.0
    if trial.reconstruction is not None and easy.truth is not None:
        scores = score(
            trial.reconstruction, easy.truth, easy.seen, one_state=_one_state(easy), levels=result.scores.levels
        )
        reached = scores.top.measures[SSIM].mean
    solved = reached >= RESTORED
    flags = result.flags if solved else (*result.flags, f"reaches SSIM {reached:.2f} where there is no key")
    better = replace(result, keyless=reached, flags=flags, is_evidence=solved and COPIES not in flags)
    return replace(run, result=better)


def _best(levels: Levels, results: list[AttackResult], own: set[str]) -> tuple[AttackResult | None, str, str]:
    """The attack that reaches most, None where the published images show as much; the worst level of all; its reason.

    Of attacks that reach the same those in ``own`` come first, which use all that this attacker has.
    """
    found: list[tuple[AttackResult | None, Outcome, str]] = [
        (None, levels.protected, "the published images themselves")
    ]
    found += [(each, each.scores.top, f"“{each.title}”") for each in results if each.scores is not None]
    judged = [
        (each, outcome, *_level(levels, outcome, who, turned=each is not None and _is_turned(each)))
        for each, outcome, who in found
    ]

    def worth(entry: tuple[AttackResult | None, Outcome, str, str]) -> tuple[int, float, float, bool]:
        attack, outcome, level, _ = entry
        mine = attack is None or attack.name in own
        return -list(LEVELS).index(level), outcome.exact.mean, outcome.measures[SSIM].mean, mine

    def above_chance(entry: tuple[AttackResult | None, Outcome, str, str]) -> float:
        chance = levels.chance_of(SSIM, turned=entry[0] is not None and _is_turned(entry[0]))
        return entry[1].measures[SSIM].mean - chance.mean

    best, _, level, reason = max(judged, key=worth)
    if level != "restored":
        # Lower levels say what is beyond doubt, which the pictures that show most need not be where images are few.
        best = max(judged, key=lambda entry: (above_chance(entry), *worth(entry)))[0]
    return best, level, reason


def _is_turned(result: AttackResult) -> bool:
    return result.scores is not None and result.scores.best is not None


def _level(levels: Levels, top: Outcome, who: str, *, turned: bool) -> tuple[str, str]:
    """What the best that was reached means, and why."""
    found, chance = top.measures[SSIM], levels.chance_of(SSIM, turned=turned)
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
        return "No attack that was run uses what is seen here."
    return (
        "Nothing was found, and none of the attacks run finds anything where there is no key either: they may be too "
        "weak, or have too little time or too few images."
    )
