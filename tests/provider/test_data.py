"""Loading: right pixels, right labels, loud failures."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from provider_helpers import CLASSES, cipher_profile

from blindsight.errors import CorruptDataError, ParameterError, ProfileMismatchError
from blindsight.images import fit_image, read_protected
from blindsight.profile import Profile
from blindsight.provider.data import ProtectedDataModule, ProtectedFolder


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


def mixed_profile(**changes: object) -> Profile:
    return Profile.model_validate({"kind": "mix", "scheme": "pbm", "size": (8, 8), "classes": CLASSES, **changes})


@pytest.mark.parametrize("cache", ["ram", "none"])
@pytest.mark.parametrize("stored", [(8, 8), None])
def test_mixed_images_may_be_resized(
    write_folder: Callable[..., Path], cache: str, stored: tuple[int, int] | None
) -> None:
    root = write_folder(profile=mixed_profile(size=stored))
    module = ProtectedDataModule(root, size=(12, 4), cache=cache, holdout=0.0)
    module.setup("fit")
    assert module.profile.size == (12, 4)
    data = module.dataset("train")
    image, _ = data[5]
    pixels = read_protected(data.files[5], channels=3)
    expected = fit_image(pixels, block_size=1, size=(12, 4), fit="resize")
    assert np.array_equal(image.permute(1, 2, 0).numpy(), expected)


def test_mixed_images_keep_their_bytes_where_nothing_else_is_asked(write_folder: Callable[..., Path]) -> None:
    module = ProtectedDataModule(write_folder(profile=mixed_profile()), holdout=0.0)
    module.setup("fit")
    data = module.dataset("train")
    assert np.array_equal(data[7][0].permute(1, 2, 0).numpy(), read_protected(data.files[7], channels=3))


def test_a_mixed_image_of_another_size_than_its_profile_says_is_refused(write_folder: Callable[..., Path]) -> None:
    root = write_folder(profile=mixed_profile())
    Image.new("RGB", (8, 12)).save(root / "train" / "mole" / "zzz.png")
    with pytest.raises(CorruptDataError, match=r"zzz\.png is 12x8 and the profile says 8x8; copy the data set again"):
        ProtectedDataModule(root, size=(16, 16)).setup("fit")


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
