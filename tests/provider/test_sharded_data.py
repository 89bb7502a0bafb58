"""Training and evaluation on shards: the same images, labels and order as on the folder layout."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from provider_helpers import TINY, cipher_profile

from blindsight.errors import CorruptDataError, ParameterError, ProfileMismatchError
from blindsight.images import encode_image
from blindsight.profile import Codec, Profile
from blindsight.provider.data import ProtectedDataModule
from blindsight.provider.evaluation import evaluate
from blindsight.provider.folders import DataFolder
from blindsight.provider.training import TrainConfig, train
from blindsight.shards import INFO_NAME, info_json, pack_shard, shard_name

RECIPE = {"model_args": TINY, "epochs": 2, "batch_size": 8, "lr": 3e-3, "threads": 1, "accelerator": "cpu"}


def to_shards(folder: Path, out: Path, size: int = 15) -> Path:
    """The images of a folder in shards, in an order of their own."""
    profile = Profile.of_folder(folder)
    assert profile is not None
    out.mkdir()
    lengths = {}
    for split in DataFolder.open(folder).splits or (None,):
        files, labels = DataFolder.open(folder).files(split)
        order = np.random.default_rng(0).permutation(len(files))
        for number, start in enumerate(range(0, len(files), size)):
            members = []
            for i in order[start : start + size]:
                name = f"{files[i].stem}-{labels[i]}"  # type: ignore[union-attr]
                members += [(f"{name}.png", files[i].read_bytes()), (f"{name}.cls", b"%d" % labels[i])]  # type: ignore[union-attr]
            name = shard_name(split, number)
            (out / name).write_bytes(pack_shard(members))
            lengths[name] = len(members) // 2
    (out / INFO_NAME).write_text(info_json(lengths))
    (out / "profile.json").write_text(profile.model_copy(update={"layout": "shards"}).to_json())
    return out


@pytest.fixture
def shards(protected: Path, tmp_path: Path) -> Path:
    return to_shards(protected, tmp_path / "shards")


@pytest.mark.parametrize("cache", ["ram", "none"])
@pytest.mark.parametrize("stage", ["fit", "test"])
def test_shards_hold_what_the_folder_holds_in_the_same_order(
    protected: Path, shards: Path, cache: str, stage: str
) -> None:
    modules = [ProtectedDataModule(path, cache=cache, threads=1) for path in (protected, shards)]
    for module in modules:
        module.setup(stage)
    assert modules[0].profile == modules[1].profile
    for split in {"fit": ("train", "val"), "test": ("test",)}[stage]:
        one, other = (module.dataset(split) for module in modules)
        assert one.labels.tolist() == other.labels.tolist()
        assert all(torch.equal(one[i][0], other[i][0]) for i in range(len(one)))


def test_loader_processes_read_shards(shards: Path) -> None:
    module = ProtectedDataModule(shards, cache="none", threads=1, batch_size=12)
    module.setup("test")
    assert [tuple(x.shape) for x, _ in module.test_dataloader()] == [(12, 3, 8, 8)] * 3


def test_without_splits(write_folder, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    root = to_shards(write_folder("flat", profile=cipher_profile(size=None), splits=()), tmp_path / "out")
    module = ProtectedDataModule(root, holdout=0.0)
    module.setup("fit")
    assert module.size == (8, 8)
    assert len(module.dataset("train")) == 36
    with pytest.raises(ParameterError, match="has no 'val' split"):
        DataFolder.open(shards_with_split(root)).default_split("val")


def shards_with_split(root: Path) -> Path:
    for path in root.glob("images-*.tar"):
        path.rename(path.with_name(path.name.replace("images", "train")))
    (root / INFO_NAME).unlink()
    return root


def damaged(shards: Path, members: list[tuple[str, bytes]]) -> Path:
    (shards / "train-000000.tar").write_bytes(pack_shard(members))
    return shards


PNG = encode_image(np.zeros((8, 8, 3), np.uint8), Codec())


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("aa.png", PNG), ("aa.cls", b"3")], r"aa\.png has class number 3, and the profile has 3 classes"),
        ([("aa.png", PNG)], r"train-000000\.tar/aa\.png has no label \(aa\.cls\)"),
        ([("aa.png", b"no image"), ("aa.cls", b"1")], r"cannot use .*train-000000\.tar/aa\.png"),
        ([("aa.png", b""), ("aa.cls", b"1")], r"train-000000\.tar/aa\.png is empty"),
    ],
)
def test_what_is_no_labelled_image_stops_the_run_by_name(shards: Path, members, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(CorruptDataError, match=message):
        ProtectedDataModule(damaged(shards, members)).setup("fit")


def test_missing_shards_and_unlabelled_sets(shards: Path) -> None:
    (shards / "train-000001.tar").unlink()
    with pytest.raises(CorruptDataError, match=r"lacks train-000001\.tar, which _info\.json lists"):
        DataFolder.open(shards)
    profile = Profile.of_folder(shards)
    assert profile is not None
    (shards / "profile.json").write_text(profile.model_copy(update={"classes": ()}).to_json())
    with pytest.raises(CorruptDataError, match="names no classes"):
        DataFolder.open(shards)


def test_classes_are_matched_by_id(shards: Path) -> None:
    files, labels = DataFolder.open(shards).files("test", ("mole", "zebra", "ant"))
    assert [files[i].label for i in (0, 12, 24)] == [1, 2, 0]  # type: ignore[union-attr]
    assert [labels[i] for i in (0, 12, 24)] == [2, 0, 1]  # by class id: ant, mole, zebra
    with pytest.raises(ProfileMismatchError, match=r"class mole of .* is none of the 2 known classes \(zebra, ant\)"):
        DataFolder.open(shards).files("test", ("zebra", "ant"))


def test_training_and_evaluating_give_the_same_numbers(protected: Path, shards: Path, tmp_path: Path) -> None:
    results = []
    for name, data in (("from folder", protected), ("from shards", shards)):
        train(data, tmp_path / name, TrainConfig.make(RECIPE))
        results.append(evaluate(tmp_path / name, data))
    assert results[0] == results[1]
    for name in ("model.safetensors", "profile.json"):
        assert (tmp_path / "from folder" / name).read_bytes() == (tmp_path / "from shards" / name).read_bytes()
    # The shards stand by themselves.
    shutil.rmtree(protected)
    assert evaluate(tmp_path / "from folder", shards) == results[0]
