"""Protected folders as data sets, and the LightningDataModule around them.

A class's index is its position in the profile's ``classes``, never the order of folders. No file is skipped: one that
cannot be read ends the run with an error that names it.
"""

import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from blindsight.errors import CorruptDataError, ImageError, ParameterError, ProfileMismatchError
from blindsight.images import fit_image, read_image, read_protected
from blindsight.profile import Profile
from blindsight.provider.batches import EpochBatches, TensorLoader
from blindsight.provider.folders import DataFolder, stratified_holdout
from blindsight.shards import ShardImage

__all__ = ["ProtectedDataModule", "ProtectedFolder"]

CACHE_LIMIT = 4 * 10**9
Progress = Callable[[str, int, int], None]


class ProtectedFolder(Dataset[tuple[Tensor, int | Tensor]]):
    """Images and labels of one split; item i is a uint8 tensor (C, H, W) and its label.

    Args:
        files: image files, or images in shards.
        labels: of each its class index, (N,) integers, or the weight of every class, (N, K) float32.
        profile: how the images are protected. Plain ones are fitted to ``size``, mixed ones (which must have the
            profile's size, where it states one) scaled to it; enciphered ones must have it already.
        size: (height, width) in pixels.
        cache: ``ram`` decodes everything at once and keeps it, ``none`` decodes on access, ``auto`` is ``ram`` where
            that takes less than 4 GB.
        threads: decoding threads; None is one per core.
        progress: called with (what, done, total) while decoding.

    Raises:
        CorruptDataError: a file cannot be read, or has another size or number of channels than the profile says.
    """

    def __init__(
        self,
        files: list[Path | ShardImage],
        labels: list[int] | np.ndarray,
        profile: Profile,
        size: tuple[int, int],
        *,
        cache: str = "auto",
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.files = files
        array = np.asarray(labels)
        self.labels = torch.from_numpy(array if array.ndim == 2 else array.astype(np.int64))
        self.profile = profile
        self.size = size
        self.images: Tensor | None = None
        needed = len(files) * profile.channels * size[0] * size[1]
        if cache == "ram" or (cache == "auto" and needed < CACHE_LIMIT):
            self.images = self._decode_all(threads, progress)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int | Tensor]:
        label = self.labels[index] if self.labels.ndim == 2 else int(self.labels[index])
        if self.images is not None:
            return self.images[index], label
        return torch.from_numpy(self.read(index)).permute(2, 0, 1).contiguous(), label

    def read(self, index: int) -> np.ndarray:
        """One image as uint8 (H, W, C)."""
        path = self.files[index]
        try:
            if self.profile.kind == "plain" and isinstance(path, Path):
                pixels = read_image(path, channels=self.profile.channels, background=self.profile.background)
                return fit_image(pixels, block_size=1, size=self.size, fit=self.profile.fit or "resize")
            pixels = _protected(path, self.profile)
        except ImageError as error:
            raise CorruptDataError(f"cannot use {path}: {error}") from None
        if self.profile.kind == "mix":
            if self.profile.size not in (None, pixels.shape[:2]):
                raise CorruptDataError(
                    f"{path} is {pixels.shape[0]}x{pixels.shape[1]} and the profile says {self.profile.size[0]}x"
                    f"{self.profile.size[1]}; copy the data set again"
                )
            return fit_image(pixels, block_size=1, size=self.size, fit="resize")
        if pixels.shape[:2] != self.size:
            raise CorruptDataError(
                f"{path} is {pixels.shape[0]}x{pixels.shape[1]} and the model takes {self.size[0]}x{self.size[1]}; "
                f"protected images cannot be resized: protect them with --size"
            )
        return pixels

    def _decode_all(self, threads: int | None, progress: Progress | None) -> Tensor:
        count = len(self.files)
        images = torch.empty((count, self.profile.channels, *self.size), dtype=torch.uint8)
        view = images.numpy()

        def decode(start: int) -> int:
            stop = min(start + 64, count)
            for i in range(start, stop):
                view[i] = self.read(i).transpose(2, 0, 1)
            return stop - start

        done = 0
        with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
            try:
                for n in pool.map(decode, range(0, count, 64)):
                    done += n
                    if progress:
                        progress("reading", done, count)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return images


def _protected(file: Path | ShardImage, profile: Profile) -> np.ndarray:
    source = file.read() if isinstance(file, ShardImage) else file
    return read_protected(source, channels=profile.channels, name=str(file))


