"""Schemes compared: each by the best of the attacks, for each threat model, on the same plain images."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from blindsight import __version__
from blindsight.audit._report_files import write_report
from blindsight.audit.attack import Attack
from blindsight.audit.cases import ALWAYS, Case, choose_threats, one_by_one
from blindsight.audit.comparison_page import render_comparison
from blindsight.audit.judging import Judging, judge_cases
from blindsight.audit.plain_images import PlainImages
from blindsight.audit.results import LEVELS, ThreatResult
from blindsight.audit.scenario import make_scenario
from blindsight.audit.threat import THREATS, KnownPairs
from blindsight.errors import OutputError, ParameterError
from blindsight.profile import Codec

__all__ = ["FORMAT", "Cell", "Comparison", "Setting", "cell_text", "compare_schemes"]

FORMAT = "blindsight-audit-comparison/1"


@dataclass(frozen=True)
class Setting:
    """How the images are protected.

    Attributes:
        schemes: registered ciphers.
        block: side of the blocks in pixels.
        key_scope: ``dataset``, ``image`` or ``pool:K``.
        codec: how they are published.
        pairs: of the attacker with known pairs.
    """

    schemes: tuple[str, ...]
    block: int
    key_scope: str = "dataset"
    codec: Codec = field(default_factory=Codec)
    pairs: int = 2


@dataclass(frozen=True)
class Cell:
    """One scheme and one threat model."""

    scheme: str
    result: ThreatResult


@dataclass(frozen=True)
class Comparison:
    """All cells.

    Attributes:
        data: name of the plain images.
        images: of them, those attacked.
        public: plain images that attackers had.
        shape: (H, W, C).
        setting: how they were protected.
        threats: names, in order.
        seconds: budget an attack and cell; None is no limit.
        seed: of keys and attacks.
        cells: a scheme after the other.
        page: ``compare.html``.
        numbers: ``compare.json``.
    """

    data: str
    images: int
    public: int
    shape: tuple[int, int, int]
    setting: Setting
    threats: tuple[str, ...]
    seconds: float | None
    seed: int
    cells: tuple[Cell, ...]
    page: Path
    numbers: Path

    def cell(self, scheme: str, threat: str) -> ThreatResult:
        """The result of a scheme and a threat model."""
        return next(cell.result for cell in self.cells if (cell.scheme, cell.result.threat) == (scheme, threat))

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
            "shape": self.shape,
            "block": setting.block,
            "key_scope": setting.key_scope,
            "codec": setting.codec.model_dump(mode="json"),
            "known_pairs": setting.pairs,
            "seconds": self.seconds,
            "seed": self.seed,
            "cells": [{"scheme": cell.scheme, **cell.result.as_json()} for cell in self.cells],
        }

    def to_json(self) -> str:
        """The text of ``compare.json``."""
        return json.dumps(self.as_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def to_table(self) -> str:
        """Markdown: SSIM of the best attack and what it means, a row a scheme."""
        titles = [THREATS[name].title for name in self.threats]
        lines = ["| scheme | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
        for scheme in self.setting.schemes:
            cells = [cell_text(self.cell(scheme, threat)) for threat in self.threats]
            lines.append(f"| {scheme} | " + " | ".join(cells) + " |")
        return "\n".join(lines)


def cell_text(result: ThreatResult) -> str:
    """``broken .98 (chance .21)``."""
    chance = result.chance
    if result.outcome is None or chance is None:
        return LEVELS[result.level].lower()
    found = result.outcome.measures["ssim"]
    return f"{LEVELS[result.level].lower()}: SSIM {found.mean:.2f}, chance {chance.mean:.2f}"


def compare_schemes(
    plain: PlainImages,
    setting: Setting,
    out: Path,
    *,
    threats: Sequence[str] = (),
    attacks: Sequence[Attack],
    judging: Judging | None = None,
) -> Comparison:
    """Attacks every scheme under every threat model, and writes ``compare.html`` and ``compare.json``.

    Keys are made from the seed, so that everybody attacks the same images.

    Args:
        plain: the data.
        setting: how it is protected.
        out: folder of the page.
        threats: names; all that the data allow and that attacks use where none is given.
        attacks: which.
        judging: budgets, measures, progress.

    Raises:
        UnknownNameError: no such scheme or threat model.
        ParameterError: sizes that do not fit the blocks, or too few images.
        OutputError: the page cannot be written.
    """
    judging = judging or Judging()
    lacks: dict[str, str | None] = {
        "one-image": None,
        "protected-set": None,
        "known-pairs": None,
        "chosen-plaintext": None,
        "labelled-set": None if plain.labels is not None else "the data have no classes",
        "shared-model": "a comparison trains no models; give audit OUT --model RUN",
    }
    names = choose_threats(threats, lacks, attacks)
    if len(plain.images) <= setting.pairs:
        raise ParameterError(f"{setting.pairs} known pairs leave none of {len(plain.images)} images to attack")
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out} is not a folder; choose another one for the comparison")
    cells: list[Cell] = []
    for scheme in setting.schemes:
        told = replace(judging, tell=_naming(scheme, judging))
        cases = [_case(plain, setting, scheme, threat, judging.seed) for threat in names]
        cells += [Cell(scheme, result) for result in judge_cases(cases, attacks, told, names)]
    comparison = Comparison(
        data=plain.name,
        images=len(plain.images) - setting.pairs,
        public=0 if plain.public is None else len(plain.public),
        shape=plain.images.shape[1:],
        setting=setting,
        threats=tuple(
            name
            for name in names
            if name in (threats or ALWAYS) or any(cell.result.tried for cell in cells if cell.result.threat == name)
        ),
        seconds=judging.seconds,
        seed=judging.seed,
        cells=tuple(cells),
        page=out.resolve() / "compare.html",
        numbers=out.resolve() / "compare.json",
    )
    write_report({comparison.numbers: comparison.to_json(), comparison.page: render_comparison(comparison)})
    return comparison


def _naming(scheme: str, judging: Judging) -> Any:
    return lambda threat, *more: judging.tell(f"{scheme}, {threat}", *more)


def _case(plain: PlainImages, setting: Setting, scheme: str, threat: str, seed: int) -> Case:
    # The same images for all attackers: those of the pairs are nobody else's.
    pairs = setting.pairs if threat == KnownPairs.name else 0
    n = len(plain.images) - setting.pairs
    scenario = make_scenario(
        plain.images[: n + pairs],
        scheme,
        setting.block,
        "protected-set" if threat == "one-image" else threat,
        seed=seed,
        key_scope=setting.key_scope,
        codec=setting.codec,
        pairs=pairs,
        public=plain.public,
        labels=None if plain.labels is None else plain.labels[:n],
    )
    if threat == "one-image":
        return one_by_one(scenario.observation, scenario.truth)
    return Case(threat, (scenario.observation,), (scenario.truth,))
