import json
import shutil

import numpy as np
import pytest

from blindsight.algebra import BlockPermutation
from blindsight.errors import CorruptDataError, OutputError, ParameterError, ProfileError, WrongKeyError
from blindsight.images import read_image
from blindsight.owner.index import Index
from blindsight.owner.protect import ProtectOptions, protect
from blindsight.owner.reveal import reveal
from blindsight.owner.rotate import rotate
from blindsight.owner.sources import open_source
from blindsight.profile import Codec
from protect_helpers import KEY, OTHER, pixels_of, refused, result, tree, write_folder

FILES = ["train/a/1.png", "train/a/2.png", "train/b/1.png", "test/b/1.png"]
SMALL = ProtectOptions(block_size=4)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("rotate") / "photos", FILES)


def run(photos, out, options=SMALL, key=KEY):
    return protect(open_source(photos), out, key, options)


def but_for_the_job(out):
    return {name: value for name, value in result(out).items() if name != "1/job.json"}


@pytest.mark.parametrize("opaque", [False, True])
@pytest.mark.parametrize("scope", ["dataset", "image", "pool:2"])
@pytest.mark.parametrize("scheme", ["ele", "etc", "le", "np", "pe", "rrp", "shf"])
def test_rotating_is_protecting_afresh_with_the_new_key(photos, tmp_path, scheme, scope, opaque):
    options = ProtectOptions(scheme=scheme, block_size=4, key_scope=scope, opaque_classes=opaque)
    run(photos, tmp_path / "old", options)
    before = tree(tmp_path / "old")
    report = rotate(tmp_path / "old", tmp_path / "new", KEY, OTHER)
    fresh = run(photos, tmp_path / "fresh", options, OTHER)
    assert but_for_the_job(tmp_path / "new") == but_for_the_job(tmp_path / "fresh")
    assert report.profile == fresh.profile
    assert (report.images, report.rejects, report.index) == (4, [], tmp_path / "new.owner")
    assert tree(tmp_path / "old") == before


@pytest.mark.parametrize("options", [ProtectOptions(block_size=4, codec=Codec(format="webp"), channels=1)])
def test_other_lossless_sets_too(photos, tmp_path, options):
    run(photos, tmp_path / "old", options)
    rotate(tmp_path / "old", tmp_path / "new", KEY, OTHER, workers=3)
    run(photos, tmp_path / "fresh", options, OTHER)
    assert tree(tmp_path / "new") == tree(tmp_path / "fresh")


def test_there_and_back_is_the_identity(photos, tmp_path):
    run(photos, tmp_path / "old")
    rotate(tmp_path / "old", tmp_path / "new", KEY, OTHER)
    rotate(tmp_path / "new", tmp_path / "again", OTHER, KEY)
    assert tree(tmp_path / "again") == tree(tmp_path / "old")
    assert Index(tmp_path / "again.owner").images() == Index(tmp_path / "old.owner").images()


def test_names_tell_nothing_and_nothing_old_is_left(photos, tmp_path):
    run(photos, tmp_path / "old", ProtectOptions(block_size=4, opaque_classes=True))
    rotate(tmp_path / "old", tmp_path / "new", KEY, OTHER)
    old, new = ({p.name for p in (tmp_path / name).rglob("*")} for name in ("old", "new"))
    assert old & new == {"train", "test", "profile.json"}
    text = (tmp_path / "new/profile.json").read_text()
    assert OTHER.id in text
    assert KEY.id not in text


def test_the_plain_image_exists_nowhere_on_the_way(photos, tmp_path, monkeypatch):
    run(photos, tmp_path / "old", ProtectOptions(block_size=4, key_scope="image"))
    made = []
    apply = BlockPermutation.apply
    monkeypatch.setattr(BlockPermutation, "apply", lambda self, x: made.append(apply(self, x)) or made[-1])
    rotate(tmp_path / "old", tmp_path / "new", KEY, OTHER)
    plain = {read_image(photos / path).tobytes() for path in FILES}
    assert len(made) == 4  # one step an image
    padded = [m[:h, :w].tobytes() for m in made for h, w in {read_image(photos / p).shape[:2] for p in FILES}]
    assert not plain & set(padded)


def test_jpeg_is_encoded_once_more(photos, tmp_path):
    codec = Codec(format="jpeg", quality=95, subsampling="4:2:0")
    run(photos, tmp_path / "old", ProtectOptions(block_size=16, codec=codec))
    rotate(tmp_path / "old", tmp_path / "new", KEY, OTHER)
    assert reveal(tmp_path / "new", tmp_path / "back", OTHER, originals=photos).psnr > 28


