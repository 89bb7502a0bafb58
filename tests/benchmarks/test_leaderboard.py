"""benchmarks/leaderboard.py: comparisons made into tables."""

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

spec = spec_from_file_location("leaderboard", Path(__file__).parents[2] / "benchmarks" / "leaderboard.py")
assert spec is not None
assert spec.loader is not None
leaderboard = module_from_spec(spec)
spec.loader.exec_module(leaderboard)


def cell(scheme: str, threat: str, ssim: float, level: str = "partly") -> dict[str, Any]:
    outcome = {"measures": {"ssim": {"mean": ssim}}, "exact": {"mean": 0.0}}
    attack = {"name": "guess", "error": None, "pick": outcome, "best_of_states": None, "seconds": 1.26}
    untried = {"name": "other", "error": None, "pick": None}
    wrong = {"name": "wrong", "error": "ValueError: no"}
    figures = {name: {"mean": ssim} for name in ("ssim", "ssim_best")} | {"exact": {"mean": 0}, "chance": {"mean": 0.1}}
    trial = {"level": level, "best": "guess", "reason": "Because.", "attacks": [attack, untried, wrong]}
    return {
        "scheme": scheme,
        "threat": threat,
        "level": level,
        "best": "guess",
        "figures": figures,
        "trials": [trial],
    }


def comparison(*cells: dict[str, Any], block: int = 4, command: str = "audit compare") -> dict[str, Any]:
    return {
        "format": "blindsight-audit-comparison/2",
        **{"data": "digits", "shape": [8, 8, 1], "block": block, "key_scope": "dataset", "reductions": [], "codec": {}},
        **{"images": 3, "public": 2, "known_pairs": 1, "trials": 1, "seconds": 5.0, "command": command},
        "cells": list(cells),
    }


def written(folder: Path, one: dict[str, Any]) -> Path:
    folder.mkdir()
    (folder / "compare.json").write_text(json.dumps(one))
    return folder


def test_later_cells_of_a_setting_replace_earlier_ones_and_other_settings_stand_apart(tmp_path: Path) -> None:
    first = comparison(cell("etc", "one-image", 0.25), cell("pe", "one-image", 0.5), command="first")
    again = comparison(cell("pe", "one-image", 0.75, "restored"), cell("pe", "known-pairs", 1.0), command="again")
    paths = [written(tmp_path / name, one) for name, one in (("a", first), ("b", again))]
    paths.append(written(tmp_path / "c", comparison(cell("etc", "one-image", 0.125), block=2)))
    assert leaderboard.main([*map(str, paths), "--out", str(tmp_path / "board")]) == 0
    found = json.loads((tmp_path / "board.json").read_text())
    assert [(one["block"], [(c["scheme"], c["threat"]) for c in one["cells"]]) for one in found] == [
        (4, [("etc", "one-image"), ("pe", "one-image"), ("pe", "known-pairs")]),
        (2, [("etc", "one-image")]),
    ]
    attacks = found[0]["cells"][0]["trials"][0]["attacks"]
    assert attacks["guess"] == {"ssim": 0.25, "ssim_best": 0.25, "exact": 0.0, "seconds": 1.3}
    assert attacks["wrong"] == {"error": "ValueError: no"}
    assert "other" not in attacks
    text = (tmp_path / "board.md").read_text()
    assert "| etc | 0.25, chance 0.10: guess | *not run* |" in text
    assert "| pe | **0.75**: guess | 1.00, chance 0.10: guess |" in text
    assert "    first\n" in text
    assert "    again\n" in text


def test_a_leaderboard_is_read_again_as_it_is(tmp_path: Path) -> None:
    folder = written(tmp_path / "a", comparison(cell("etc", "one-image", 0.25)))
    leaderboard.main([str(folder), "--out", str(tmp_path / "one")])
    leaderboard.main([str(tmp_path / "one.json"), "--out", str(tmp_path / "two")])
    assert (tmp_path / "one.json").read_text() == (tmp_path / "two.json").read_text()
    assert (tmp_path / "one.md").read_text() == (tmp_path / "two.md").read_text()


def test_what_is_no_comparison_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = written(tmp_path / "a", {"format": "blindsight-audit-comparison/1"})
    with pytest.raises(SystemExit):
        leaderboard.main([str(folder), "--out", str(tmp_path / "one")])
    assert "no comparison of this version" in capsys.readouterr().err
