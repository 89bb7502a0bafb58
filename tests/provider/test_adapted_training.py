"""Adaptation networks and their like through the whole training: from a protected folder to a run and back."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from blindsight.errors import BlindsightError, IncompatibleModelError
from blindsight.nets.runs import load_run
from blindsight.provider.evaluation import evaluate
from blindsight.provider.training import TrainConfig, train

PYRAMID = {"backbone": "pyramidnet_micro_shakedrop", "depth": 8, "alpha": 6}
VIT = {"backbone": "vit_micro_patch4_32", "embed_dim": 32, "depth": 1, "num_heads": 2}


class StopAfter:
    """A listener that presses Ctrl-C in the second epoch."""

    def reading(self, *_: object) -> None: ...
    def note(self, _: str) -> None: ...
    def step(self, *_: object) -> None: ...
    def epoch(self, row: dict[str, Any]) -> None:
        if row["epoch"] > 1:
            raise KeyboardInterrupt


def config(model: str, arguments: dict[str, Any], **fields: Any) -> TrainConfig:
    fast = {"epochs": 1, "batch_size": 8, "lr": 3e-3, "threads": 1, "accelerator": "cpu"}
    return TrainConfig.make({**fast, "model": model, "model_args": arguments, **fields})


@pytest.mark.parametrize(
    ("model", "arguments", "fields"),
    [
        ("le_adaptnet", PYRAMID, {}),
        ("le_adaptnet", VIT, {"mixup": 0.2}),
        ("le_adaptnet_madono", PYRAMID, {}),
        ("ele_adaptnet", PYRAMID, {"ema": 0.9, "precision": "bf16-mixed"}),
        ("pe_adaptnet", PYRAMID, {}),
        ("pyramidnet_micro_shakedrop", {"depth": 8, "alpha": 6}, {}),
        ("convmixer_128_4_patch4_32_apm", {"dim": 16, "depth": 1}, {"ema": 0.9}),
    ],
)
def test_one_epoch(
    protected: Path, tmp_path: Path, model: str, arguments: dict[str, Any], fields: dict[str, Any]
) -> None:
    out = tmp_path / "run"
    result = train(protected, out, config(model, arguments, **fields))
    assert torch.isfinite(torch.tensor(result["train_loss"]))
    expected = {"pe_adaptnet": "adapts single pixels", "pyramidnet_micro_shakedrop": "does not cut its input"}
    assert [expected[model] in w for w in result["warnings"]] == [True] * (model in expected)
    stored = json.loads((out / "config.json").read_text())
    assert stored["architecture"] == model
    assert stored["model_args"].get("img_size") == (None if model.startswith("pyramid") else [8, 8])
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(load_run(out).model(x), load_run(out).model(x))
    assert evaluate(out, protected)["n"] == 36


def test_a_penalty_changes_what_is_learned(protected: Path, tmp_path: Path) -> None:
    """The sum of the matrix's entries off the diagonal shrinks where they cost much."""
    left = []
    for weight in (0.0, 10.0):
        arguments = {"dim": 16, "depth": 1, "permutation_weight": weight}
        out = tmp_path / f"run{weight}"
        train(protected, out, config("convmixer_128_4_patch4_32_apm", arguments, epochs=3))
        matrix = load_run(out).model.stem[-1].permutation.weight.detach()
        left.append(float((matrix - matrix.diag().diag()).abs().sum()))
    assert left[1] < 0.5 * left[0]


@pytest.mark.parametrize("model", ["ele_adaptnet", "convmixer_128_4_patch4_32_apm"])
def test_resumed_equals_uninterrupted(protected: Path, tmp_path: Path, model: str) -> None:
    """ShakeDrop's noise, singular vectors and pending penalties too."""
    recipe = config(model, PYRAMID if model == "ele_adaptnet" else {"dim": 16, "depth": 1}, epochs=3)
    train(protected, tmp_path / "whole", recipe)
    broken = tmp_path / "broken"
    with pytest.raises(BlindsightError, match="training interrupted"):
        train(protected, broken, recipe, progress=StopAfter())  # type: ignore[arg-type]
    train(protected, broken, recipe, resume=True)
    one, two = (load_run(tmp_path / name).model.state_dict() for name in ("whole", "broken"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_grid_that_does_not_fit_is_refused_before_anything_is_written(protected: Path, tmp_path: Path) -> None:
    with pytest.raises(IncompatibleModelError, match="blocks of 3x3 do not tile images of 8x8; choose a block_size"):
        train(protected, tmp_path / "run", config("ele_adaptnet", {**PYRAMID, "block_size": 3}))
    assert not (tmp_path / "run").exists()
