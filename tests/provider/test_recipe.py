"""Recipes: what is refused, and how it is said."""

import json
from pathlib import Path

import pytest

from blindsight.errors import ParameterError
from blindsight.provider.recipe import TrainConfig


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, r"epochs: .*greater than 0 \(got 0\)"),
        ({"lr": -1}, "lr: "),
        ({"sched": "step"}, "sched: .*'cosine', 'onecycle' or 'constant'.*got 'step'"),
        ({"ema": 1.0}, "ema: "),
        ({"learning_rate": 1}, "learning_rate: Extra inputs"),
        ({"pretrained": True, "checkpoint": "w.safetensors"}, "exclude each other"),
        (
            {"model_args": {"depth": 1, "num_classes": 3}},
            r"num_classes comes from the data; leave it out of --model-arg",
        ),
        ({"model_args": {"img_size": 32}}, "img_size has an option of its own, --img-size; leave it out"),
        ({"model_args": {"pretrained": True}}, "pretrained has an option of its own, --pretrained; leave it out"),
    ],
)
def test_bad_values_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        TrainConfig.make(values)


def test_round_trip_through_a_file(tmp_path: Path) -> None:
    config = TrainConfig.make({"model": "vit_tiny_patch4_32", "epochs": 3, "img_size": [32, 48]})
    (tmp_path / "plain.json").write_text(json.dumps(config.public()))
    (tmp_path / "recipe.json").write_text(json.dumps({"config": config.public(), "machine": {}}))
    for name in ("plain.json", "recipe.json"):
        assert TrainConfig.make(TrainConfig.read(tmp_path / name)) == config


@pytest.mark.parametrize("text", ["", "{", "[1]", "[" * 100_000])
def test_damaged_recipe(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(ParameterError, match=r"r\.json"):
        TrainConfig.read(tmp_path / "r.json")


def test_public_recipe_holds_no_path() -> None:
    config = TrainConfig.make({"checkpoint": "/home/somebody/weights.safetensors"})
    assert config.public()["checkpoint"] == "weights.safetensors"
