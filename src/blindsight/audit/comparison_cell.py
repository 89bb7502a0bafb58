"""One scheme and one threat model over several trials: the figures of a leaderboard's cell."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.stats import t as student

from blindsight.audit.mixing_verdict import percent
from blindsight.audit.results import LEVELS, AttackResult, ThreatResult
from blindsight.audit.scores import Outcome
from blindsight.audit.threat import Candidates

__all__ = ["Cell", "Figure", "over_trials"]


@dataclass(frozen=True)
class Figure:
    """A mean over trials.

    Attributes:
        mean: the mean.
        low: lower end of its 95 % interval; None of one trial.
        high: its upper end, likewise.
    """

    mean: float
    low: float | None = None
    high: float | None = None


def over_trials(values: Sequence[float], least: float = 0.0, most: float = 1.0) -> Figure:
    """Mean and 95 % interval by Student's t distribution: trials are few, and a bootstrap of few says too little.

    Args:
        values: one a trial, at least one.
        least: nothing is smaller; the default is that of shares.
        most: nothing is larger.
    """
    x = np.asarray(values, np.float64)
    mean = float(x.mean())
    if len(x) < 2:
        return Figure(mean)
    half = float(student.ppf(0.975, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x)))
    # Rounding may take a mean itself beyond its end.
    return Figure(mean, max(mean - half, min(least, mean)), min(mean + half, max(most, mean)))


@dataclass(frozen=True, eq=False)
class Cell:
    """All trials of one scheme and one threat model.

    The figures are those of one attack: the one that was the best in most trials, and of these the one with the highest
    SSIM. Where nothing beats the published images, they are those of the published images.

    Attributes:
        scheme: as it is written.
        trials: one result each, with fresh keys and images.
        note: what is to be said of the case, in words.
    """

    scheme: str
    trials: tuple[ThreatResult, ...]
    note: str = ""

    @property
    def threat(self) -> str:
        """Name of the threat model."""
        return self.trials[0].threat

    @property
    def applies(self) -> bool:
        """Whether there is such an attacker."""
        return self.trials[0].levels is not None

    @property
    def level(self) -> str:
        """The worst of the trials."""
        return min((trial.level for trial in self.trials), key=list(LEVELS).index)

    @property
    def reached(self) -> int:
        """Trials of that level."""
        return sum(trial.level == self.level for trial in self.trials)

    @property
    def tried(self) -> bool:
        """Whether an attack was run for this very attacker."""
        return any(trial.tried for trial in self.trials)

    @cached_property
    def best(self) -> str | None:
        """The attack whose figures these are; None where they are those of the published images."""
        counted = Counter(trial.best for trial in self.trials)
        most = max(counted.values())

        def likeness(name: str | None) -> float:
            found = [outcome for outcome in self._outcomes(name) if outcome is not None]
            return float(np.mean([outcome[1].measures["ssim"].mean for outcome in found])) if found else -1.0

        return max((name for name, count in counted.items() if count == most), key=likeness)

    @property
    def title(self) -> str:
        """Of the best attack, for people."""
        if not self.applies:
            return ""
        found = next((result for trial in self.trials if (result := _result(trial, self.best)) is not None), None)
        return "nothing beyond the published images" if found is None else found.title

    @property
    def ssim(self) -> Figure:
        """Of what the attack picks."""
        return over_trials([pick.measures["ssim"].mean for pick, _ in self._scored], -1)

    @property
    def ssim_best(self) -> Figure:
        """In the best of the states that nothing observed tells apart."""
        return over_trials([top.measures["ssim"].mean for _, top in self._scored], -1)

    @property
    def exact(self) -> Figure:
        """Share of the images that come back bit for bit, in the best state."""
        return over_trials([top.exact.mean for _, top in self._scored])

    @property
    def traced(self) -> Figure | None:
        """Share of the images whose original is the nearest by pixels; None where there is nothing to choose from."""
        found = [top.reidentified["pixels"].top1.mean for _, top in self._scored if "pixels" in top.reidentified]
        return over_trials(found) if found else None

    @property
    def traced_chance(self) -> float | None:
        """The same of a guess: one in all originals and candidates."""
        found = [top.reidentified["pixels"].chance for _, top in self._scored if "pixels" in top.reidentified]
        return float(np.mean(found)) if found else None

    @property
    def exact_chance(self) -> float:
        """Share of exact images that naming a candidate at random gives; 0 where nobody has candidates."""
        if self.threat != Candidates.name:
            return 0.0
        return self.traced_chance or 0.0

    @property
    def chance(self) -> Figure:
        """SSIM of the best guess, turned like the attack's pictures."""
        guesses = []
        for trial in self.trials:
            result = _result(trial, self.best)
            turned = result is not None and result.scores is not None and result.scores.best is not None
            if trial.levels is not None:
                guesses.append(trial.levels.chance_of("ssim", turned=turned).mean)
        return over_trials(guesses, -1)

    @property
    def broken(self) -> Figure:
        """Share of the trials in which the pictures come back."""
        return over_trials([float(trial.level == "restored") for trial in self.trials])

    @property
    def seconds(self) -> Figure | None:
        """Of the best attack; None where nothing was run."""
        found = [result.seconds for trial in self.trials if (result := _result(trial, self.best)) is not None]
        return over_trials(found, most=float("inf")) if found else None

    @property
    def _scored(self) -> list[tuple[Outcome, Outcome]]:
        return [found for found in self._outcomes(self.best) if found is not None]

    def _outcomes(self, name: str | None) -> list[tuple[Outcome, Outcome] | None]:
        """For each trial what the attack of this name gives and the same in its best state."""
        found: list[tuple[Outcome, Outcome] | None] = []
        for trial in self.trials:
            result = _result(trial, name)
            if result is not None and result.scores is not None:
                found.append((result.scores.pick, result.scores.top))
            elif name is None and trial.levels is not None:
                found.append((trial.levels.protected, trial.levels.protected))
            else:
                found.append(None)
        return found

    def as_text(self) -> str:
        """For a table: ``broken (2 of 3 trials): known-pairs, SSIM 1.00, exact 100 %; chance 0.14``."""
        said = LEVELS[self.level].lower()
        if not self.applies:
            return f"{said}: {self.trials[0].reason[:1].lower()}{self.trials[0].reason[1:]}"
        if len(self.trials) > 1:
            said += f" ({self.reached} of {len(self.trials)} trials)"
        pick, top, exact = self.ssim, self.ssim_best, self.exact
        bracket = f" ({top.mean:.2f})" if f"{top.mean:.2f}" != f"{pick.mean:.2f}" else ""
        chance = f"chance {self.chance.mean:.2f}"
        shares = f"exact {percent(exact.mean)}"
        if self.exact_chance and self.traced is not None:
            shares += f", traced {percent(self.traced.mean)}"
            chance += f", of either {percent(self.exact_chance)}"
        return f"{said}: {self.best or 'as published'}, SSIM {pick.mean:.2f}{bracket}, {shares}; {chance}"

    def as_json(self) -> dict[str, Any]:
        """All numbers, trial by trial."""
        figures: dict[str, Any] = {}
        if self.applies:
            named = {
                name: getattr(self, name) for name in ("ssim", "ssim_best", "exact", "traced", "chance", "seconds")
            }
            figures = {name: None if figure is None else asdict(figure) for name, figure in named.items()}
            figures |= {"broken": asdict(self.broken), "traced_chance": self.traced_chance}
            figures["exact_chance"] = self.exact_chance
        return {
            "scheme": self.scheme,
            "threat": self.threat,
            "title": self.trials[0].title,
            "level": self.level,
            "best": self.best if self.applies else None,
            "note": self.note or None,
            "figures": figures or None,
            "trials": [trial.as_json() for trial in self.trials],
        }


def _result(trial: ThreatResult, name: str | None) -> AttackResult | None:
    return next((each for each in trial.attacks if each.name == name), None)
