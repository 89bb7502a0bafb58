"""``torch.compile`` by option: the same training but for the last digits, and a clear word where it cannot be done."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from provider_helpers import TINY
from torch import nn

from blindsight.errors import BlindsightError, ParameterError
from blindsight.nets.runs import load_run
from blindsight.provider.training import TrainConfig, train


def config(**fields: Any) -> TrainConfig:
    facts = {"model_args": TINY, "epochs": 2, "batch_size": 8, "threads": 1, "accelerator": "cpu", "ema": 0.9}
    return TrainConfig.make({**facts, "precision": "32-true", **fields})


def losses(run: Path) -> list[str]:
    return [line.split(",")[1] for line in (run / "metrics.csv").read_text().splitlines()[1:]]


@pytest.mark.skipif(shutil.which("c++") is None and shutil.which("g++") is None, reason="needs a C++ compiler")
def test_a_compiled_training_is_the_same_training(protected: Path, tmp_path: Path) -> None:
    train(protected, tmp_path / "plain", config())
    torch._dynamo.reset()
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    train(protected, tmp_path / "compiled", config(compile=True))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > before
    plain, compiled = (load_run(tmp_path / name).model.state_dict() for name in ("plain", "compiled"))
    assert plain.keys() == compiled.keys()
    for name, value in plain.items():
        torch.testing.assert_close(compiled[name], value, atol=1e-4, rtol=1e-3, msg=name)
    assert [float(v) for v in losses(tmp_path / "compiled")] == pytest.approx(
        [float(v) for v in losses(tmp_path / "plain")], abs=1e-4
    )
    assert json.loads((tmp_path / "compiled" / "recipe.json").read_text())["config"]["compile"] is True


def test_a_network_that_cannot_be_compiled(protected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("no compiler here")

    compile_with = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda self: compile_with(self, backend=broken))
    with pytest.raises(ParameterError, match=r"cannot compile this network here .* leave --compile out"):
        train(protected, tmp_path / "run", config(compile=True))


def test_resuming_with_another_choice_is_refused(protected: Path, tmp_path: Path, monkeypatch: Any) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("blindsight.provider.callbacks.Keeper.on_train_epoch_end", interrupt)
    with pytest.raises(BlindsightError, match="training interrupted; nothing was kept yet"):
        train(protected, tmp_path / "run", config())
    with pytest.raises(ParameterError, match="compile was False and is now True"):
        train(protected, tmp_path / "run", config(compile=True), resume=True)
