"""``blindsight start-model`` as typed, and training that begins with what it wrote."""

import json
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("torch")

from blindsight.demo.pictures import load_digits, write_tree
from blindsight.nets.runs import load_run

ARGS = "--model-arg depth=1 --model-arg embed_dim=16 --model-arg num_heads=2"


@pytest.fixture
def protected(run, owners_folder):  # noqa: ARG001
    write_tree(*load_digits(60), Path("digits"))
    run("protect digits protected --key owner.key --scheme etc --block-size 4")
    return Path("protected")


@pytest.mark.usefixtures("protected")
def test_the_journey(run):
    out, err = run(f"start-model vit_micro_patch4_32 protected --key owner.key {ARGS} --out start")
    assert "states of it for 64 positions" in out
    assert "only their places and one common state stay secret" in err
    run("train protected --checkpoint start --epochs 1 --batch-size 16 --holdout 0 --out trained")
    trained = load_run(Path("trained"))
    assert trained.config["model_args"]["keyed_rows"] == 8
    assert trained.config["model_args"]["embed_dim"] == 16
    run("rotate-model trained --key owner.key --new-key other.key --out rotated")
    card = (Path("rotated") / "README.md").read_text()
    assert "model of plain images" not in card
    assert "a table of how blocks are turned" in card


@pytest.mark.usefixtures("protected")
def test_json_and_errors(run, fails):
    facts = json.loads(run(f"start-model vit_micro_patch4_32 protected --key owner.key {ARGS} --out start --json")[0])
    assert facts["positions"] == 64
    assert 1 < facts["states"] <= 64
    assert "only their places and one common state stay secret" in facts["warnings"][0]
    assert "inside protected" in fails("start-model vit_micro_patch4_32 protected --key owner.key --out protected/x")
    assert "leave one of the two out" in fails("train protected --checkpoint start --reencrypt etc --epochs 1 --out y")
    assert "not empty" in fails("start-model vit_micro_patch4_32 protected --key owner.key --out start")
    assert "bsk1-" in fails("start-model vit_micro_patch4_32 protected --key other.key --out x")
    assert "no profile.json" in fails("start-model vit_micro_patch4_32 digits --key owner.key --out x")


def test_images_of_several_sizes_are_told_to_the_owner(run, fails, owners_folder):  # noqa: ARG001
    for number, size in enumerate([(8, 8), (8, 16)]):
        path = Path("pictures/a") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size).save(path)
    run("protect pictures mixed --key owner.key --scheme etc --block-size 4")
    assert "2 sizes, 8x8 to 16x8" in fails("start-model vit_micro_patch4_32 mixed --key owner.key --out x")
