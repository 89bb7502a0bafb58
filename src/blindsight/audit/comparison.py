"""Schemes compared: each by the best of the attacks, for each threat model, on the same plain images."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from blindsight import __version__
from blindsight.audit._report_files import write_report
from blindsight.audit.attack import Attack
from blindsight.audit.cases import ALWAYS, Case, choose_threats
from blindsight.audit.comparison_cases import Setting, case_of, lacking, note_on
from blindsight.audit.comparison_cell import Cell
from blindsight.audit.comparison_page import render_comparison
from blindsight.audit.judging import Judging, judge_cases
from blindsight.audit.plain_images import PlainImages
from blindsight.audit.results import ThreatResult
from blindsight.audit.scheme_choice import SchemeChoice
from blindsight.audit.threat import THREATS
from blindsight.errors import OutputError, ParameterError

__all__ = ["FORMAT", "Comparison", "Draw", "compare_schemes"]

FORMAT = "blindsight-audit-comparison/2"
#: (seed, images of a class that are needed, or 0) -> plain images, drawn anew.
Draw = Callable[[int, int], PlainImages]


@dataclass(frozen=True)
class Comparison:
    """All cells.

    Attributes:
        data: name of the plain images.
        images: of them, those attacked in a trial; a way of mixing that needs more of each class takes fewer.
        public: plain images that attackers had.
        decoys: plain images among which the candidates attacker has the originals.
        shape: (H, W, C).
        setting: how they were protected.
        threats: names, in order.
        trials: how often, each with fresh keys and images.
        seconds: budget an attack and cell; None is no limit.
        seed: of keys, images and attacks of the first trial; the next takes the next one.
        command: that makes the same again; empty where there is none.
        cells: a scheme after the other.
        page: ``compare.html``.
        numbers: ``compare.json``.
        table: ``compare.md``.
    """

    data: str
    images: int
    public: int
    decoys: int
    shape: tuple[int, int, int]
    setting: Setting
    threats: tuple[str, ...]
    trials: int
    seconds: float | None
    seed: int
    command: str
    cells: tuple[Cell, ...]
    page: Path
    numbers: Path
    table: Path

    def cell(self, scheme: str, threat: str) -> Cell:
        """The cell of a scheme and a threat model."""
        return next(cell for cell in self.cells if (cell.scheme, cell.threat) == (scheme, threat))

    @property
    def versions(self) -> dict[str, str]:
        """Of everything that the numbers depend on."""
        return {"blindsight": __version__} | {name: version(name) for name in ("numpy", "scipy", "scikit-image")}

    def as_json(self) -> dict[str, Any]:
        """All numbers; no path."""
        setting = self.setting
        return {
            "format": FORMAT,
            "versions": self.versions,
            "data": self.data,
            "images": self.images,
            "public": self.public,
            "decoys": self.decoys,
            "shape": self.shape,
            "block": setting.block,
            "key_scope": setting.key_scope,
            "reductions": setting.reductions,
            "codec": setting.codec.model_dump(mode="json"),
            "known_pairs": setting.pairs,
            "trials": self.trials,
            "seconds": self.seconds,
            "seed": self.seed,
            "command": self.command or None,
            "cells": [cell.as_json() for cell in self.cells],
        }

    def to_json(self) -> str:
        """The text of ``compare.json``."""
        return json.dumps(self.as_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def to_table(self) -> str:
        """Markdown: for each scheme and kind of attacker the best attack and what it reaches."""
        titles = [THREATS[name].title for name in self.threats]
        lines = ["| scheme | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
        for scheme in self.setting.schemes:
            cells = [self.cell(scheme, threat).as_text().replace("|", "\\|") for threat in self.threats]
            lines.append(f"| {scheme} | " + " | ".join(cells) + " |")
        return "\n".join(lines)

    def to_markdown(self) -> str:
        """The text of ``compare.md``: what was compared, the table, and what its figures mean."""
        height, width, _ = self.shape
        setting, trials = self.setting, "one trial" if self.trials == 1 else f"{self.trials} trials"
        budget = "no limit of time" if self.seconds is None else f"{self.seconds:g} seconds"
        reduced = f", reduced by {' '.join(setting.reductions)}" if setting.reductions else ""
        what = (
            f"{self.data}, {width}x{height} pixels, blocks of {setting.block}, key scope {setting.key_scope}, "
            f"{setting.codec.format}{reduced}: {self.images} images in {trials} with fresh keys and images, "
            f"{self.public} public images, {self.decoys} decoys, {setting.pairs} known pairs, {budget} an attack and "
            f"cell, seed {self.seed}; blindsight {__version__}."
        )
        means = (
            "The best attack, mean SSIM of what it gives (in brackets: in the best of the states that nothing observed "
            "tells apart), images that come back bit for bit, and the SSIM of the best guess."
        )
        command = [f"    {self.command}"] if self.command else []
        return "\n\n".join([what, self.to_table(), means, *self.notes, *command]) + "\n"

    @property
    def notes(self) -> list[str]:
        """What is to be said of cells besides, each once, with the schemes that it is of."""
        of: dict[str, list[str]] = {}
        for cell in self.cells:
            if cell.note and cell.threat in self.threats:
                of.setdefault(cell.note, []).append(cell.scheme)
        return [f"{', '.join(dict.fromkeys(schemes))}: {note}" for note, schemes in of.items()]


def compare_schemes(
    draw: Draw,
    setting: Setting,
    out: Path,
    *,
    threats: Sequence[str] = (),
    attacks: Sequence[Attack],
    judging: Judging | None = None,
    trials: int = 1,
    command: str = "",
) -> Comparison:
    """Attacks every scheme under every threat model; writes ``compare.html``, ``compare.json`` and ``compare.md``.

    Keys are made from the seed, so that everybody attacks the same images.

    Args:
        draw: gives the images of a trial.
        setting: how they are protected.
        out: folder of the page.
        threats: names; all that the data allow and that attacks use where none is given.
        attacks: which.
        judging: budgets, measures, progress; its seed is that of the first trial.
        trials: how often, each with a fresh key and images drawn anew.
        command: what was typed, for the reader; without paths.

    Raises:
        UnknownNameError: no such scheme or threat model.
        ParameterError: sizes that do not fit the blocks, too few images, or images without the classes that a way of
            mixing needs.
        OutputError: the page cannot be written.
    """
    judging = judging or Judging()
    choices = setting.choices
    if trials < 1:
        raise ParameterError(f"trials are 1 or more, got {trials}")
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out} is not a folder; choose another one for the comparison")
    first = draw(judging.seed, 0)
    _check(first, setting, choices)
    names = choose_threats(threats, lacking(first), attacks)
    found: dict[tuple[str, str], list[ThreatResult]] = {(choice.text, name): [] for choice in choices for name in names}
    for trial in range(trials):
        seed = judging.seed + trial
        # A way of mixing needs partners, so it has images of its own.
        needs = {choice.per_class() if choice.mixes else 0 for choice in choices}
        drawn = {least: first if trial == least == 0 else draw(seed, least) for least in sorted(needs)}
        for choice in choices:
            plain = drawn[choice.per_class() if choice.mixes else 0]
            told = replace(judging, seed=seed, tell=_naming(choice.text, trial if trials > 1 else None, judging))
            for result in _judged(plain, setting, choice, names, attacks, told):
                found[choice.text, result.threat].append(result)
    cells = tuple(_cell(choice, found[choice.text, name]) for choice in choices for name in names)
    comparison = Comparison(
        data=first.name,
        images=len(first.images) - setting.pairs,
        public=0 if first.public is None else len(first.public),
        decoys=0 if first.decoys is None else len(first.decoys),
        shape=first.images.shape[1:],
        setting=setting,
        threats=tuple(
            name
            for name in names
            if name in (threats or ALWAYS) or any(cell.tried for cell in cells if cell.threat == name)
        ),
        trials=trials,
        seconds=judging.seconds,
        seed=judging.seed,
        command=command,
        cells=cells,
        page=out.resolve() / "compare.html",
        numbers=out.resolve() / "compare.json",
        table=out.resolve() / "compare.md",
    )
    write_report(
        {
            comparison.numbers: comparison.to_json(),
            comparison.table: comparison.to_markdown(),
            comparison.page: render_comparison(comparison),
        }
    )
    return comparison


def _cell(choice: SchemeChoice, trials: Sequence[ThreatResult]) -> Cell:
    applies = trials[0].levels is not None
    return Cell(choice.text, tuple(trials), note_on(choice, trials[0].threat) if applies else "")


def _check(plain: PlainImages, setting: Setting, choices: Sequence[SchemeChoice]) -> None:
    if len(plain.images) <= setting.pairs:
        raise ParameterError(f"{setting.pairs} known pairs leave none of {len(plain.images)} images to attack")
    for choice in choices:
        height, width, channels = plain.images.shape[1:]
        choice.check(setting.block, channels)
        if choice.mixes:
            choice.check_mixing(setting.block, (height, width), setting.codec)
        if choice.needs_classes and plain.labels is None:
            raise ParameterError(
                f"{choice.name} mixes images of one class, and {plain.name} has no classes; give CLASS/IMAGE, or leave "
                f"{choice.name} out"
            )
        if choice.mixes and setting.reductions:
            raise ParameterError(f"reductions stand before a cipher, and {choice.name} is none; leave one of them out")


def _judged(
    plain: PlainImages,
    setting: Setting,
    choice: SchemeChoice,
    names: Sequence[str],
    attacks: Sequence[Attack],
    judging: Judging,
) -> list[ThreatResult]:
    """One result a threat model, in order."""
    made = {name: case_of(plain, setting, choice, name, judging.seed) for name in names}
    cases = [case for case in made.values() if isinstance(case, Case)]
    judged = {result.threat: result for result in judge_cases(cases, attacks, judging, names)}
    return [
        ThreatResult.not_applicable(name, THREATS[name].title, case) if isinstance(case, str) else judged[name]
        for name, case in made.items()
    ]


def _naming(scheme: str, trial: int | None, judging: Judging) -> Callable[[str, str, float, str], None]:
    where = scheme if trial is None else f"trial {trial + 1}, {scheme}"
    return lambda threat, *more: judging.tell(f"{where}, {threat}", *more)
