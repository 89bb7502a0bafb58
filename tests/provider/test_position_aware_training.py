"""Networks that know positions, through a whole training: the size is kept, and a resumed one ends the same."""

from pathlib import Path
from typing import Any

import pytest
import torch
from provider_helpers import TINY

from blindsight.errors import BlindsightError
from blindsight.nets.position_aware import EMBEDDINGS, likely_states
from blindsight.nets.runs import load_run
from blindsight.provider.evaluation import evaluate
from blindsight.provider.recipe import TrainConfig
from blindsight.provider.training import train

CONVMIXER = {"dim": 16, "depth": 1, "kernel_size": 3}


def config(**fields: Any) -> TrainConfig:
    common = {"epochs": 2, "batch_size": 8, "lr": 1e-2, "threads": 1, "accelerator": "cpu", "smoothing": 0.0}
    return TrainConfig.make({**common, **fields})


@pytest.mark.parametrize("model", ["convmixer_128_4_patch4_32", "convmixer_128_4_patch4_32_apm"])
@pytest.mark.parametrize("kind", EMBEDDINGS[1:])
def test_a_convmixer_run_remembers_the_size_it_was_made_for(
    protected: Path, tmp_path: Path, model: str, kind: str
) -> None:
    train(protected, tmp_path / "run", config(model=model, model_args={**CONVMIXER, "embedding": kind}))
    run = load_run(tmp_path / "run")
    assert run.config["model_args"] == {**CONVMIXER, "embedding": kind, "img_size": [8, 8]}
    assert evaluate(run, protected)["n"] == 36


def test_a_tied_convmixer_run_says_nothing_of_size(protected: Path, tmp_path: Path) -> None:
    train(protected, tmp_path / "run", config(epochs=1, model="convmixer_128_4_patch4_32", model_args=CONVMIXER))
    assert load_run(tmp_path / "run").config["model_args"] == CONVMIXER


class StopAfter:
    """A listener that presses Ctrl-C in the epoch after the first."""

    def reading(self, *_: object) -> None: ...
    def note(self, _: str) -> None: ...
    def step(self, *_: object) -> None: ...
    def epoch(self, row: dict[str, Any]) -> None:
        if row["epoch"] > 1:
            raise KeyboardInterrupt


@pytest.mark.parametrize("kind", ["per_position", "states"])
def test_resumed_equals_uninterrupted(protected: Path, tmp_path: Path, kind: str) -> None:
    recipe = config(epochs=3, model_args={**TINY, "embedding": kind}, precision="bf16-mixed", ema=0.9, cutmix=0.5)
    train(protected, tmp_path / "whole", recipe)
    with pytest.raises(BlindsightError, match="interrupted"):
        train(protected, tmp_path / "broken", recipe, progress=StopAfter())  # type: ignore[arg-type]
    train(protected, tmp_path / "broken", recipe, resume=True)
    one, two = (load_run(tmp_path / name).model.state_dict() for name in ("whole", "broken"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_what_a_run_has_learned_of_the_states_can_be_read_from_its_folder(protected: Path, tmp_path: Path) -> None:
    train(protected, tmp_path / "run", config(epochs=1, model_args={**TINY, "embedding": "states"}))
    found = likely_states(load_run(tmp_path / "run").model)
    assert found.orientation.shape == found.negative.shape == found.color.shape == (4,)
    assert ((found.probability > 1 / 96) & (found.probability <= 1)).all()
