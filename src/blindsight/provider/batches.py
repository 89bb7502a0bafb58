"""Which images make a batch, and batches straight from memory."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

__all__ = ["EpochBatches", "TensorLoader"]


class EpochBatches:
    """Batches of indices: shuffled by (seed, epoch) alone, so that a resumed training meets the same ones.

    Args:
        count: size of the data set.
        batch_size: indices per batch on this rank.
        shuffle: False keeps the order and the last, smaller batch.
        seed: of the shuffling.
        rank: this process's number.
        world_size: number of processes; each takes every ``world_size``-th index.
    """

    def __init__(
        self, count: int, batch_size: int, *, shuffle: bool, seed: int = 0, rank: int = 0, world_size: int = 1
    ) -> None:
        self.count, self.batch_size, self.shuffle, self.seed = count, batch_size, shuffle, seed
        self.rank, self.world_size = rank, world_size
        self.epoch = 0
        #: (epoch, batch): where a resumed training begins, after the batches that it had in that epoch.
        self.begin = (0, 0)
        # Lightning calls set_epoch on `loader.sampler` and on `loader.batch_sampler.sampler`.
        self.sampler = self

    @property
    def share(self) -> int:
        """Indices of this rank in an epoch; training gives every rank the same number, or DDP would wait for ever."""
        if self.shuffle:
            return self.count // self.world_size
        return (self.count - self.rank + self.world_size - 1) // self.world_size

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        # In training a smaller last batch would weigh its images more and give batch norm few samples.
        if self.shuffle and self.share >= self.batch_size:
            return self.share // self.batch_size
        return -(-self.share // self.batch_size)

    def __iter__(self) -> Iterator[Tensor]:
        if self.shuffle:
            order = torch.from_numpy(np.random.default_rng([self.seed, self.epoch]).permutation(self.count))
        else:
            order = torch.arange(self.count)
        mine = order[self.rank :: self.world_size][: self.share]
        for k in range(self.begin[1] if self.epoch == self.begin[0] else 0, len(self)):
            yield mine[k * self.batch_size : (k + 1) * self.batch_size]


class TensorLoader:
    """Batches straight from tensors in memory: one indexing per batch, no worker, no collation."""

    def __init__(self, images: Tensor, labels: Tensor, batches: EpochBatches) -> None:
        self.images, self.labels, self.batches = images, labels, batches
        self.sampler = self.batch_sampler = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for index in self.batches:
            yield self.images[index], self.labels[index]
