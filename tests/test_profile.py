"""The profile: canonical text, strict reading, and refusal of what does not belong together."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindsight.errors import OutputError, ProfileError, ProfileMismatchError
from blindsight.profile import INCOMPLETE_MARKER, PROFILE_NAME, Codec, Profile

KEY_ID = "bsk1-aaaabbbbccccdddd"
CIPHER = Profile(kind="cipher", scheme="etc", block_size=4, key_scope="dataset", key_id=KEY_ID, classes=("a", "b"))

codecs = st.one_of(
    st.builds(Codec, format=st.sampled_from(["png", "webp"])),
    st.builds(
        Codec,
        format=st.just("jpeg"),
        quality=st.integers(1, 100),
        subsampling=st.sampled_from(["4:4:4", "4:2:0", None]),
    ),
)
profiles = st.builds(
    Profile,
    kind=st.just("cipher"),
    scheme=st.sampled_from(["etc", "shf"]),
    parameters=st.dictionaries(st.text(max_size=5), st.one_of(st.booleans(), st.integers(), st.text(max_size=5))),
    block_size=st.integers(1, 64),
    channels=st.sampled_from([1, 3]),
    size=st.none() | st.tuples(st.integers(1, 999), st.integers(1, 999)),
    fit=st.none() | st.sampled_from(["pad", "crop", "resize"]),
    codec=codecs,
    key_scope=st.sampled_from(["dataset", "image", "pool:8"]),
    key_id=st.just(KEY_ID),
    views=st.integers(1, 9),
    classes=st.lists(st.text(max_size=8), unique=True, max_size=4).map(tuple),
    opaque_classes=st.booleans(),
)


@given(profiles)
def test_reading_back_gives_the_same_profile_and_the_same_text(profile: Profile) -> None:
    text = profile.to_json()
    assert Profile.from_json(text) == profile
    assert Profile.from_json(text).to_json() == text


def changed(**changes: object) -> str:
    return json.dumps(json.loads(CIPHER.to_json()) | changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "has format None"),
        (changed(format="blindsight-profile/2"), "expected 'blindsight-profile/1'"),
        (changed(extra=1), "extra: Extra inputs are not permitted"),
        (changed(block_size=0), "block_size"),
        (changed(key_id="secret"), "key_id"),
        (changed(key_scope="pool:0"), "key_scope"),
        (changed(key_id=None), "a cipher profile needs key_id"),
        (changed(kind="plain"), "a plain profile has no scheme and no key id"),
        (changed(classes=["a", "a"]), "class ids must be distinct"),
        (changed(codec={"format": "jpeg"}), "a JPEG codec needs a quality"),
        (changed(codec={"format": "png", "quality": 9}), "quality and subsampling belong to jpeg"),
        (changed(background="white"), "background"),
    ],
)
def test_what_is_not_a_profile_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ProfileError, match=message) as caught:
        Profile.from_json(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scheme", "shf"),
        ("parameters", {"negation": False}),
        ("block_size", 8),
        ("channels", 1),
        ("key_id", "bsk1-zzzzzzzzzzzzzzzz"),
        ("key_scope", "image"),
    ],
)
def test_another_protection_is_refused_by_name(field: str, value: object) -> None:
    other = CIPHER.model_copy(update={field: value})
    with pytest.raises(ProfileMismatchError, match=f"the model and the data set differ in {field}"):
        CIPHER.require_same_protection(other, "the model", "the data set")


def test_codec_views_and_classes_may_differ() -> None:
    other = CIPHER.model_copy(update={"codec": Codec(format="webp"), "views": 4, "classes": ("b",)})
    CIPHER.require_same_protection(other, "the model", "the data set")


def test_a_folder_without_a_profile_is_plain_and_an_unfinished_one_is_refused(tmp_path) -> None:
    assert Profile.of_folder(tmp_path) is None
    (tmp_path / PROFILE_NAME).write_text(CIPHER.to_json())
    assert Profile.of_folder(tmp_path) == CIPHER
    (tmp_path / INCOMPLETE_MARKER).mkdir()
    with pytest.raises(OutputError, match=r"is incomplete.*--resume"):
        Profile.of_folder(tmp_path)
    with pytest.raises(OutputError, match="is not a folder"):
        Profile.of_folder(tmp_path / "absent")


def test_summary_is_one_line_for_people() -> None:
    profile = CIPHER.model_copy(
        update={"size": (32, 48), "codec": Codec(format="jpeg", quality=90, subsampling="4:2:0")}
    )
    assert profile.summary() == f"etc, blocks of 4, 32x48 RGB, jpeg q90 4:2:0, key {KEY_ID}, scope dataset"
    assert Profile(kind="plain", channels=1).summary() == "plain, mixed sizes grayscale, png"


def test_suffixes() -> None:
    assert [Codec(format=f).suffix for f in ("png", "webp")] == [".png", ".webp"]
    assert Codec(format="jpeg", quality=5).suffix == ".jpg"
