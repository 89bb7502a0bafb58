"""The gap of a method: taken seed by seed, and none where there is nothing to compare with."""

import pytest

from bench_helpers import result
from blindsight.bench.gap import gap_figure, gap_section, methods
from blindsight.bench.recipe import Column, Gap, Recipe, Scale
from blindsight.bench.row import Images
from blindsight.bench.table import page
from blindsight.errors import ParameterError

GAP = Gap(plain="plain/vit", base="etc/vit", columns=("vit*",))


def recipe(**changes):
    values = {
        "name": "r",
        "about": "a question",
        "data": "digits",
        "rows": {"plain": Images(), "etc": Images(scheme="etc", block=4)},
        "columns": {"vit": Column(), "vit-more": Column(asks="the owner: a table"), "cnn": Column()},
        "gaps": (GAP,),
        "scales": {"cpu": Scale()},
    }
    return Recipe(**{**values, **changes})


def results(values):
    return [
        result(row=cell.split("/")[0], column=cell.split("/")[1], seed=seed, top1=top1)
        for cell, seeds in values.items()
        for seed, top1 in seeds.items()
    ]


FOUND = results(
    {
        "plain/vit": {1: 0.60, 2: 0.50},
        "etc/vit": {1: 0.50, 2: 0.46},
        "etc/vit-more": {1: 0.58},
        "etc/cnn": {1: 0.9},
        "plain/vit-more": {1: 0.7},
    }
)


def test_methods_are_compared_over_the_seeds_that_they_share():
    best, base = methods(recipe(), GAP, FOUND)
    assert (best.cell, best.seeds) == ("etc/vit-more", (1,))
    assert best.gap == pytest.approx(0.02)
    assert best.closed == pytest.approx(0.8)  # of the ten points of seed 1, not of the mean over two seeds
    assert best.asks == "the owner: a table"
    assert base.gaps == pytest.approx((0.10, 0.04))
    assert base.gap == pytest.approx(0.07)


def test_without_a_gap_there_is_nothing_to_close():
    found = results({"plain/vit": {1: 0.5}, "etc/vit": {1: 0.5}, "etc/vit-more": {1: 0.6}})
    assert [method.closed for method in methods(recipe(), GAP, found)] == [None, None]
    found = results({"plain/vit": {1: 0.5}, "etc/vit": {2: 0.4}, "etc/vit-more": {1: 0.6}})
    assert [(method.cell, method.closed) for method in methods(recipe(), GAP, found)] == [("etc/vit-more", None)]


def test_the_table_says_what_was_measured():
    text = gap_section(recipe(), FOUND)
    assert "| `etc/vit-more` | 58.0 | 2.0 | 80 % | 1 | the owner: a table |" in text
    assert "| `etc/vit` | 48.0 | 7.0 (4.0 to 10.0) |  | 2 |  |" in text
    assert "cnn" not in text
    assert text in page(recipe(), FOUND, "blindsight bench run r")


def test_no_table_where_nothing_is_asked_or_measured():
    assert gap_section(recipe(gaps=()), FOUND) is None
    assert gap_section(recipe(), results({"etc/vit": {1: 0.5}})) is None
    assert gap_figure(recipe(), results({"etc/vit": {1: 0.5}}), "t") is None


def test_the_figure_has_a_row_for_each_method():
    figure = gap_figure(recipe(), FOUND, "t")
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["vit-more", "vit"]


@pytest.mark.parametrize("gap", [{"plain": "plain/nothing"}, {"base": "nothing/vit"}, {"columns": ("nothing*",)}])
def test_names_that_fit_nothing_are_refused(gap):
    with pytest.raises((ParameterError, ValueError), match="nothing"):
        recipe(gaps=(Gap(**{**GAP.model_dump(), **gap}),))
