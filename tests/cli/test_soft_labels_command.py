"""soft-labels as it is typed."""

import json
from pathlib import Path

import pytest

pytest.importorskip("lightning")

from blindsight.labels import LABELS_NAME, read_weights

RECIPE = {"model_args": {"embed_dim": 16, "depth": 1, "num_heads": 2}, "epochs": 1, "batch_size": 2, "holdout": 0.0}


@pytest.fixture
def teacher(owners_folder, run):  # noqa: ARG001
    Path("recipe.json").write_text(json.dumps({**RECIPE, "img_size": [16, 16], "threads": 1}))
    run("train photos --recipe recipe.json --out teacher")


@pytest.mark.usefixtures("teacher")
def test_from_a_plain_model_to_a_taught_training(run, fails):
    run("protect photos out --key owner.key --block-size 4 --size 16")
    out, err = run("soft-labels teacher out --key owner.key --share 0.4")
    assert out.startswith("out/labels.csv: 2 of 3 images taught; the teacher agrees with the class of ")
    assert err == ""
    assert len(read_weights(Path("out") / LABELS_NAME, ["cat", "dog"])) == 3
    assert "is there already; add --replace" in fails("soft-labels teacher out --key owner.key")
    answer = json.loads(run("soft-labels teacher out --key owner.key --replace --temperature 1 --json")[0])
    assert answer.pop("agreed") in (0, 1, 2)
    assert answer == {"labels": "out/labels.csv", "images": 3, "taught": 2, "temperature": 1.0, "share": 0.5}
    Path("recipe.json").write_text(json.dumps({**RECIPE, "smoothing": 0.0, "threads": 1}))
    run("train out --recipe recipe.json --out student")
    assert "model of protected images" in fails("soft-labels student out --key owner.key --replace")


@pytest.mark.usefixtures("teacher")
def test_another_key_is_refused(run, fails):
    run("protect photos out --key owner.key --block-size 4 --size 16")
    assert "bsk1-" in fails("soft-labels teacher out --key other.key")
