from blindsight.audit.mixing_settings import block_settings
from blindsight.audit.mixing_speed import measure_speed
from blindsight.owner.mixing import open_mixer


def rows(mixed_of, **options):
    source, out = mixed_of(**options)
    mixer, targets = open_mixer(source, out)
    return measure_speed(mixer, block_settings(mixer.options, mixer.size), list(targets.values())[:2])


def test_donors_and_blocks_are_varied_and_too_many_donors_left_out(mixed_of):
    found = rows(mixed_of)
    # Eight images a class: 10 and 20 donors are too many.
    assert [(row.blocks, row.sources, row.own) for row in found] == [
        (8, 3, True),
        (16, 3, False),
        (32, 3, False),
        (128, 3, False),
        (8, 0, False),
        (8, 1, False),
        (8, 5, False),
    ]
    assert all(min(row.plain, row.mixed, row.cold) > 0 for row in found)
    assert found[0].ratio == found[0].mixed / found[0].plain
    assert len({row.plain for row in found}) == 1


def test_other_methods_are_timed_as_they_are(mixed_of):
    found = rows(mixed_of, method="instahide")
    assert [(row.block, row.sources, row.own) for row in found] == [(None, 3, True)]
