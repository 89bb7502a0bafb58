from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from blindsight.errors import OutputError, ParameterError, ProfileError, WrongKeyError
from blindsight.images import read_image
from blindsight.owner.index import ImageRecord, Index
from blindsight.owner.protect import ProtectOptions, fitted, protect
from blindsight.owner.reveal import cipher_profile, reveal, reveal_targets
from blindsight.owner.sources import open_source
from blindsight.profile import Codec, Profile
from protect_helpers import KEY, OTHER, pixels_of, refused, tree, write_folder, write_image

FILES = ["train/a/1.png", "train/a/1.bmp", "train/b/sub/ünïcode.png", "test/b/2.tif", "test/b/3.webp"]
REVEALED = ["train/a/1.png.png", "train/a/1.bmp.png", "train/b/sub/ünïcode.png", "test/b/2.png", "test/b/3.png"]
SMALL = ProtectOptions(block_size=4)
JPEG = Codec(format="jpeg", quality=95, subsampling="4:4:4")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("reveal") / "photos", FILES)


def run(photos, out, options=SMALL):
    return protect(open_source(photos), out, KEY, options)


# The way back is the identity


@pytest.mark.parametrize("codec", ["png", "webp"])
@pytest.mark.parametrize("scope", ["dataset", "image", "pool:3"])
@pytest.mark.parametrize("scheme", ["ele", "etc", "le", "np", "pe", "rrp", "shf"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_sets_come_back_bit_for_bit_with_names_and_sizes(photos, tmp_path, scheme, scope, codec, channels):
    options = ProtectOptions(scheme=scheme, block_size=7, key_scope=scope, codec=Codec(format=codec), channels=channels)
    run(photos, tmp_path / "out", options)
    report = reveal(tmp_path / "out", tmp_path / "back", KEY, originals=photos)
    assert (report.images, report.named, report.rejects) == (5, True, [])
    assert (report.compared, report.exact, report.psnr) == (5, 5, None)
    back = {path.relative_to(tmp_path / "back").as_posix() for path in (tmp_path / "back").rglob("*.png")}
    assert back == set(REVEALED)
    for plain, revealed in zip(FILES, REVEALED, strict=True):
        wanted = read_image(photos / plain, channels=channels)
        assert np.array_equal(read_image(tmp_path / "back" / revealed, channels=channels), wanted)
    assert not (tmp_path / "back/.incomplete").exists()


@pytest.mark.parametrize(("fit", "size"), [("crop", None), ("resize", None), ("pad", (16, 24)), ("crop", (16, 24))])
def test_where_fitting_cannot_be_undone_the_fitted_image_comes_back(photos, tmp_path, fit, size):
    run(photos, tmp_path / "out", replace(SMALL, fit=fit, size=size))
    report = reveal(tmp_path / "out", tmp_path / "back", KEY, originals=photos)
    assert report.exact == report.compared == 5
    profile = cipher_profile(tmp_path / "out")
    for plain, revealed in zip(FILES, REVEALED, strict=True):
        assert np.array_equal(pixels_of(tmp_path / "back" / revealed), fitted(read_image(photos / plain), profile))


@pytest.mark.parametrize("options", [SMALL, replace(SMALL, key_scope="image", opaque_classes=True)])
def test_without_the_index_the_pixels_are_the_same_and_the_names_are_ids(photos, tmp_path, options):
    report = run(photos, tmp_path / "out", options)
    records = Index(report.index).images()
    report.index.rename(tmp_path / "away")
    found = reveal(tmp_path / "out", tmp_path / "back", KEY)
    assert (found.images, found.named) == (5, False)
    for record in records:
        revealed = pixels_of(tmp_path / "back" / PurePosixPath(record.file).with_suffix(".png"))
        assert np.array_equal(revealed, fitted(read_image(photos / record.path), report.profile))
    named = reveal(tmp_path / "out", tmp_path / "back2", KEY, index=tmp_path / "away")
    assert named.named
    assert (tmp_path / "back2" / REVEALED[0]).exists()


def test_unlabelled_images_come_back_too(tmp_path):
    write_folder(tmp_path / "p", ["1.png", "2.png"])
    report = run(tmp_path / "p", tmp_path / "out")
    assert report.profile.classes == ()
    assert reveal(tmp_path / "out", tmp_path / "back", KEY, originals=tmp_path / "p").exact == 2
    report.index.rename(tmp_path / "away")
    assert reveal(tmp_path / "out", tmp_path / "back2", KEY).images == 2


@pytest.mark.parametrize(("subsampling", "block", "least"), [("4:4:4", 8, 35), ("4:2:0", 16, 30)])
def test_jpeg_comes_back_nearly_and_the_report_says_how_nearly(photos, tmp_path, subsampling, block, least):
    codec = replace_codec(JPEG, subsampling)
    run(photos, tmp_path / "out", ProtectOptions(block_size=block, codec=codec))
    report = reveal(tmp_path / "out", tmp_path / "back", KEY, originals=photos)
    assert (report.compared, report.exact) == (5, 0)
    assert least < report.psnr < 60


def replace_codec(codec, subsampling):
    return codec.model_copy(update={"subsampling": subsampling})


def test_views_are_revealed_beside_their_image(photos, tmp_path):
    run(photos, tmp_path / "out", replace(SMALL, views=2))
    report = reveal(tmp_path / "out", tmp_path / "back", KEY, originals=photos)
    assert report.images == 8
    assert report.compared == report.exact == 5  # views are no copies of the original
    assert (tmp_path / "back/train/b/sub/ünïcode.view1.png").exists()
    assert (tmp_path / "back/train/a/1.png.view1.png").exists()
    assert not (tmp_path / "back/test/b/2.view1.png").exists()


def test_any_number_of_workers_gives_the_same(photos, tmp_path):
    run(photos, tmp_path / "out")
    reveal(tmp_path / "out", tmp_path / "one", KEY, workers=1)
    reveal(tmp_path / "out", tmp_path / "four", KEY, workers=4)
    assert tree(tmp_path / "one") == tree(tmp_path / "four")


# Where the images go

names = st.lists(
    st.sampled_from(["a", "a.jpg", "a.png", "a.jpg.png", "a.png.png", "a.view1", "a.view1.png", "b/a.png"])
)


@given(st.lists(st.tuples(names.map(lambda n: "/".join(n) or "a"), st.integers(0, 2)), unique=True, max_size=12))
def test_no_two_images_share_a_target(paths):
    records = [ImageRecord("f", f"id{i}", view, "", "", path, 1, 1, 1) for i, (path, view) in enumerate(paths)]
    targets = [target for target, _ in reveal_targets(records)]
    assert len(set(targets)) == len(targets)
    assert all(target.endswith(".png") for target in targets)
    assert [record for _, record in reveal_targets(records)] == records


def test_a_path_that_leads_out_of_the_folder_is_refused(photos, tmp_path):
    report = run(photos, tmp_path / "out")
    listed = (report.index / "images.csv").read_text()
    for path in ("../../etc/x.png", "/etc/x.png", "a/../../x"):
        (report.index / "images.csv").write_text(listed.replace("train/a/1.png", path))
        text = refused(OutputError, reveal, tmp_path / "out", tmp_path / "back", KEY)
        assert text == f"the index names {path}, which leads out of the output folder; restore the index"
    assert not (tmp_path / "back").exists()


# Comparing


def test_only_originals_that_are_there_and_the_same_are_compared(tmp_path):
    originals = write_folder(tmp_path / "photos", FILES)
    run(originals, tmp_path / "out")
    (originals / FILES[0]).unlink()
    (originals / FILES[1]).write_bytes(b"no image any more")
    write_image(originals / FILES[2], 99, 98)
    Image.new("RGB", Image.open(originals / FILES[3]).size).save(originals / FILES[3])
    report = reveal(tmp_path / "out", tmp_path / "back", KEY, originals=originals)
    assert (report.images, report.rejects) == (5, [])
    assert (report.compared, report.exact) == (2, 1)
    assert report.psnr < 20


def test_comparing_needs_the_originals_and_the_index(photos, tmp_path):
    report = run(photos, tmp_path / "out")
    text = refused(ParameterError, reveal, tmp_path / "out", tmp_path / "back", KEY, originals=tmp_path / "none")
    assert text.startswith(f"cannot compare: {tmp_path / 'none'} is not a folder")
    report.index.rename(tmp_path / "away")
    text = refused(ParameterError, reveal, tmp_path / "out", tmp_path / "back", KEY, originals=photos)
    assert text.startswith("cannot compare: no index says which original is which")
    assert not (tmp_path / "back").exists()


# What is damaged


def test_damaged_files_are_rejects(photos, tmp_path):
    report = run(photos, tmp_path / "out", replace(SMALL, codec=Codec()))
    files = [tmp_path / "out" / record.file for record in Index(report.index).images()]
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:-20])
    Image.new("RGB", (9, 8)).save(files[2])  # no whole blocks
    Image.new("RGB", (80, 80)).save(files[3])  # whole blocks, but another image's size
    Image.new("L", (8, 8)).save(files[4])
    found = reveal(tmp_path / "out", tmp_path / "back", KEY)
    reasons = [reason for _, reason in found.rejects]
    assert found.images == 0
    assert [path for path, _ in found.rejects] == [f.relative_to(tmp_path / "out").as_posix() for f in files]
    assert "does not exist" in reasons[0]
    assert "cut off" in reasons[1]
    assert "is 9x8 pixels, expected multiples of 4; it is not as protected" in reasons[2]
    assert "it belongs to another original" in reasons[3]
    assert "mode L, expected RGB" in reasons[4]


