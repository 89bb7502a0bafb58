"""The recipe of the frontier: defences at one budget, each read by a network that can; images that take two steps."""

from pathlib import Path

import pytest

from blindsight.bench.cells import Cell, cells_of, plan
from blindsight.bench.data import open_data
from blindsight.bench.prepare import prepare
from blindsight.bench.recipe import Limit, load_recipe
from blindsight.bench.row import Images, Mix
from blindsight.bench.run import Runner
from blindsight.errors import ParameterError
from blindsight.profile import Profile
from blindsight.provider.folders import DataFolder

SCALES = ["smoke", "cpu", "full"]


def cells(scale: str) -> dict[str, Cell]:
    return {cell.name: cell for cell in cells_of(load_recipe("frontier"), scale)}


@pytest.mark.parametrize("scale", SCALES)
def test_sets_have_no_places_and_an_embedding_that_the_scheme_cannot_touch(scale: str) -> None:
    blind = {"set": "canonical", "set-pooled": "pooled", "set-sorted": "sorted", "set-folded": "folded"}
    for cell in cells(scale).values():
        arguments = cell.train.model_args
        assert arguments.get("embedding", "tied") == blind.get(cell.column, "tied"), cell.name
        assert (arguments.get("pos_embed") == "none") == (cell.column in blind), cell.name
        scheme = cell.images.scheme
        if cell.column in blind and scheme:
            assert scheme == {"set-sorted": "bps", "set-folded": "shf"}.get(cell.column, "etc"), cell.name
        assert cell.train.reencrypt == ("etc" if cell.column == "vit-reencrypt" else None)


@pytest.mark.parametrize("scale", SCALES)
def test_patches_fit_the_blocks(scale: str) -> None:
    for cell in cells(scale).values():
        patch = cell.train.model_args.get("patch_size", 4)
        assert patch == cell.images.block or cell.images.kind == "plain" or cell.name == "fixed-2/vit", cell.name


def test_all_are_compared_at_equal_steps() -> None:
    for cell in cells("cpu").values():
        assert cell.train.epochs == (4 if cell.name == "image-2/set" else 16), cell.name
        assert (cell.train.batch_size, cell.train.lr) == (128, 1e-3)
        assert cell.images.views == 1


def test_there_are_the_settings_that_the_question_asks_for() -> None:
    rows = {cell.row: cell.images for cell in cells("cpu").values()}
    assert len(rows) >= 20
    assert {images.key_scope for images in rows.values()} >= {"dataset", "image", "pool:8", "pool:64"}
    assert {images.block for images in rows.values() if images.scheme} == {2, 4, 8}
    assert any(images.gray for images in rows.values())
    assert any(images.scheme and images.mix for images in rows.values())
    assert any(text.startswith("noise") for images in rows.values() for text in images.reductions)


def test_digests_of_images_without_what_came_later_are_as_they_were() -> None:
    facts = Images(scheme="etc", block=4).facts()
    assert not {"reductions", "gray", "soft_labels"} & set(facts)
    assert Images(scheme="etc", gray=True, reductions=("level",)).facts() == {
        **Images(scheme="etc").facts(),
        "gray": True,
        "reductions": ["level"],
    }
    summary = Images(scheme="etc", gray=True, reductions=("level",), mix=Mix(block="4x4")).summary()  # type: ignore[arg-type]
    assert summary == "etc, 16x16, level, gray, pbm, 4x4"


def test_training_images_are_mixed_then_encrypted_and_the_others_encrypted_alone(tmp_path: Path) -> None:
    data = open_data("digits", tmp_path, Limit(train=40, test=20))
    images = load_recipe("frontier").rows["image-pbm"].over(Images(mix=Mix(block="4x4", sources=2)))  # type: ignore[arg-type]
    folders = prepare(images, data, 1, tmp_path, lambda _: None)
    train, test = DataFolder.open(folders.train), DataFolder.open(folders.test)
    assert len(train.files("train")[0]) == 40
    assert len(test.files("test")[0]) == 20
    assert (train.splits, test.splits) == (["train"], ["test"]) or (set(train.splits), set(test.splits)) == (
        {"train"},
        {"test"},
    )
    train.profile.require_same_protection(test.profile, "a", "b")
    assert train.profile.kind == "cipher"
    made = [Profile.of_folder(folder) for folder in (tmp_path / "images").iterdir() if folder.name.startswith("pbm")]
    assert [profile.kind for profile in made if profile] == ["mix"]


def test_what_only_a_cipher_can_have(tmp_path: Path) -> None:
    data = open_data("digits", tmp_path, Limit(train=20, test=10))
    for images in (Images(gray=True), Images(reductions=("level",), mix=Mix())):
        with pytest.raises(ParameterError, match="reductions and gray are for images with a scheme"):
            prepare(images, data, 1, tmp_path, lambda _: None)


@pytest.mark.parametrize("cell", ["image-gray/set", "image-bps-noise/set-sorted", "pool-8/vit-reencrypt"])
def test_cells_run_at_the_smoke_scale(tmp_path: Path, cell: str) -> None:
    recipe = load_recipe("frontier")
    data = open_data("digits", tmp_path / "data", Limit(train=40, test=20))
    runner = Runner(recipe, "smoke", data, tmp_path / "work", threads=1)
    outcome = runner.run(plan(cells_of(recipe, "smoke"), only=[cell]))
    assert not outcome.failed
    assert not outcome.skipped
    assert [f"{result.row}/{result.column}" for result in outcome.done] == [cell]
