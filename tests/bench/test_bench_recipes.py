"""Recipes: those that come with the package, and what is said of a wrong one."""

from pathlib import Path

import pytest

from bench_helpers import TINY, write_recipe
from blindsight.bench.cells import cells_of
from blindsight.bench.recipe import SCALES, load_recipe, recipe_names
from blindsight.bench.row import Images
from blindsight.errors import BlindsightError, ParameterError, UnknownNameError
from blindsight.profile import Codec

CASES = [(name, scale) for name in recipe_names() for scale in load_recipe(name).scales]
GAPS = ["etc-gap", "etc-gap-64"]


def test_there_is_a_recipe_for_each_comparison() -> None:
    papers = ["paper1-caltech101", "paper1-cifar10", "paper1-imagenette", "paper2-faces"]
    assert recipe_names() == [*GAPS, "frontier", *papers]


@pytest.mark.parametrize(("name", "scale"), CASES)
def test_every_cell_is_typed_and_said_in_a_line(name: str, scale: str) -> None:
    cells = cells_of(load_recipe(name), scale)
    assert cells
    assert all("\n" not in cell.images.summary() for cell in cells)
    assert len({cell.name for cell in cells}) == len(cells)
    assert scale in SCALES


@pytest.mark.parametrize("name", recipe_names())
def test_nothing_is_chosen_on_held_out_or_test_images(name: str) -> None:
    recipe = load_recipe(name)
    assert all(cell.train.holdout == 0 for scale in recipe.scales for cell in cells_of(recipe, scale))


@pytest.mark.parametrize("name", [name for name in recipe_names() if name != "paper1-imagenette"])
def test_smoke_needs_no_download(name: str) -> None:
    assert load_recipe(name).scales["smoke"].data == "digits"


@pytest.mark.parametrize("name", recipe_names())
def test_what_only_a_gpu_can_run_is_marked(name: str) -> None:
    assert load_recipe(name).scales["full"].not_run == "needs a GPU"


def test_the_full_scale_of_the_first_paper_has_its_models() -> None:
    full = {cell.name: cell.train for cell in cells_of(load_recipe("paper1-cifar10"), "full")}
    assert full["etc/convmixer"].model == "convmixer_256_8_patch1_32"
    assert (full["etc/convmixer"].lr, full["etc/convmixer"].opt_eps) == (0.01, 1e-3)
    assert (full["etc/vit"].opt, full["etc/vit"].lr, full["etc/vit"].batch_size) == ("sgd", 0.03, 512)
    steps = full["etc/vit"].epochs * (50_000 // 512)
    assert abs(steps - 20_000) < 50_000 // 512


def test_jpeg_rows_of_the_first_paper_are_those_the_issue_asks_for() -> None:
    rows = load_recipe("paper1-cifar10").rows
    asked = {
        name: Codec(format="jpeg", quality=q, subsampling="4:4:4")
        for name, q in (("etc-jpeg", 80), ("etc-q90", 90), ("etc-q60", 60))
    }
    assert {name: rows[name].codec for name in asked} == asked
    assert {rows[name].block for name in asked} == {8}


def test_the_second_papers_recipes_are_the_named_ones() -> None:
    full = {cell.column: cell.train for cell in cells_of(load_recipe("paper2-faces"), "full")}
    assert (full["vgg16"].opt, full["vgg16"].lr, full["vgg16"].batch_size) == ("sgd", 0.005, 8)
    assert (full["resnet50"].opt, full["resnet50"].lr, full["resnet50"].epochs) == ("adam", 0.003, 25)


def test_a_patch_states_only_what_it_changes() -> None:
    row = Images(scheme="etc", block=4)
    changed = row.over(Images(size=224, block=16), Images(size=64))
    assert (changed.scheme, changed.block, changed.size) == ("etc", 16, 64)
    assert row.over(Images()) == row


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("block: 4,", "blocks: 4,", r"recipe tiny: rows\.etc\.blocks: Extra inputs"),
        ("about: a tiny comparison", "abut: x", "about: Field required"),
        ("{scheme: etc, block: 4,", "{scheme: etc, block: 0,", "greater than 0"),
        ("{scheme: etc, block: 4,", "{scheme: etc, codec: jpeg 80,", "a codec is png, webp, or jpeg QUALITY"),
        ("{scheme: etc, block: 4,", "{scheme: etc, codec: gif,", "codec"),
        ("block: 16x8", "block: 16", "a block is HEIGHTxWIDTH"),
        ('["etc/vit"]', '["ele/vit"]', "order names the cell 'ele/vit', and no cell"),
        ("rows: [plain, etc]", "rows: [plain, ele]", "a column's rows names the row 'ele'"),
        ('"plain/*": 2', '"clear/*": 2', "scale smoke names the cell 'clear/\\*'"),
        ("  smoke:", "  small:", "scales"),
        ("rows:\n", "rows: [\n", "cannot read the recipe"),
    ],
)
def test_a_wrong_recipe_is_refused_in_words(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in TINY
    with pytest.raises(ParameterError, match=message) as caught:
        load_recipe(write_recipe(tmp_path, TINY.replace(old, new, 1)))
    assert "\n" not in str(caught.value)


def test_a_wrong_training_field_names_the_cell(tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe(tmp_path, TINY.replace("holdout: 0.0", "holdout: 2.0")))
    with pytest.raises(ParameterError, match="recipe tiny, cell plain/vit: training recipe: holdout"):
        cells_of(recipe, "smoke")


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "\0"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BlindsightError, match="recipe"):
        load_recipe(write_recipe(tmp_path, text))


def test_unknown_names_are_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown recipe 'paper1-cifar'; did you mean paper1-cifar10"):
        load_recipe("paper1-cifar")
    with pytest.raises(UnknownNameError, match="unknown recipe"):
        load_recipe(tmp_path / "absent.yaml")
    with pytest.raises(UnknownNameError, match="recipe paper1-imagenette has no scale 'cpu'; it has full"):
        cells_of(load_recipe("paper1-imagenette"), "cpu")
    with pytest.raises(UnknownNameError, match="unknown scale 'huge'"):
        cells_of(load_recipe("paper1-cifar10"), "huge")


def test_the_example_of_the_page_is_a_recipe(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "bench.md").read_text()
    recipe = load_recipe(write_recipe(tmp_path, page.split("```yaml\n")[1].split("```")[0]))
    cells = {cell.name: cell for cell in cells_of(recipe, "cpu")}
    assert cells["etc/vit"].train.epochs == 6
    assert cells["plain/vit"].train.epochs == 3
    assert (cells["plain/cnn"].train.model, cells["plain/cnn"].seeds) == ("resnet_micro", 3)
