import pytest

from blindsight.audit.mixing_settings import block_settings
from blindsight.owner.mixing import MixOptions, open_mixer


def named(options, size):
    return [(s.block, s.blocks, s.own) for s in block_settings(options, size)]


def test_the_papers_blocks_at_its_size():
    assert named(MixOptions(), (192, 192)) == [
        ((96, 48), 8, False),
        ((96, 24), 16, True),
        ((48, 24), 32, False),
        ((48, 6), 128, False),
    ]


def test_the_sets_own_blocks_come_with_grids_that_divide_the_size():
    assert named(MixOptions(block=(6, 4)), (12, 20)) == [((6, 5), 8, False), ((6, 4), 10, True)]
    assert [s.name for s in block_settings(MixOptions(block=(6, 4)), (12, 20))] == ["6x5 (8 blocks)", "6x4 (10 blocks)"]


@pytest.mark.parametrize("method", ["mixup", "cutmix", "instahide"])
def test_other_methods_have_their_own_setting_alone(method):
    assert named(MixOptions(method=method), (192, 192)) == [(None, None, True)]


def test_another_setting_differs_in_nothing_but_the_blocks(mixed_of):
    source, out = mixed_of()
    mixer, targets = open_mixer(source, out)
    other = mixer.with_options(block=(4, 4))
    # Its images have other ids; under those of the set's own they are drawn alike.
    assert {target.item for target in other.targets} == {target.item for target in mixer.targets}
    target = next(iter(targets.values()))
    assert other.make(target).donors == mixer.make(target).donors
    assert other.make(target).choice.shape == (4, 8)
    assert len(mixer.with_options(sources=5).make(target).donors) == 5
