"""Which images make a batch."""

import torch

from blindsight.provider.batches import EpochBatches


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
