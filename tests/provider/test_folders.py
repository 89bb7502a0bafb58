"""Classes, splits and files of a data folder."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from provider_helpers import CLASSES, cipher_profile

from blindsight.errors import CorruptDataError, OutputError, ParameterError, ProfileMismatchError
from blindsight.provider.folders import DataFolder, stratified_holdout


def test_index_is_the_position_in_the_profile(protected: Path) -> None:
    files, labels = DataFolder.open(protected).files("train")
    assert {(p.parent.name, k) for p, k in zip(files, labels, strict=True)} == {
        (name, CLASSES.index(name)) for name in CLASSES
    }


def test_plain_folder_has_its_sorted_names(write_folder: Callable[..., Path]) -> None:
    folder = DataFolder.open(write_folder(splits=()))
    assert folder.profile.kind == "plain"
    assert folder.profile.classes == ("ant", "mole", "zebra")
    assert folder.splits == ()
    assert not folder.described


def test_one_split_of_a_protected_folder_finds_the_profile_beside_it(protected: Path) -> None:
    folder = DataFolder.open(protected / "test")
    assert folder.profile.kind == "cipher"
    assert len(folder.files(None)[0]) == 36


def test_unknown_class_is_refused(protected: Path) -> None:
    (protected / "train" / "yak").mkdir()
    with pytest.raises(ProfileMismatchError, match=r"yak is none of the 3 known classes \(zebra, ant, mole\)"):
        DataFolder.open(protected).files("train")


def test_stranger_files_are_not_skipped(protected: Path) -> None:
    (protected / "train" / "ant" / "notes.txt").write_text("")
    with pytest.raises(CorruptDataError, match=r"notes\.txt is not an image"):
        DataFolder.open(protected).files("train")


def test_litter_is_ignored(protected: Path) -> None:
    for name in ("Thumbs.db", ".DS_Store"):
        (protected / "train" / "ant" / name).write_text("")
    assert len(DataFolder.open(protected).files("train")[0]) == 36


def test_hidden_folders_are_ignored(protected: Path) -> None:
    before = DataFolder.open(protected).files("train")
    for folder in (".git", "train/.thumbnails", "train/ant/.thumbnails"):
        (protected / folder).mkdir()
        (protected / folder / "a.png").write_text("")
    for name in (".DS_Store", "desktop.ini", "train/Thumbs.db"):
        (protected / name).write_text("")
    assert DataFolder.open(protected).files("train") == before


def test_splits_have_the_names_that_protect_knows(write_folder: Callable[..., Path]) -> None:
    folder = DataFolder.open(write_folder(splits=("Training", "valid", "validation", "test")))
    assert folder.splits == ("train", "val", "test")
    assert [len(folder.files(split)[0]) for split in folder.splits] == [36, 72, 36]
    files, labels = folder.files("val")
    assert labels == sorted(labels)
    assert {path.parent.parent.name for path in files} == {"valid", "validation"}


def test_folders_beside_splits_are_not_skipped(protected: Path) -> None:
    (protected / "extra" / "ant").mkdir(parents=True)
    with pytest.raises(CorruptDataError, match=r"folders of splits \(test\) and others \(extra\) side by side"):
        DataFolder.open(protected)


@pytest.mark.parametrize("place", [".", "train"])
def test_loose_files_are_not_skipped(protected: Path, place: str) -> None:
    (protected / place / "loose.png").write_text("")
    with pytest.raises(CorruptDataError, match=r"loose\.png lies outside the class folders"):
        DataFolder.open(protected)


def test_links_to_folders_are_not_skipped(protected: Path) -> None:
    (protected / "train" / "ant" / "more").symlink_to(protected / "test" / "ant")
    with pytest.raises(CorruptDataError, match="more is a link to a folder"):
        DataFolder.open(protected).files("train")


def test_a_split_of_an_unfinished_protection_is_refused(protected: Path) -> None:
    # The profile comes last: until then the split would look like a plain folder.
    (protected / "profile.json").unlink()
    (protected / ".incomplete").touch()
    with pytest.raises(OutputError, match="incomplete; finish it first"):
        DataFolder.open(protected / "train")


def test_empty_and_missing_and_incomplete_folders(protected: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorruptDataError, match="has no class folders"):
        DataFolder.open(tmp_path / "empty")
    with pytest.raises(OutputError, match="is not a folder"):
        DataFolder.open(tmp_path / "nothing")
    (protected / ".incomplete").touch()
    with pytest.raises(OutputError, match="incomplete"):
        DataFolder.open(protected)


def test_class_folders_without_images(tmp_path: Path) -> None:
    (tmp_path / "data" / "ant").mkdir(parents=True)
    with pytest.raises(CorruptDataError, match="holds no images"):
        DataFolder.open(tmp_path / "data").files(None)


def test_unlabelled_profile(write_folder: Callable[..., Path]) -> None:
    with pytest.raises(CorruptDataError, match="names no classes"):
        DataFolder.open(write_folder(profile=cipher_profile(classes=())))


def test_missing_split_names_those_there_are(protected: Path) -> None:
    with pytest.raises(ParameterError, match="has no 'val' split; it has train, test"):
        DataFolder.open(protected).default_split("val")


@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    fraction=st.floats(0, 0.9),
    seed=st.integers(0, 1000),
)
def test_holdout_is_a_partition_and_fair_to_every_class(counts: list[int], fraction: float, seed: int) -> None:
    labels = [k for k, n in enumerate(counts) for _ in range(n)]
    kept, out = stratified_holdout(labels, fraction, seed)
    assert sorted(kept + out) == list(range(len(labels)))
    assert (kept, out) == stratified_holdout(labels, fraction, seed)
    for k, n in enumerate(counts):
        held = sum(labels[i] == k for i in out)
        assert held <= max(1, round(n * fraction))
        assert held < n
        if fraction > 0 and n > 1:
            assert held >= 1
