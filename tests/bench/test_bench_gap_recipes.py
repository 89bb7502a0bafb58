"""The recipes of the EtC gap: methods are compared at equal steps, and none depends on what is not there."""

import pytest

from blindsight.bench.cells import Cell, cells_of, plan
from blindsight.bench.recipe import load_recipe

GAPS = ["etc-gap", "etc-gap-64"]
SCALES = ["smoke", "cpu", "full"]


def cells(name: str, scale: str) -> dict[str, Cell]:
    return {cell.name: cell for cell in cells_of(load_recipe(name), scale)}


@pytest.mark.parametrize("name", GAPS)
@pytest.mark.parametrize("scale", SCALES)
def test_a_columns_name_says_what_it_changes(name: str, scale: str) -> None:
    for cell in cells(name, scale).values():
        embedding = cell.train.model_args.get("embedding", "tied")
        words = cell.column.split("-")
        kinds = {"position": "per_position", "all": "per_position", "states": "states", "rank": "low_rank"}
        assert embedding == next((kind for word, kind in kinds.items() if word in words), "tied"), cell.name
        assert (bool({"apm", "all"} & set(words)) and words[0] == "convmixer") == cell.train.model.endswith("_apm")
        assert cell.train.model.startswith("vit" if words[0] == "vit" else "convmixer"), cell.name
        assert (cell.images.soft_labels is not None) == bool({"taught", "all"} & set(words)), cell.name
        every = name == "etc-gap-64" and scale != "smoke"  # there all columns have the same views
        assert (cell.images.views > 1) == (every or bool({"views", "all"} & set(words))), cell.name
        assert (cell.train.sam > 0) == ("sam" in words), cell.name
        assert (cell.start == "states") == ("start" in words), cell.name
        if cell.images.soft_labels:
            assert cell.images.kind == "cipher"
            assert cell.train.smoothing == 0


@pytest.mark.parametrize("name", GAPS)
def test_methods_are_compared_at_equal_steps(name: str) -> None:
    for cell in (found := cells(name, "cpu")).values():
        base = found[f"plain/{cell.column.split('-')[0]}"]
        times = (2 if name == "etc-gap" else 3) if "long" in cell.column else 1
        seen, wanted = (c.train.epochs * c.images.views for c in (cell, base))
        assert seen == times * wanted, cell.name
        assert cell.train.batch_size == base.train.batch_size
        assert cell.train.lr == base.train.lr


@pytest.mark.parametrize("name", GAPS)
def test_teachers_are_trained_before_those_they_teach(name: str) -> None:
    for scale in SCALES:
        done = set()
        for job in plan(cells(name, scale).values()):
            if job.cell.images.soft_labels:
                assert (job.cell.images.soft_labels.teacher, job.seed) in done, job.name
            done.add((job.cell.name, job.seed))


def test_there_are_the_methods_that_the_question_asks_for() -> None:
    methods = {name for name in cells("etc-gap", "cpu") if name.startswith("etc/vit")}
    assert len(methods) >= 7
    assert {cell.images.block for cell in cells("etc-gap-64", "cpu").values() if cell.images.scheme} == {8}
