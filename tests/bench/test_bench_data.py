"""The plain data of a bench: splits, limits, colours."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blindsight.bench.data import open_data, read_pixels, with_splits
from blindsight.bench.recipe import Limit
from blindsight.errors import ParameterError
from blindsight.owner.sources import NpzSource


def write_npz(folder: Path, splits: list[str] | None, count: int = 40, channels: tuple[int, ...] = (3,)) -> Path:
    rng = np.random.default_rng(0)
    arrays = {"x": rng.integers(0, 256, (count, 4, 4, *channels), np.uint8), "y": np.arange(count) % 4}
    if splits is not None:
        arrays["split"] = np.array([splits[i % len(splits)] for i in range(count)])
    path = folder / "set.npz"
    np.savez(path, **arrays)
    return path


def splits_of(path: Path) -> Counter[str | None]:
    source = NpzSource(path)
    with_splits(source)
    return Counter(item.split for item in source.items)


def test_a_set_with_train_and_test_stays_as_it_is(tmp_path: Path) -> None:
    path = write_npz(tmp_path, ["train", "test", "train", "train"])
    before = NpzSource(path).items
    source = NpzSource(path)
    with_splits(source)
    assert source.items == before


def test_val_is_the_test_where_there_is_no_other_and_training_images_where_there_is(tmp_path: Path) -> None:
    assert splits_of(write_npz(tmp_path, ["train", "val"])) == {"train": 20, "test": 20}
    assert splits_of(write_npz(tmp_path, ["train", "val", "test", "test"])) == {"train": 20, "test": 20}


def test_of_a_set_without_splits_every_class_gives_a_fifth(tmp_path: Path) -> None:
    path = write_npz(tmp_path, None)
    source, again = NpzSource(path), NpzSource(path)
    with_splits(source)
    with_splits(again)
    assert source.items == again.items
    assert Counter((item.split, item.label) for item in source.items) == {
        (split, str(label)): count for split, count in (("train", 8), ("test", 2)) for label in range(4)
    }


def test_a_set_without_training_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="has no training images"):
        splits_of(write_npz(tmp_path, ["test"]))


@settings(max_examples=20, deadline=None)
@given(train=st.integers(1, 40), test=st.integers(1, 40))
def test_a_limit_takes_the_classes_in_turn(tmp_path_factory: pytest.TempPathFactory, train: int, test: int) -> None:
    folder = tmp_path_factory.mktemp("limit")
    data = open_data(str(write_npz(folder, ["train"] * 4 + ["test"] * 4)), folder, Limit(train=train, test=test))
    for split, asked in (("train", train), ("test", test)):
        count = Counter(item.label for item in data.source.items if item.split == split)
        assert sum(count.values()) == min(asked, 20) == data.count(split)
        assert max(count.values()) - min(count.get(str(label), 0) for label in range(4)) <= 1


def test_other_data_has_another_digest(tmp_path: Path) -> None:
    path = str(write_npz(tmp_path, ["train", "test"]))
    whole = open_data(path, tmp_path, Limit())
    assert whole.digest == open_data(path, tmp_path, Limit()).digest
    assert whole.digest != open_data(path, tmp_path, Limit(train=10)).digest
    assert whole.as_json() == {
        "name": "set",
        "train_images": 20,
        "test_images": 20,
        "classes": 4,
        "digest": whole.digest,
    }


def test_gray_arrays_become_colour(tmp_path: Path) -> None:
    for channels in ((), (1,)):
        data = open_data(str(write_npz(tmp_path, ["train", "test"], channels=channels)), tmp_path, Limit())
        pixels = read_pixels(data.source, data.source.items[0])
        assert pixels.shape == (4, 4, 3)
        assert pixels.flags.c_contiguous
        assert (pixels[..., 0] == pixels[..., 2]).all()


def test_digits_need_no_download(tmp_path: Path) -> None:
    data = open_data("digits", tmp_path, Limit(train=50, test=10))
    assert (data.count("train"), data.count("test"), len(data.source.classes())) == (50, 10, 10)


def test_data_that_is_not_there_or_has_no_classes(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="no folder or file"):
        open_data(str(tmp_path / "absent"), tmp_path, Limit())
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "a.png").write_bytes(b"x")
    with pytest.raises(ParameterError, match="has no classes"):
        open_data(str(tmp_path / "flat"), tmp_path, Limit())
