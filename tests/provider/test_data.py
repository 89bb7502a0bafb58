"""Loading: right pixels, right labels, loud failures."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from provider_helpers import CLASSES, cipher_profile

from blindsight.errors import CorruptDataError, ParameterError, ProfileMismatchError
from blindsight.images import read_protected
from blindsight.profile import Profile
from blindsight.provider.data import EpochBatches, ProtectedDataModule, ProtectedFolder


@pytest.mark.parametrize("cache", ["ram", "none"])
def test_items_are_the_pixels_of_the_files(protected: Path, cache: str) -> None:
    module = ProtectedDataModule(protected, cache=cache, holdout=0.0)
    module.setup("fit")
    data = module.dataset("train")
    for index in (0, 17, 35):
        image, label = data[index]
        path = data.files[index]
        assert image.dtype == torch.uint8
        assert np.array_equal(image.permute(1, 2, 0).numpy(), read_protected(path, channels=3))
        assert CLASSES[label] == path.parent.name


def test_both_caches_give_the_same_batches(protected: Path) -> None:
    seen = []
    for cache in ("ram", "none"):
        module = ProtectedDataModule(protected, cache=cache, batch_size=8, threads=1)
        module.setup("fit")
        loader = module.train_dataloader()
        loader.sampler.set_epoch(3) if cache == "ram" else loader.batch_sampler.set_epoch(3)
        seen.append([(x.sum().item(), y.tolist()) for x, y in loader])
    assert seen[0] == seen[1]


def test_plain_images_are_brought_to_the_size(write_folder: Callable[..., Path]) -> None:
    module = ProtectedDataModule(write_folder(side=20), size=(12, 8), fit="crop")
    module.setup("fit")
    assert module.dataset("train")[0][0].shape == (3, 12, 8)
    assert (module.profile.size, module.profile.fit) == ((12, 8), "crop")


def test_plain_images_need_a_size(write_folder: Callable[..., Path]) -> None:
    with pytest.raises(ParameterError, match="--img-size"):
        ProtectedDataModule(write_folder())


def test_protected_images_are_never_resized(protected: Path) -> None:
    with pytest.raises(ProfileMismatchError, match="cannot be resized"):
        ProtectedDataModule(protected, size=(16, 16))


def test_size_comes_from_the_first_file_where_the_profile_states_none(write_folder: Callable[..., Path]) -> None:
    root = write_folder(profile=cipher_profile(size=None))
    module = ProtectedDataModule(root)
    assert module.size == (8, 8)
    assert module.profile.size == (8, 8)
    Image.new("RGB", (8, 12)).save(root / "train" / "mole" / "zzz.png")
    with pytest.raises(CorruptDataError, match=r"zzz\.png is 12x8 and the model takes 8x8"):
        module.setup("fit")


@pytest.mark.parametrize("cache", ["ram", "none"])
@pytest.mark.parametrize("damage", [b"", b"\x89PNG\r\n\x1a\n and then nothing", b"<html>"])
def test_unreadable_file_stops_the_run_by_name(protected: Path, damage: bytes, cache: str) -> None:
    (protected / "train" / "ant" / "005.png").write_bytes(damage)
    module = ProtectedDataModule(protected, cache=cache, holdout=0.0, threads=1)

    def read_all() -> None:
        module.setup("fit")
        for i in range(36):
            module.dataset("train")[i]

    with pytest.raises(CorruptDataError, match=r"005\.png"):
        read_all()


def test_grayscale_file_in_a_colour_set_is_refused(protected: Path) -> None:
    Image.new("L", (8, 8)).save(protected / "train" / "ant" / "005.png")
    with pytest.raises(CorruptDataError, match=r"005\.png"):
        ProtectedDataModule(protected).setup("fit")


def test_progress_counts_to_the_end(protected: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    ProtectedDataModule(protected, progress=lambda *a: seen.append(a), holdout=0.0).setup("test")
    assert seen[-1] == ("reading", 36, 36)


def test_val_split_is_used_where_there_is_one(write_folder: Callable[..., Path]) -> None:
    module = ProtectedDataModule(write_folder(splits=("train", "val"), profile=cipher_profile()))
    module.setup("fit")
    assert not module.held_out
    assert {p.parent.parent.name for p in module.dataset("val").files} == {"val"}


def test_auto_cache_looks_at_the_size(protected: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blindsight.provider.data.CACHE_LIMIT", 36 * 8 * 8 * 3)
    module = ProtectedDataModule(protected, holdout=0.0)
    module.setup("fit")
    assert module.dataset("train").images is None


def test_grayscale() -> None:
    profile = Profile(kind="plain", channels=1, size=(4, 4), fit="resize", classes=("a",))
    assert len(ProtectedFolder([], [], profile, (4, 4))) == 0


def test_every_rank_gets_its_own_and_as_many() -> None:
    ranks = [EpochBatches(103, 10, shuffle=True, seed=5, rank=r, world_size=4) for r in range(4)]
    seen = [torch.cat(list(b)).tolist() for b in ranks]
    assert len({len(s) for s in seen}) == 1
    assert len({i for part in seen for i in part}) == sum(map(len, seen))
    plain = [EpochBatches(103, 10, shuffle=False, rank=r, world_size=4) for r in range(4)]
    assert sorted(i for b in plain for x in b for i in x.tolist()) == list(range(103))


def test_shuffling_depends_on_seed_and_epoch_alone() -> None:
    one, two = (EpochBatches(50, 7, shuffle=True, seed=1) for _ in range(2))
    two.set_epoch(0)
    assert [b.tolist() for b in one] == [b.tolist() for b in two]
    two.set_epoch(1)
    assert [b.tolist() for b in one] != [b.tolist() for b in two]
    assert len(list(one)) == len(one) == 7
    small = EpochBatches(3, 7, shuffle=True)
    assert [len(b) for b in small] == [3]