def test_views_keep_the_crops_that_the_old_key_drew(photos, tmp_path):
    options = ProtectOptions(block_size=4, views=2)
    run(photos, tmp_path / "old", options)
    assert rotate(tmp_path / "old", tmp_path / "new", KEY, OTHER).images == 7
    reveal(tmp_path / "old", tmp_path / "a", KEY)
    reveal(tmp_path / "new", tmp_path / "b", OTHER)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    view = "train/a/1.view1.png"
    assert not np.array_equal(pixels_of(tmp_path / "a" / view), pixels_of(tmp_path / "a/train/a/1.png"))


def test_indices_may_lie_elsewhere(photos, tmp_path):
    report = run(photos, tmp_path / "old")
    report.index.rename(tmp_path / "mine")
    text = refused(OutputError, rotate, tmp_path / "old", tmp_path / "new", KEY, OTHER)
    assert text == f"no index at {report.index}; give the folder that protect wrote with --index"
    assert not (tmp_path / "new").exists()
    places = {"index": tmp_path / "mine", "new_index": tmp_path / "mine too"}
    assert rotate(tmp_path / "old", tmp_path / "new", KEY, OTHER, **places).index == tmp_path / "mine too"
    assert Index(tmp_path / "mine too").label() == "photos"


def test_both_keys_the_same(photos, tmp_path):
    run(photos, tmp_path / "old")
    text = refused(ParameterError, rotate, tmp_path / "old", tmp_path / "new", KEY, KEY)
    assert text == f"old and new key are both {KEY.id}; make a new one with: blindsight key new"


def test_the_wrong_old_key(photos, tmp_path):
    run(photos, tmp_path / "old")
    text = refused(WrongKeyError, rotate, tmp_path / "old", tmp_path / "new", OTHER, KEY)
    assert text == f"the profile names key {KEY.id}, the key at hand is {OTHER.id}; give that key"
    assert not (tmp_path / "new").exists()


def test_only_protected_folders_rotate(photos, tmp_path):
    assert "no profile.json" in refused(ProfileError, rotate, photos, tmp_path / "new", KEY, OTHER)


def test_the_result_may_not_lie_in_the_protected_folder(photos, tmp_path):
    run(photos, tmp_path / "old")
    text = refused(OutputError, rotate, tmp_path / "old", tmp_path / "old" / "new", KEY, OTHER)
    assert "would lie inside" in text


def test_damaged_files_are_rejects(photos, tmp_path):
    report = run(photos, tmp_path / "old")
    record = Index(report.index).images()[0]
    (tmp_path / "old" / record.file).write_bytes(b"x")
    found = rotate(tmp_path / "old", tmp_path / "new", KEY, OTHER)
    assert found.images == 3
    assert [path for path, _ in found.rejects] == [record.file]
    assert record.file in (tmp_path / "new.owner/rejects.csv").read_text()


def test_an_index_whose_parts_disagree_is_damaged(photos, tmp_path):
    report = run(photos, tmp_path / "old")
    (report.index / "classes.json").write_text(json.dumps({"a": "a"}))
    text = refused(CorruptDataError, rotate, tmp_path / "old", tmp_path / "new", KEY, OTHER)
    assert text == (f"{report.index} knows no class 'b', which its images.csv names; restore the index from a backup")


def test_an_interrupted_rotation_resumes_only_as_the_same(photos, tmp_path):
    def ctrl_c(_done, _all):
        raise KeyboardInterrupt

    run(photos, tmp_path / "old")
    rotate(tmp_path / "old", tmp_path / "whole", KEY, OTHER)
    with pytest.raises(KeyboardInterrupt):
        rotate(tmp_path / "old", tmp_path / "new", KEY, OTHER, progress=ctrl_c)
    shutil.copytree(tmp_path / "new", tmp_path / "kept")
    third = type(KEY)(b"3" * 32)
    text = refused(OutputError, rotate, tmp_path / "old", tmp_path / "new", KEY, third, resume=True)
    assert f'profile.key_id was "{OTHER.id}", now "{third.id}"' in text
    run(photos, tmp_path / "other", ProtectOptions(block_size=4, label="other"))
    text = refused(OutputError, rotate, tmp_path / "other", tmp_path / "new", KEY, OTHER, resume=True)
    assert 'label was "photos", now "other"' in text
    assert tree(tmp_path / "new") == tree(tmp_path / "kept")
    assert rotate(tmp_path / "old", tmp_path / "new", KEY, OTHER, resume=True).images == 4
    assert result(tmp_path / "new") == result(tmp_path / "whole")
