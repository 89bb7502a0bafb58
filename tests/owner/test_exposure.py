import pytest

from blindsight.owner.exposure import IMAGES_TO_BREAK, exposure, images_per_key, mixed_exposure
from blindsight.profile import Profile
from protect_helpers import KEY

OTHERS = "Other sets and runs under this key, scheme and image size share it and count too. "


def profile(scope, scheme="etc", **parameters):
    return Profile(kind="cipher", scheme=scheme, parameters=parameters, block_size=8, key_scope=scope, key_id=KEY.id)


@pytest.mark.parametrize(
    ("scope", "images", "share"),
    [
        ("dataset", 0, 0),
        ("dataset", 1, 1),
        ("dataset", 5000, 5000),
        ("image", 0, 0),
        ("image", 5000, 1),
        ("pool:8", 0, 0),
        ("pool:8", 16, 2),
        ("pool:8", 17, 3),
        ("pool:8", 5, 1),
    ],
)
def test_how_many_images_share_a_key(scope, images, share):
    assert images_per_key(profile(scope), images) == share


def test_what_is_measured_is_said():
    text = exposure(profile("dataset"), 1797)
    assert text.startswith(f"1797 images share a key. {OTHERS}About 10 were enough to recover a key of etc")
    assert text.endswith("from protected images alone: treat the pictures as hidden from casual viewing only.")


def test_few_images_are_no_reassurance():
    few = exposure(profile("pool:200"), 1000)
    assert "alone, and fewer often are: treat the pictures as hidden from casual viewing only." in few
    assert few.endswith(" A pool hides nothing more: which images share a key is found, too.")
    assert "pool" not in exposure(profile("dataset"), 1000)
    assert IMAGES_TO_BREAK == {"ele": 250, "etc": 10, "pe": 10, "shf": 250}
    assert "fewer" not in exposure(profile("pool:100"), 2000)


def test_what_is_not_measured_is_not_called_safe():
    text = exposure(profile("dataset", "bps"), 100)
    assert f"100 images share a key. {OTHERS}" in text
    assert text.endswith(" How many are enough to break bps is not measured; assume a few dozen.")


def test_a_key_of_its_own_is_no_promise_either():
    text = exposure(profile("image"), 5000)
    assert text.startswith("Each image has its own key. One image alone can often be pieced together")


@pytest.mark.parametrize(("scope", "images"), [("dataset", 1), ("dataset", 0), ("pool:100", 50), ("pool:50", 50)])
def test_one_image_is_not_a_key_of_its_own(scope, images):
    text = exposure(profile(scope), images)
    assert text.startswith(f"Few images here share a key. {OTHERS}About 10 were enough")
    assert "own key" not in text


@pytest.mark.parametrize("scope", ["dataset", "image", "pool:8"])
@pytest.mark.parametrize("scheme", ["etc", "pe", "np", "shf", "le", "ele", "bps", "rrp", "third-party"])
def test_nothing_is_called_secure(scope, scheme):
    text = exposure(profile(scope, scheme), 1000).lower()
    assert not any(word in text for word in ("secure", "safe", "protected from", "guarantee"))


@pytest.mark.parametrize("scope", ["dataset", "image", "pool:3"])
def test_schemes_that_move_nothing_leave_outlines_and_it_is_said(scope):
    for scheme in ("np", "pe"):
        text = exposure(profile(scope, scheme), 100)
        assert text.startswith(f"Nothing moves under {scheme}: outlines stay visible. ")
    assert "outlines" not in exposure(profile(scope, "shf"), 100)


@pytest.mark.parametrize(
    ("method", "views", "said"),
    [
        ("pbm", 1, "On average 51% of an image is its own; more of it stands in images of others. "),
        ("pbm", 3, " is its own, and over its 3 mixtures about 88% of it; more of it stands in images of others. "),
        ("mixup", 1, "people see both"),
        ("cutmix", 1, "most of it can be recognised"),
        ("instahide", 1, "InstaHide was broken: Carlini et al."),
    ],
)
def test_mixed_sets_are_said_to_show_true_pixels(method, views, said):
    mixed = Profile(kind="mix", scheme=method, views=views)
    text = mixed_exposure(mixed, 100, 0.51, 0)
    assert said in text
    assert "exactly as they were" not in text
    assert text.endswith("not as protection; blindsight mix-report measures it.")
    assert "7 of the 100 are published exactly as they were. " in mixed_exposure(mixed, 100, 0.51, 7)


@pytest.mark.parametrize("scope", ["dataset", "image", "pool:3"])
def test_one_image_of_le_is_enough_whoever_shares_its_key(scope):
    text = exposure(profile(scope, "le"), 100)
    assert text.startswith("Blocks stay in their places under le: a coarse picture stays visible. ")
    assert "One protected image of le was enough to restore most of the picture without its key" in text
    assert ("Each image has its own key. " in text) == (scope == "image")
    assert text.endswith("treat the pictures as hidden from casual viewing only.")


def test_ele_took_more_images():
    text = exposure(profile("dataset", "ele"), 150)
    assert "About 250 were enough to recover a key of ele from protected images alone, and fewer often are" in text


def test_what_stays_in_its_place_is_said():
    coarse = "Blocks stay in their places under bps: a coarse picture stays visible. "
    assert exposure(profile("dataset", "bps", scramble=False), 9).startswith(coarse)
    assert coarse not in exposure(profile("dataset", "bps", scramble=True), 9)
    parts = "Under rrp whatever takes no part stays in its place: much of the picture can stay visible. "
    assert exposure(profile("image", "rrp", blocks=0.5, samples=1.0), 9).startswith(parts)
    assert parts not in exposure(profile("image", "rrp", blocks=1.0, samples=1), 9)