def test_a_file_of_another_size_than_the_profile_states_is_a_reject(photos, tmp_path):
    run(photos, tmp_path / "out", replace(SMALL, size=(16, 24)))
    file = next((tmp_path / "out").rglob("*.png"))
    Image.new("RGB", (16, 24)).save(file)
    ((_, reason),) = reveal(tmp_path / "out", tmp_path / "back", KEY).rejects
    assert reason.endswith("is 16x24 pixels, expected 24x16; it is not as protected")


def test_what_is_no_image_is_a_reject_without_the_index_too(photos, tmp_path):
    report = run(photos, tmp_path / "out")
    report.index.rename(tmp_path / "away")
    (tmp_path / "out/train/a/notes.txt").write_text("x")
    found = reveal(tmp_path / "out", tmp_path / "back", KEY)
    assert [path for path, _ in found.rejects] == ["train/a/notes.txt"]


# What is refused


def test_the_wrong_key_is_refused(photos, tmp_path):
    run(photos, tmp_path / "out")
    text = refused(WrongKeyError, reveal, tmp_path / "out", tmp_path / "back", OTHER)
    assert KEY.id in text
    assert OTHER.id in text
    assert not (tmp_path / "back").exists()


def test_what_is_no_protected_folder_is_refused(photos, tmp_path):
    text = refused(ProfileError, reveal, photos, tmp_path / "back", KEY)
    assert text == f"{photos} has no profile.json; give the folder that protect wrote"
    (tmp_path / "mix").mkdir()
    (tmp_path / "mix/profile.json").write_text(Profile(kind="mix", scheme="pbm", block_size=4).to_json())
    text = refused(ProfileError, reveal, tmp_path / "mix", tmp_path / "back", KEY)
    assert (
        text
        == f"{tmp_path / 'mix'} is of kind 'mix', which no key undoes; reveal and rotate work on what protect wrote"
    )
    assert "is not a folder" in refused(OutputError, reveal, tmp_path / "none", tmp_path / "back", KEY)
    (tmp_path / "mix/.incomplete").mkdir()
    assert "is incomplete" in refused(OutputError, reveal, tmp_path / "mix", tmp_path / "back", KEY)


