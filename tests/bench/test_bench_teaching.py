"""Cells that learn from a teacher: the labels of another cell's model, in order, and folders that keep their names."""

import json
from pathlib import Path

import pytest

pytest.importorskip("lightning")

from bench_helpers import TINY, write_recipe
from blindsight.bench.cells import cells_of, plan
from blindsight.bench.data import open_data
from blindsight.bench.prepare import prepare
from blindsight.bench.recipe import Limit, load_recipe
from blindsight.bench.row import Images, Teach
from blindsight.bench.run import Runner
from blindsight.errors import OutputError, ParameterError
from blindsight.labels import LABELS_NAME, read_weights
from blindsight.profile import Profile

TAUGHT = TINY.replace(
    "  wide:", "  taught: {rows: [etc], images: {soft_labels: {teacher: plain/vit, share: 0.4}}}\n  wide:"
)


def run(folder: Path, *only: str, text: str = TAUGHT) -> tuple[Path, object]:
    recipe = load_recipe(write_recipe(folder, text))
    work = folder / "work"
    runner = Runner(recipe, "smoke", open_data("digits", work, recipe.scales["smoke"].limit), work, threads=1)
    return work, runner.run(plan(cells_of(recipe, "smoke"), only=only, seeds=1))


def test_the_teacher_comes_first_and_its_labels_are_the_cells_own(tmp_path: Path) -> None:
    work, outcome = run(tmp_path, "etc/taught")
    (name, reason), *_ = outcome.failed
    assert name == "etc/taught seed 1"
    assert "learns from plain/vit of seed 1, which is not trained yet; run it first: --only plain/vit" in reason
    assert run(tmp_path, "plain/vit")[1].failed == []
    outcome = run(tmp_path, "etc/vit", "etc/taught")[1]
    assert outcome.failed == []
    taught, plain = (next(r for r in outcome.done if r.column == c) for c in ("taught", "vit"))
    assert taught.training["train_loss"] != plain.training["train_loss"]
    made = [path for path in (work / "images").glob("etc-*") if not path.suffix]
    tables = [path / LABELS_NAME for path in made if (path / LABELS_NAME).exists()]
    assert (len(made), len(tables)) == (2, 1)
    rows = read_weights(tables[0], Profile.of_folder(tables[0].parent).classes)
    assert len(rows) == 60
    assert all(weights[image.split("/")[1]] >= 0.6 for image, weights in rows.items())
    assert all(len(weights) == 1 for image, weights in rows.items() if image.startswith("test/"))
    # Again: everything is there.
    assert len(run(tmp_path, "etc/taught")[1].done) == 1
    # A teacher that is trained in another way makes another student.
    other = TAUGHT.replace("wrong_keys: 2", 'cells: {"plain/vit": {train: {epochs: 1}}}\n    wrong_keys: 2')
    with pytest.raises(OutputError, match="etc/taught seed 1 was taught by another training of its teacher"):
        run(tmp_path, "etc/taught", text=other)


def test_results_of_a_version_without_it_still_count(tmp_path: Path) -> None:
    work, outcome = run(tmp_path, "plain/vit")
    (path,) = (work / "results").rglob("*.json")
    stored = json.loads(path.read_text())
    del stored["train"]["sam"], stored["train"]["compile"], stored["teacher"]
    del stored["images"]["soft_labels"]
    path.write_text(json.dumps(stored))
    assert run(tmp_path, "plain/vit")[1].done == [outcome.done[0].model_copy(update=dict(done_again(path)))]
    stored["train"]["sam"] = 0.05
    path.write_text(json.dumps(stored))
    with pytest.raises(OutputError, match=r"done with train sam 0\.05, and the recipe now says 0\.0"):
        run(tmp_path, "plain/vit")


def done_again(path: Path) -> dict[str, object]:
    stored = json.loads(path.read_text())
    return {"train": stored["train"], "images": stored["images"]}


def test_images_without_a_teacher_are_described_as_before() -> None:
    assert "soft_labels" not in Images().facts()
    assert "published" not in Images(published="etc").facts()
    assert Images(soft_labels=Teach(teacher="a/b")).facts()["soft_labels"]["teacher"] == "a/b"
    assert Images(scheme="etc", soft_labels=Teach(teacher="a/b")).summary().endswith("labels of a/b")


def test_a_teacher_that_is_no_cell_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="soft_labels names the cell 'plain/vti', and no cell is called"):
        load_recipe(write_recipe(tmp_path, TAUGHT.replace("teacher: plain/vit", "teacher: plain/vti")))


def test_only_encrypted_images_are_taught(tmp_path: Path) -> None:
    data = open_data("digits", tmp_path, Limit(train=20, test=10))
    with pytest.raises(ParameterError, match="soft_labels are for images with a scheme; these are plain"):
        prepare(Images(soft_labels=Teach(teacher="a/b")), data, 1, tmp_path, print)