class ProtectedDataModule(pl.LightningDataModule):
    """What ``protect`` or ``mix`` wrote, or a plain ImageFolder, as Lightning loaders of uint8 images and labels.

    Labels are class indices, int64 (N,); or float32 (N, K) where the set has soft labels (``labels.csv``).

    Normalisation is the model's business and happens on its device.

    Args:
        data: the folder, with ``train``, ``val`` and ``test`` sub-folders or class folders at its root.
        batch_size: images per batch.
        size: (height, width); None takes the profile's size, or for protected images of unstated size the first file's.
            Mixed images are scaled to it, enciphered ones must have it.
        fit: how plain images are brought to that size.
        holdout: part of the training images kept for validation where there is no ``val`` folder; drawn per class.
        seed: of the hold-out and the shuffling.
        cache: see :class:`ProtectedFolder`.
        threads: decoding threads, or loader processes where nothing is cached.
        progress: called with (what, done, total) while decoding.

    Raises:
        OutputError: the folder is missing, or its protection has not finished.
        ProfileError: the profile is malformed.
        CorruptDataError: there is no image, or a folder holds something else.
        ProfileMismatchError: a class folder is not in the profile.
        ParameterError: a size is needed and none is given.
    """

    def __init__(
        self,
        data: Path,
        *,
        batch_size: int = 128,
        size: tuple[int, int] | None = None,
        fit: str = "resize",
        holdout: float = 0.1,
        seed: int = 42,
        cache: str = "auto",
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        super().__init__()
        self.folder = DataFolder.open(Path(data))
        self.batch_size, self.holdout, self.seed = batch_size, holdout, seed
        self.cache, self.threads, self.progress = cache, threads, progress
        profile = self.folder.profile
        self.size = self._resolve_size(profile, size)
        # What the model is made for: one size, and for plain images the way they were brought to it.
        fitting = profile.fit if profile.kind != "plain" else profile.fit or fit
        # How its data lay on disk is no fact of a model.
        self.profile = profile.model_copy(update={"size": self.size, "fit": fitting, "layout": "folder"})
        self.held_out = False
        #: (epoch, batch), both from 0: where a resumed training begins.
        self.begin = (0, 0)
        self._sets: dict[str, ProtectedFolder] = {}

    def _resolve_size(self, profile: Profile, size: tuple[int, int] | None) -> tuple[int, int]:
        if profile.kind == "cipher" and size is not None and profile.size not in (None, size):
            h, w = profile.size or (0, 0)
            raise ProfileMismatchError(
                f"the images are {h}x{w} and {size[0]}x{size[1]} was asked for; enciphered images cannot be resized: "
                f"leave --img-size out, or protect with --size"
            )
        if size is not None or profile.size is not None:
            return tuple(size or profile.size or ())  # type: ignore[return-value]
        if profile.kind == "plain":
            raise ParameterError("plain images of any size need a size to be brought to; give --img-size")
        files, _ = self.folder.files(self.folder.default_split("train"))
        return _protected(files[0], profile).shape[:2]  # type: ignore[return-value]

    def setup(self, stage: str | None = None) -> None:
        """Lists and, where cached, decodes what the stage needs: ``fit`` train and val, ``test`` test."""
        if stage in (None, "fit") and "train" not in self._sets:
            files, labels, folders = self._listed(self.folder.default_split("train"))
            if "val" in self.folder.splits:
                val_files, val_labels, _ = self._listed("val")
            else:
                keep, out = stratified_holdout(folders, self.holdout, self.seed)
                val_files, val_labels = [files[i] for i in out], labels[out]
                files, labels = [files[i] for i in keep], labels[keep]
                self.held_out = bool(out)
            self._sets["train"] = self._make(files, labels)
            self._sets["val"] = self._make(val_files, val_labels)
        if stage in (None, "test") and "test" not in self._sets and "test" in self.folder.splits:
            self._sets["test"] = self._make(*self._listed("test")[:2])

    def fingerprint(self) -> str:
        """Digest of names, labels (soft ones too) and file sizes of what ``fit`` reads; decodes nothing."""
        digest = hashlib.sha256()
        for split in ["train", *(["val"] if "val" in self.folder.splits else [])]:
            files, labels, folders = self._listed(self.folder.default_split(split))
            if labels.ndim == 2:
                digest.update(labels.tobytes())
            for file, label in zip(files, folders, strict=True):
                # Class and name, not the place: data may be moved, or packed into shards, between two sittings.
                size = file.stat().st_size if isinstance(file, Path) else file.size
                digest.update(json.dumps([split, label, file.name, size]).encode() + b"\n")
        return digest.hexdigest()

    def _listed(self, split: str | None) -> tuple[list[Path | ShardImage], np.ndarray, list[int]]:
        """Files, labels (soft where there are such), and the class of each: its folder's, or the heaviest one."""
        files, folders = self.folder.files(split)
        soft = self.folder.soft_labels(split)
        return (files, np.asarray(folders), folders) if soft is None else (files, soft, soft.argmax(1).tolist())

    def _make(self, files: list[Path | ShardImage], labels: np.ndarray) -> ProtectedFolder:
        stored = self.profile.model_copy(update={"size": self.folder.profile.size})
        return ProtectedFolder(
            files, labels, stored, self.size, cache=self.cache, threads=self.threads, progress=self.progress
        )

    def dataset(self, split: str) -> ProtectedFolder:
        """The data set of a split that ``setup`` has made."""
        return self._sets[split]

    def train_dataloader(self) -> Any:
        return self._loader("train", shuffle=True, begin=self.begin)

    def val_dataloader(self) -> Any:
        return self._loader("val", shuffle=False) if len(self._sets["val"]) else []

    def test_dataloader(self) -> Any:
        return self._loader("test", shuffle=False)

    def _loader(self, split: str, *, shuffle: bool, begin: tuple[int, int] = (0, 0)) -> Any:
        data = self._sets[split]
        trainer = self.trainer
        rank, world = (trainer.global_rank, trainer.world_size) if trainer else (0, 1)
        batches = EpochBatches(len(data), self.batch_size, shuffle=shuffle, seed=self.seed, rank=rank, world_size=world)
        batches.begin = begin
        batches.set_epoch(begin[0])  # loader processes begin before Lightning says which epoch it is
        if data.images is not None:
            return TensorLoader(data.images, data.labels, batches)
        workers = self.threads if self.threads is not None else (os.cpu_count() or 1)
        return DataLoader(data, batch_sampler=batches, num_workers=workers, persistent_workers=workers > 0)  # type: ignore[arg-type]
