"""Attacks tried on cases, within their budget; whatever one of them does, the audit goes on."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from blindsight.audit.attack import Attack, Budget, Reconstruction
from blindsight.audit.cases import Case
from blindsight.audit.threat import ChosenPlaintext, Observation
from blindsight.profile import Scalar

__all__ = ["Trial", "try_attack"]

#: An attack that is still at it after this multiple of its time and these seconds has not kept its budget.
SLACK, GRACE = 1.25, 2.0

#: Called with (share done, what is done now).
Tell = Callable[[float, str], None]


@dataclass(frozen=True, eq=False)
class Trial:
    """What came of an attack.

    Attributes:
        reconstruction: of all images of the case, in order; None where there is none.
        seconds: wall clock.
        why_not: why it was not tried, in words; None where it was.
        error: what it raised or gave back wrongly; None where all went well.
        overran: it took clearly more than its budget.
    """

    reconstruction: Reconstruction | None = None
    seconds: float = 0.0
    why_not: str | None = None
    error: str | None = None
    overran: bool = False


def try_attack(attack: Attack, case: Case, seconds: float | None, seed: int = 0, tell: Tell | None = None) -> Trial:
    """Tries an attack on every observation of a case.

    Args:
        attack: which.
        case: on what.
        seconds: budget for the whole case; None is no limit.
        seed: of everything that the attack draws.
        tell: told of the progress.
    """
    why_not = next((why for seen in case.observations if (why := attack.why_not(seen)) is not None), None)
    if why_not is not None:
        return Trial(why_not=why_not)
    parts = len(case.observations)
    each = None if seconds is None else seconds / parts
    found, spent = [], 0.0
    for k, seen in enumerate(case.observations):
        budget = Budget(each, seed, _part(tell, k, parts))
        budget.tell(0.0, "begins")
        if isinstance(seen, ChosenPlaintext):
            seen.encrypt.queries = 0
        # Other people's attacks may raise anything; the report then says what, and the audit goes on.
        try:
            reconstruction = attack.run(seen, budget)
            wrong = _wrong(reconstruction, seen)
        except Exception as error:
            wrong = f"{type(error).__name__}: {error}".splitlines()[0]
        spent += budget.spent()
        if wrong is not None:
            return Trial(seconds=spent, error=wrong)
        found.append(reconstruction)
    overran = seconds is not None and spent > SLACK * seconds + GRACE
    return Trial(_merged(found), spent, overran=overran)


def _part(tell: Tell | None, k: int, parts: int) -> Tell | None:
    return None if tell is None else lambda share, what: tell((k + min(max(share, 0.0), 1.0)) / parts, what)


def _wrong(found: object, seen: Observation) -> str | None:
    if not isinstance(found, Reconstruction):
        return f"gave back a {type(found).__name__}, not a Reconstruction"
    if found.images.shape != seen.images.shape or found.images.dtype != np.uint8:
        return f"gave back images {found.images.dtype} {found.images.shape}, expected uint8 {seen.images.shape}"
    return None


def _merged(found: list[Reconstruction]) -> Reconstruction:
    """Of several images attacked one by one: facts are averaged where they are numbers, and left out elsewhere."""
    if len(found) == 1:
        return found[0]
    facts: dict[str, Scalar] = {}
    for name in set.intersection(*(set(each.facts) for each in found)):
        values = [each.facts[name] for each in found]
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            facts[name] = float(np.mean([float(value) for value in values]))
    symmetric = any(each.symmetric for each in found)
    return Reconstruction(np.concatenate([each.images for each in found]), None, symmetric, dict(sorted(facts.items())))