def test_plain_images_are_never_put_into_the_protected_folder(photos, tmp_path):
    run(photos, tmp_path / "out")
    before = tree(tmp_path)
    text = refused(OutputError, reveal, tmp_path / "out", tmp_path / "out" / "back", KEY)
    assert "would lie inside" in text
    assert tree(tmp_path) == before


def test_an_index_that_is_named_must_be_there(photos, tmp_path):
    run(photos, tmp_path / "out")
    text = refused(OutputError, reveal, tmp_path / "out", tmp_path / "back", KEY, index=tmp_path / "none")
    assert text == f"no index at {tmp_path / 'none'}; give the folder that protect wrote with --index"


# Resuming


def interrupted(out, back, **options):
    def ctrl_c(_done, _all):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reveal(out, back, KEY, progress=ctrl_c, **options)


def test_an_interrupted_reveal_resumes(photos, tmp_path):
    run(photos, tmp_path / "out")
    interrupted(tmp_path / "out", tmp_path / "back")
    assert "--resume" in refused(OutputError, reveal, tmp_path / "out", tmp_path / "back", KEY)
    assert reveal(tmp_path / "out", tmp_path / "back", KEY, resume=True).images == 5
    reveal(tmp_path / "out", tmp_path / "whole", KEY)
    assert tree(tmp_path / "back") == tree(tmp_path / "whole")


def test_a_reveal_is_not_resumed_from_another_set(photos, tmp_path):
    run(photos, tmp_path / "out")
    for i, name in enumerate(FILES):
        write_image(tmp_path / "photos" / name, 20, 20, 50 + i)
    run(tmp_path / "photos", tmp_path / "other")
    interrupted(tmp_path / "out", tmp_path / "back")
    text = refused(OutputError, reveal, tmp_path / "other", tmp_path / "back", KEY, resume=True)
    assert ': inputs was "5 images, ' in text


def test_hidden_entries_of_the_output_do_not_matter(photos, tmp_path):
    report = run(photos, tmp_path / "out")
    report.index.rename(tmp_path / "away")
    (tmp_path / "out/.cache").mkdir()
    (tmp_path / "out/.cache/x.png").write_bytes(b"x")
    (tmp_path / "out/root").symlink_to("/")
    assert reveal(tmp_path / "out", tmp_path / "back", KEY).images == 5
