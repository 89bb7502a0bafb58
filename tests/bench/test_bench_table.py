"""Tables and figures of known numbers, and the published ones."""

import re
from pathlib import Path

import pytest

from bench_helpers import result
from blindsight.bench.published import MADONO, published_top1
from blindsight.bench.recipe import load_recipe
from blindsight.bench.results import averages, gather, read_results, results_text
from blindsight.bench.table import accuracy_table, cell_table, in_order, page
from blindsight.errors import CorruptDataError, OutputError

RESULTS = [
    result("plain", "cnn", 0.70),
    result("plain", "cnn", 0.72, seed=2),
    result("plain", "cnn", 0.74, seed=3),
    result("etc", "cnn", 0.50, wrong_keys=(0.1, 0.2), wrong_key_images=2000),
    result("etc", "vit", 0.60, resumed=True),
]


def test_the_table_says_what_was_measured_and_what_was_published() -> None:
    table = accuracy_table(load_recipe("paper1-cifar10"), averages(RESULTS), "cifar10").splitlines()
    assert table[0] == "| images | `vit` | `cnn` |"
    assert table[2] == "| **plain**: plain | – | 72.0 (70.0 to 74.0), *96.70* |"
    assert table[3] == "| **etc**: etc, 4x4 | 60.0 (58.0 to 62.0) | 50.0 (48.0 to 52.0), *85.94* |"
    assert len(table) == 4


def test_no_published_figure_stands_beside_other_data() -> None:
    assert "*" not in accuracy_table(load_recipe("paper1-cifar10"), averages(RESULTS), "digits").replace("**", "")


def test_the_details_have_gap_wrong_keys_and_time() -> None:
    lines = cell_table(averages(RESULTS)).splitlines()[2:]
    assert lines[0] == "| plain | cnn | `some_model` | 72.0 | 3 |  |  | 2 | 1.5 |"
    assert lines[1] == "| etc | cnn | `some_model` | 50.0 | 1 | 22.0 | 15.0 | 2 | 1.5 |"
    assert lines[2] == "| etc | vit | `some_model` | 60.0 | 1 |  |  | 2 | 1.5+ |"


def test_the_page_says_what_it_rests_on() -> None:
    recipe = load_recipe("paper1-cifar10")
    text = page(recipe, in_order(recipe, RESULTS[::-1]), "the command", {"A figure": "a.png"})
    for part in ("    the command", "![A figure](a.png)", MADONO.source, "50,000 training", "Not run (–): ", "torch 2"):
        assert part in text
    assert "plain/cnn" not in text.split("Not run (–): ")[1].split("\n")[0]
    assert "le/le-adaptnet" in text
    assert text.index("| plain | cnn") < text.index("| etc | vit") < text.index("| etc | cnn")


def test_results_come_back_from_their_file(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(results_text(RESULTS))
    assert read_results(path) == RESULTS


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("{", CorruptDataError, "is not JSON"),
        ("[]", CorruptDataError, "holds no results of a bench"),
        ('{"results": []}', CorruptDataError, "holds no results of a bench"),
        ('{"results": [{"top1": 2}]}', CorruptDataError, "r.json: recipe: Field required; remove it"),
    ],
)
def test_damaged_results_are_named(tmp_path: Path, text: str, error: type[Exception], message: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(error, match=message):
        read_results(path)


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="holds no finished cell"):
        read_results(tmp_path)
    with pytest.raises(OutputError, match="cannot read"):
        read_results(tmp_path / "absent.json")


def test_equal_figures_are_equal_bytes(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from blindsight.bench.figures import accuracy_figure, curves_figure, save_figure

    for name in ("a", "b"):
        save_figure(accuracy_figure(averages(RESULTS), 0.1, "t"), tmp_path / f"{name}-accuracy.png")
        save_figure(curves_figure(RESULTS, "t"), tmp_path / f"{name}-curves.png")
    for kind in ("accuracy", "curves"):
        first, second = (tmp_path / f"{name}-{kind}.png" for name in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()
        assert first.stat().st_size > 5000


def test_published_figures_are_found_by_name_only() -> None:
    assert published_top1("cifar10", "ele", "ele-adaptnet") == 83.06
    assert published_top1("cifar10", "pe", "none") is None
    assert published_top1("digits", "plain", "none") is None
    assert published_top1("cifar10", None, None) is None


def test_recipes_name_published_figures_that_exist() -> None:
    recipe = load_recipe("paper1-cifar10")
    figures = MADONO.top1["cifar10"]
    assert {column.published for column in recipe.columns.values()} - {None} == set(figures)
    assert {row.published for row in recipe.rows.values()} - {None} == set(figures["none"])
    # The published EtC has 4x4 blocks, as the table's rows with that name have.
    assert all(row.block == 4 for row in recipe.rows.values() if row.published not in (None, "plain"))


@pytest.mark.shared
def test_published_figures_are_those_that_were_confirmed(shared_data: Path) -> None:
    text = (shared_data.parent / "papers.md").read_text()
    head = "| CIFAR-10 / CIFAR-100 (%) | plain | LE | EtC(4x4) | ELE |"
    assert head in text
    lines = text.split(head)[1].splitlines()[2:5]
    columns = ("none", "le-adaptnet", "ele-adaptnet")
    for column, line in zip(columns, lines, strict=True):
        pairs = re.findall(r"([0-9.]+)/([0-9.]+)", line)
        assert len(pairs) == 4
        for row, (ten, hundred) in zip(("plain", "le", "etc", "ele"), pairs, strict=True):
            assert MADONO.top1["cifar10"][column][row] == float(ten)
            assert MADONO.top1["cifar100"][column][row] == float(hundred)


def test_cells_of_two_places_are_one_table(tmp_path: Path) -> None:
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    one.write_text(results_text(RESULTS[:3]))
    two.write_text(results_text(RESULTS[2:]))  # one of them again, the same
    assert gather([one, two]) == RESULTS
    two.write_text(results_text([result("plain", "cnn", 0.5)]))
    with pytest.raises(
        OutputError, match=r"two.json and .*one.json have different results of plain/cnn seed 1; remove"
    ):
        gather([one, two])
    two.write_text(results_text([result("plain", "vit", 0.5, scale="full")]))
    with pytest.raises(OutputError, match=r"two.json has scale 'full' and .*one.json has 'cpu'; make a table of each"):
        gather([one, two])
