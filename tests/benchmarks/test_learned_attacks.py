"""benchmarks/learned_attacks.py: several schemes beside one case without a key, in one file."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "learned_attacks.py"


def test_schemes_share_one_keyless_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = importlib.util.spec_from_file_location("learned_attacks", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "learned_attacks", module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    out = tmp_path / "gan.json"
    sizes = "--images 3 --public 4 --size 8 --steps 1 --batch 2 --judge-width 4"
    arguments = ["--attack", "gan", "--scheme", "le", "pe", *sizes.split(), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["learned_attacks.py", *arguments])
    module.main()
    report = json.loads(out.read_text())
    assert list(report["schemes"]) == ["le", "pe"]
    assert report["keyless"]["scheme"] == "rrp"
    assert report["keyless"]["protected_ssim"]["mean"] == pytest.approx(1.0)
    assert report["keyless_solved"] is False
    assert report["settings"]["judge_width"] == 4
    assert report["settings"]["steps"] == 1
    assert str(tmp_path) not in out.read_text()
    assert "NOT solved" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["learned_attacks.py", "--attack", "gan", "--depth", "2"])
    with pytest.raises(SystemExit, match="gan has no depth"):
        module.main()
