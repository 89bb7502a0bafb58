"""What a cell is made of, the order of a plan, and what keeps a cell from being run."""

from pathlib import Path

import pytest

pytest.importorskip("timm")

from bench_helpers import TINY, write_recipe
from blindsight.bench.cells import Cell, cells_of, plan, why_not
from blindsight.bench.recipe import load_recipe
from blindsight.errors import UnknownNameError


def cells(tmp_path: Path, text: str = TINY) -> list[Cell]:
    return cells_of(load_recipe(write_recipe(tmp_path, text)), "smoke")


def test_the_more_special_wins(tmp_path: Path) -> None:
    text = TINY + (
        "    train: {epochs: 3, lr: 0.1}\n"
        "    columns: {wide: {train: {lr: 0.2}, images: {size: 64}}}\n"
        '    cells: {"etc/*": {train: {lr: 0.3}, images: {block: 8}}}\n'
    )
    found = {cell.name: cell for cell in cells(tmp_path, text)}
    assert [found[name].train.lr for name in ("plain/vit", "plain/wide", "etc/wide")] == [0.1, 0.2, 0.3]
    assert {cell.train.epochs for cell in found.values()} == {3}
    assert [found[name].images.size for name in ("plain/vit", "plain/wide")] == [32, 64]
    assert [found[name].images.block for name in ("etc/vit", "plain/vit")] == [8, 16]
    assert found["plain/wide"].train.model_args["embed_dim"] == 64


def test_a_row_keeps_what_it_says_itself(tmp_path: Path) -> None:
    text = TINY.replace("images: {size: 32}", "images: {size: 32, codec: jpeg 80 4:4:4, block: 32}")
    found = {cell.name: cell.images for cell in cells(tmp_path, text)}
    assert found["etc/vit"].block == 4
    assert found["etc/vit"].codec.quality == 80


def test_columns_are_for_their_rows_and_a_scale_can_skip(tmp_path: Path) -> None:
    names = [cell.name for cell in cells(tmp_path)]
    assert names == ["etc/vit", "plain/vit", "plain/wide", "etc/wide", "pbm/vit"]
    text = TINY + '    skip: ["*/wide", "pbm/*"]\n'
    assert [cell.name for cell in cells(tmp_path, text)] == ["etc/vit", "plain/vit"]


def test_first_seeds_come_first(tmp_path: Path) -> None:
    found = cells(tmp_path)
    assert [job.name for job in plan(found)] == [
        "etc/vit seed 1",
        "plain/vit seed 1",
        "plain/wide seed 1",
        "etc/wide seed 1",
        "pbm/vit seed 1",
        "plain/vit seed 2",
        "plain/wide seed 2",
    ]
    assert [job.name for job in plan(found, only=["*/wide"], seeds=2)] == [
        "plain/wide seed 1",
        "etc/wide seed 1",
        "plain/wide seed 2",
        "etc/wide seed 2",
    ]


def test_an_unknown_cell_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown cell 'etc/vitt'; did you mean etc/vit"):
        plan(cells(tmp_path), only=["etc/vitt"])


def test_what_is_not_here_is_named(tmp_path: Path) -> None:
    found = {cell.name: cell for cell in cells(tmp_path)}
    assert all(why_not(cell) is None for cell in found.values())
    text = TINY.replace("scheme: etc", "scheme: morse").replace("vit:  {", "vit:  {train: {model: no_net}, ")
    missing = {cell.name: why_not(cell) for cell in cells(tmp_path, text)}
    assert missing["etc/vit"] == "not here: scheme 'morse' and model 'no_net'"
    assert missing["etc/wide"] == "not here: scheme 'morse'"
    mixing = {
        c.name: why_not(c) for c in cells(tmp_path, TINY.replace("{mix: {", "{augment: x4, mix: {method: stir, "))
    }
    assert mixing["pbm/vit"] == "not here: mixing method 'stir' and augmentation 'x4'"
