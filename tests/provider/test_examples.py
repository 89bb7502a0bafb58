"""The examples run on a protected folder."""

import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize(
    ("name", "said"),
    [("plain_dataloader.py", "epoch 3: loss of the last batch"), ("lightning_datamodule.py", "val_loss")],
)
@pytest.mark.filterwarnings("ignore")
def test_example_runs(
    name: str,
    said: str,
    protected: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [name, str(protected)])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    assert said in capsys.readouterr().out
