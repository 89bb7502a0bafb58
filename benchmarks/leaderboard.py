"""The leaderboard: comparisons that ``blindsight audit compare`` made, as one page of tables and one file of figures.

    blindsight audit compare --schemes etc,shf --data cifar10.npz --block-size 4 --trials 2 --out cifar10-block4
    python benchmarks/leaderboard.py cifar10-block4 faces-block8 --out leaderboard

Each folder holds the compare.json of a comparison; a leaderboard.json made before may stand among them. Of two
comparisons of the same data, size, block and key scope, cells of the later one replace those of the earlier. Written
are OUT.md and OUT.json: of each cell the figures over trials, and of each trial what every attack reached.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

#: Short names of the columns.
COLUMNS = {
    "one-image": "one image",
    "protected-set": "the set",
    "labelled-set": "and labels",
    "candidates": "and candidates",
    "known-pairs": "known pairs",
    "chosen-plaintext": "chosen images",
    "shared-model": "the model",
}
#: What two comparisons must have alike for their schemes to be of one table.
SAME = ("data", "shape", "block", "key_scope", "reductions", "codec")


def read(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """The comparisons of all files, without pictures and intervals over images.

    Raises:
        ValueError: a file is no comparison of this format.
    """
    found: list[dict[str, Any]] = []
    for path in paths:
        data = json.loads((path / "compare.json" if path.is_dir() else path).read_bytes())
        for one in data if isinstance(data, list) else [data]:
            if one.get("format") != "blindsight-audit-comparison/2":
                raise ValueError(f"{path} is no comparison of this version: format {one.get('format')!r}")
            found.append({**one, "cells": [summary(cell) for cell in one["cells"]]})
    return joined(found)


def summary(cell: dict[str, Any]) -> dict[str, Any]:
    """A cell with what each attack reached in each trial: SSIM as picked, in the best state, share exact, seconds."""
    trials = [trial if "best_attack" in trial else _trial(trial) for trial in cell["trials"]]
    return {**cell, "trials": trials}


def _trial(trial: dict[str, Any]) -> dict[str, Any]:
    attacks = {}
    for attack in trial["attacks"]:
        if attack["error"] is not None:
            attacks[attack["name"]] = {"error": attack["error"]}
        elif attack["pick"] is not None:
            top = attack["best_of_states"] or attack["pick"]
            attacks[attack["name"]] = {
                "ssim": round(attack["pick"]["measures"]["ssim"]["mean"], 4),
                "ssim_best": round(top["measures"]["ssim"]["mean"], 4),
                "exact": round(top["exact"]["mean"], 4),
                "seconds": round(attack["seconds"], 1),
            }
    return {"level": trial["level"], "best_attack": trial["best"], "attacks": attacks, "reason": trial["reason"]}


def joined(comparisons: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Comparisons of the same setting as one; the parts keep what differs between them."""
    tables: dict[str, dict[str, Any]] = {}
    for one in comparisons:
        key = json.dumps([one[name] for name in SAME])
        table = tables.setdefault(key, {**one, "cells": [], "parts": []})
        cells = {(cell["scheme"], cell["threat"]): cell for cell in [*table["cells"], *one["cells"]]}
        part = {name: value for name, value in one.items() if name not in ("cells", "parts", *SAME)}
        table["cells"] = list(cells.values())
        table["parts"] += one.get("parts") or [part]
    return list(tables.values())


def text(cell: dict[str, Any] | None) -> str:
    """A cell of the table."""
    if cell is None:
        return "*not run*"
    figures = cell["figures"]
    if figures is None:
        return "–"
    best, pick = figures["ssim_best"]["mean"], figures["ssim"]["mean"]
    said = f"{best:.2f}" if cell["level"] != "restored" else f"**{best:.2f}**"
    if f"{best:.2f}" != f"{pick:.2f}":
        said += f" ({pick:.2f})"
    if figures["exact"]["mean"] > 0:
        said += f", {100 * figures['exact']['mean']:.0f} % exact"
    if cell["level"] != "restored":
        said += f", chance {figures['chance']['mean']:.2f}"
    return f"{said}: {cell['best'] or 'as published'}"


def table(one: dict[str, Any]) -> str:
    """Markdown: a heading, a row a scheme, and the commands."""
    cells = {(cell["scheme"], cell["threat"]): cell for cell in one["cells"]}
    schemes, threats = (list(dict.fromkeys(key[k] for key in cells)) for k in (0, 1))
    threats.sort(key=list(COLUMNS).index)
    height, width, _ = one["shape"]
    scope = "" if one["key_scope"] == "dataset" else f", key scope {one['key_scope']}"
    lines = [f"### {one['data']}, {width}x{height} pixels, blocks of {one['block']}{scope}", ""]
    lines.append("| scheme | " + " | ".join(COLUMNS[name] for name in threats) + " |")
    lines.append("| --- " * (len(threats) + 1) + "|")
    for scheme in schemes:
        row = [text(cells.get((scheme, name))).replace("|", "\\|") for name in threats]
        lines.append(f"| {scheme} | " + " | ".join(row) + " |")
    for part in one["parts"]:
        trials = "one trial" if part["trials"] == 1 else f"{part['trials']} trials"
        budget = "no limit of time" if part["seconds"] is None else f"{part['seconds']:g} seconds an attack"
        shown = (
            f"{part['images']} images, {part['public']} public ones, {part['known_pairs']} pairs; {trials}; {budget}."
        )
        lines += ["", shown, "", f"    {part['command']}"]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparisons", nargs="+", type=Path, help="folders of audit compare, or a leaderboard.json")
    parser.add_argument("--out", type=Path, required=True, help="OUT.md and OUT.json are written")
    given = parser.parse_args(arguments)
    try:
        found = read(given.comparisons)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.with_suffix(".json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    given.out.with_suffix(".md").write_text("\n".join(table(one) for one in found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
