from types import SimpleNamespace

import pytest

from blindsight.audit.mixing_verdict import judge, percent
from blindsight.profile import Codec


def estimate(mean, low=None, n=60):
    return SimpleNamespace(mean=mean, low=mean if low is None else low, high=mean, n=n)


def result(block, ssim, pixels, blocks, *, own=False):
    attacks = {
        name: SimpleNamespace(top1=estimate(share), chance=1 / 60, candidates=60, shows_ties=share == 0.9917)
        for name, share in (("pixels", pixels), ("blocks", blocks))
    }
    return SimpleNamespace(
        setting=SimpleNamespace(block=block, blocks=192 * 192 // (block[0] * block[1]), own=own),
        likeness={"ssim": {"target": estimate(ssim), "same_class": estimate(0.2)}},
        shares=SimpleNamespace(in_place=estimate(0.5), true_pixels=estimate(1)),
        attacks=attacks,
    )


def verdict(*others, own=(0.58, 0.72, 1.0)):
    mine = result((96, 24), *own, own=True)
    profile = SimpleNamespace(scheme="pbm", codec=Codec(format="png"))
    return judge(profile, mine, [mine, *others])


def test_blocks_that_look_less_alike_and_are_found_more_often_are_not_advised():
    advice = verdict(result((48, 24), 0.57, 0.83, 1.0), result((48, 6), 0.42, 0.97, 1.0)).advice
    assert not any("--block" in line for line in advice)
    assert (
        "No block size measured hides the originals better: smaller blocks lower SSIM (0.42 with 48x6, 0.58 now) and "
        "are found more often (by nearest pixels: 97 % with 48x6, 72 % now)."
    ) in advice


def test_the_least_alike_of_the_blocks_that_no_attack_gains_from_is_advised():
    advice = verdict(
        result((48, 24), 0.57, 0.72, 0.9), result((24, 24), 0.5, 0.7, 1.0), result((48, 6), 0.42, 0.6, 1.0001)
    ).advice
    line = next(line for line in advice if "--block" in line)
    assert "--block 24x24 has the lowest SSIM to the original: 0.50, and 0.58 now" in line
    assert not any("No block size" in line for line in advice)


def test_nothing_is_said_of_blocks_where_the_own_ones_have_the_lowest_ssim():
    advice = verdict(result((96, 48), 0.62, 0.1, 0.1)).advice
    assert not any("--block" in line or "No block size" in line for line in advice)


def test_other_blocks_are_not_called_smaller_where_some_are_larger():
    advice = verdict(result((96, 48), 0.5, 0.8, 1.0), result((48, 6), 0.42, 0.97, 1.0)).advice
    assert any("better: other blocks lower SSIM" in line for line in advice)


def test_a_share_that_no_whole_number_of_images_gives_is_explained():
    assert (
        "99.2 % of 60 images among 60 candidates (a tie between two counts half)."
        in verdict(own=(0.58, 0.72, 0.9917)).findings[2]
    )
    assert "counts half" not in verdict().findings[2]


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.0004, "less than 0.1 %"),
        (0.9996, "more than 99.9 %"),
        (0.9967, "99.7 %"),
        (0.0167, "1.7 %"),
        (0.484, "48 %"),
        (1.021, "102.1 %"),
    ],
)
def test_shares_are_never_rounded_to_none_or_all(share, text):
    assert percent(share) == text
