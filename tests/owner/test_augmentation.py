"""Augmentation after mixing: the laws of the changes, and what becomes of a data set."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageEnhance

from blindsight.errors import (
    CorruptDataError,
    OutputError,
    ParameterError,
    ProfileError,
    ProfileMismatchError,
    UnknownNameError,
)
from blindsight.images import encode_image, read_image, read_protected
from blindsight.labels import LABELS_NAME, labels_csv, read_weights
from blindsight.owner.augmentation import RECIPES, augment, brighten, flip, identity, rotate
from blindsight.profile import Codec, Profile
from blindsight.shards import INFO_NAME, find_shards, info_json, pack_shard, read_shard, shard_name
from protect_helpers import picture, refused, tree, write_image

NAMES = ["identity", "brightness", "flip", "rotation"]
KEY_ID = "bsk1-" + "a" * 16
images = arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.sampled_from([1, 3])))


# The laws of the changes


@given(images)
def test_the_identity_and_two_flips_change_nothing(pixels):
    assert np.array_equal(identity(pixels), pixels)
    assert np.array_equal(flip(flip(pixels)), pixels)
    assert np.array_equal(flip(pixels)[:, 0], pixels[:, -1])


@given(images, st.floats(0, 4))
def test_brightness_is_monotone_clipped_and_what_pillow_does(pixels, factor):
    brighter = brighten(pixels, factor)
    image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])
    assert np.array_equal(brighter.reshape(np.asarray(image).shape), ImageEnhance.Brightness(image).enhance(factor))
    order = np.argsort(pixels.ravel(), kind="stable")
    assert (np.diff(brighter.ravel()[order].astype(int)) >= 0).all()


def test_brightness_of_every_value():
    values = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    assert brighten(values).ravel().tolist() == [min(v * 3 // 2, 255) for v in range(256)]
    assert np.array_equal(brighten(values, 1.0), values)


@given(images, st.floats(-180, 180))
def test_rotation_keeps_the_size_and_invents_no_value(pixels, degrees):
    turned = rotate(pixels, degrees)
    assert (turned.shape, turned.dtype) == (pixels.shape, np.uint8)
    assert (turned.max((0, 1)) <= pixels.max((0, 1))).all()
    assert np.array_equal(rotate(pixels, 0.0), pixels)


@given(st.integers(0, 10), st.integers(0, 10), st.sampled_from([1, 3]), st.floats(-180, 180))
def test_rotation_keeps_the_centre(rows, columns, channels, degrees):
    pixels = np.random.default_rng(rows).integers(0, 256, (2 * rows + 1, 2 * columns + 1, channels), np.uint8)
    off = rotate(pixels, degrees)[rows, columns].astype(int) - pixels[rows, columns]
    assert np.abs(off).max() <= 1  # bilinear weights are floats


def test_rotation_is_counter_clockwise_with_black_corners():
    quarter = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    assert np.array_equal(rotate(quarter, 90.0), np.rot90(quarter))
    white = rotate(np.full((64, 48, 3), 255, np.uint8))
    assert not white[[0, 0, -1, -1], [0, -1, 0, -1]].any()
    assert (white[32, 24] == 255).all()
    right = np.zeros((65, 65, 1), np.uint8)
    right[31:34, 58:61] = 255  # east of the centre; by 20 degrees it goes north
    rows, columns = np.nonzero(rotate(right)[:, :, 0] > 128)
    angle = np.degrees(np.arctan2(32 - rows.mean(), columns.mean() - 32))
    assert angle == pytest.approx(20, abs=1)


def test_the_recipe_of_the_paper():
    assert RECIPES["pbm"] == {"identity": identity, "brightness": brighten, "flip": flip, "rotation": rotate}


# Sets


def profile_of(**changes):
    facts = {"kind": "mix", "scheme": "pbm", "parameters": {"block": "8x12"}, "size": (16, 24), "classes": ("b", "a")}
    return Profile.model_validate({**facts, **changes})


def mixed_set(root, *, splits=("train",), per_class=3, **changes):
    """What mix writes, with other pixels: [SPLIT/]CLASS/ID.SUFFIX and the profile."""
    profile = profile_of(**changes)
    for number, (split, name, i) in enumerate(
        (s, c, i) for s in splits for c in profile.classes for i in range(per_class)
    ):
        pixels = picture(*(profile.size or (16 + i, 24)), number, profile.channels)
        path = root / split / name / f"id{number}{profile.codec.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_image(pixels.reshape(*pixels.shape[:2], profile.channels), profile.codec))
    (root / "profile.json").write_text(profile.to_json())
    return root


def files_of(root):
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())


CODECS = [
    Codec(),
    Codec(format="webp"),
    Codec(format="jpeg", quality=80, subsampling="4:4:4"),
    Codec(format="jpeg", quality=60, subsampling="4:2:0"),
]


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: f"{codec.format}{codec.quality or ''}")
@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("splits", [("",), ("train", "val", "test")])
def test_every_training_image_becomes_four(tmp_path, codec, channels, splits):
    if channels == 1 and codec.format == "jpeg":
        codec = codec.model_copy(update={"subsampling": None})
    root, out = mixed_set(tmp_path / "mixed", splits=splits, codec=codec, channels=channels), tmp_path / "out"
    before = tree(root)
    report = augment(root, out)
    assert tree(root) == before
    assert report.profile == Profile.of_folder(out) == profile_of(codec=codec, channels=channels, views=4)
    expected = {"profile.json"}
    for path in root.glob("**/*" + codec.suffix):
        inside = path.relative_to(root)
        if inside.parts[0] in ("val", "test"):
            assert (out / inside).read_bytes() == path.read_bytes()
            expected.add(inside.as_posix())
            continue
        pixels = read_protected(path, channels=channels)
        for name, change in RECIPES["pbm"].items():
            made = out / inside.with_name(f"{path.stem}-{name}{codec.suffix}")
            wanted = path.read_bytes() if name == "identity" else encode_image(change(pixels), codec)
            assert made.read_bytes() == wanted, name
            expected.add(made.relative_to(out).as_posix())
    assert set(files_of(out)) == expected
    assert report.images == len(expected) - 1
    assert report.bytes == sum((out / name).stat().st_size for name in expected - {"profile.json"})
    assert (report.resumed, report.rejects) == (0, [])


def test_a_set_augmented_twice_counts_its_views(tmp_path):
    mixed_set(tmp_path / "mixed", per_class=1)
    augment(tmp_path / "mixed", tmp_path / "once")
    report = augment(tmp_path / "once", tmp_path / "twice")
    assert (report.images, report.profile.views) == (32, 16)
    assert "train/a/id1-flip-flip.png" in files_of(tmp_path / "twice")


def shard_set(root, size=4, **changes):
    folder = mixed_set(root.with_name("as-folder"), splits=("train", "test"), **changes)
    profile = profile_of(**changes, layout="shards")
    root.mkdir()
    lengths = {}
    for split in ("train", "test"):
        paths = sorted(folder.glob(f"{split}/*/*.png"), key=lambda path: path.name)
        for number, start in enumerate(range(0, len(paths), size)):
            members = []
            for path in paths[start : start + size]:
                label = profile.classes.index(path.parent.name)
                members += [(path.name, path.read_bytes()), (f"{path.stem}.cls", b"%d" % label)]
            lengths[shard_name(split, number)] = len(members) // 2
            (root / shard_name(split, number)).write_bytes(pack_shard(members))
    (root / INFO_NAME).write_text(info_json(lengths))
    (root / "profile.json").write_text(profile.to_json())
    return root


def test_shards_hold_what_the_folder_would(tmp_path):
    root, out = shard_set(tmp_path / "shards"), tmp_path / "out"
    report = augment(root, out, workers=3)
    augment(tmp_path / "as-folder", tmp_path / "folder")
    assert report.profile == Profile.of_folder(tmp_path / "folder").model_copy(update={"layout": "shards"})
    found, orders = {}, []
    for split, shards in find_shards(out).items():
        for shard in shards:
            members = read_shard(shard)
            assert len(members) <= 4
            orders += [image.id for image in members if split == "train"]
            found |= {
                f"{split}/{image.class_id(report.profile.classes)}/{image.name}": image.read() for image in members
            }
    folder = {
        p.relative_to(tmp_path / "folder").as_posix(): p.read_bytes() for p in (tmp_path / "folder").rglob("*.png")
    }
    assert found == folder
    assert len(find_shards(out)["train"]) == 6
    assert (out / INFO_NAME).exists()
    assert orders != sorted(orders)


def soft(root, weights=(0.7, 0.3)):
    """Soft labels for every image of a set."""
    rows = {}
    for path in root.rglob("*.png"):
        own, other = (path.parent.name, "b" if path.parent.name == "a" else "a")
        rows[path.relative_to(root).as_posix()] = {own: weights[0], other: weights[1]}
    (root / LABELS_NAME).write_text(labels_csv(rows))
    return rows


def test_copies_have_the_soft_labels_of_their_image(tmp_path):
    root, out = mixed_set(tmp_path / "mixed", splits=("train", "val")), tmp_path / "out"
    rows = soft(root, (0.1 + 0.6, 0.3))
    augment(root, out)
    made = read_weights(out / LABELS_NAME, ("a", "b"))
    expected = {p: w for p, w in rows.items() if p.startswith("val/")}
    expected |= {p.replace(".png", f"-{n}.png"): w for p, w in rows.items() if p.startswith("train/") for n in NAMES}
    assert made == expected
    assert made.keys() == {name for name in files_of(out) if name.endswith(".png")}


def test_the_soft_labels_of_rejects_go_with_them(tmp_path):
    root, out = mixed_set(tmp_path / "mixed"), tmp_path / "out"
    soft(root)
    (root / "train/a/id3.png").write_bytes(b"")
    report = augment(root, out)
    assert report.rejects == [("train/a/id3.png", "train/a/id3.png is empty; copy it again or take it out")]
    made = read_weights(out / LABELS_NAME, ("a", "b"))
    assert made.keys() == {name for name in files_of(out) if name.endswith(".png")}
    assert len(made) == report.images == 20


def test_soft_labels_that_do_not_fit_the_images(tmp_path):
    root, out = mixed_set(tmp_path / "mixed"), tmp_path / "out"
    rows = soft(root)
    (root / LABELS_NAME).write_text(labels_csv({p: w for p, w in rows.items() if p != "train/a/id3.png"}))
    assert "has no row for 'train/a/id3.png'" in refused(CorruptDataError, augment, root, out)
    (root / LABELS_NAME).write_text(labels_csv({**rows, "train/a/x.png": {"a": 1.0}}))
    assert "has a row for a missing 'train/a/x.png'" in refused(CorruptDataError, augment, root, out)
    (root / LABELS_NAME).write_text("image\n")
    assert "the header is 'image'" in refused(CorruptDataError, augment, root, out)
    shards = shard_set(tmp_path / "shards")
    (shards / LABELS_NAME).write_text(labels_csv({}))
    assert "lies beside shards" in refused(CorruptDataError, augment, shards, out)
    assert not out.exists()


# Plain folders


def test_a_plain_folder_becomes_one_with_a_profile(tmp_path):
    root, out = tmp_path / "photos", tmp_path / "out"
    write_image(root / "cat/sub/1.jpg", 20, 27, quality=90, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0")
    write_image(root / "dog/2.png", 30, 15)
    report = augment(root, out)
    assert report.profile == Profile(kind="plain", classes=("cat", "dog"), views=4)
    assert files_of(out) == sorted(
        ["profile.json", *(f"{stem}-{name}.png" for stem in ("cat/sub/1", "dog/2") for name in NAMES)]
    )
    pixels = read_image(root / "cat/sub/1.jpg")
    for name, change in RECIPES["pbm"].items():
        assert np.array_equal(read_image(out / f"cat/sub/1-{name}.png"), change(pixels))


def test_nothing_that_a_photograph_says_besides_gets_into_the_copies_of_a_plain_folder(tmp_path):
    from PIL.PngImagePlugin import PngInfo

    said = PngInfo()
    said.add_text("Comment", "taken at home")
    write_image(tmp_path / "photos/cat/1.png", pnginfo=said)
    assert b"taken at home" in (tmp_path / "photos/cat/1.png").read_bytes()
    augment(tmp_path / "photos", tmp_path / "out")
    for path in (tmp_path / "out").rglob("*.png"):
        assert b"taken at home" not in path.read_bytes()
    assert np.array_equal(read_image(tmp_path / "out/cat/1-identity.png"), read_image(tmp_path / "photos/cat/1.png"))


def test_names_that_differ_in_their_suffix_alone(tmp_path):
    root = tmp_path / "photos"
    for i, name in enumerate(["a.jpg", "a.png", "a.jpg.png", "b.png"]):
        write_image(root / "cat" / name, seed=i)
    augment(root, tmp_path / "out")
    stems = ["a.jpg", "a.jpg.png", "a.png", "b"]
    assert files_of(tmp_path / "out") == sorted(
        ["profile.json", *(f"cat/{stem}-{name}.png" for stem in stems for name in NAMES)]
    )
    for name in ("a.jpg", "a.png", "a.jpg.png"):
        made = read_image(tmp_path / f"out/cat/{name}-identity.png")
        assert np.array_equal(made, read_image(root / "cat" / name))


def test_images_without_classes(tmp_path):
    write_image(tmp_path / "photos/1.png")
    report = augment(tmp_path / "photos", tmp_path / "out")
    assert (report.profile.classes, report.images) == ((), 4)
    assert files_of(tmp_path / "out") == [*(f"1-{name}.png" for name in sorted(NAMES)), "profile.json"]
    augment(tmp_path / "out", tmp_path / "twice")  # its profile is no image
    assert len(files_of(tmp_path / "twice")) == 17


def test_splits_keep_the_names_of_their_folders(tmp_path):
    for name in ("Training", "validation"):
        write_image(tmp_path / "photos" / name / "cat/1.png")
    augment(tmp_path / "photos", tmp_path / "out")
    assert files_of(tmp_path / "out") == [
        *(f"Training/cat/1-{name}.png" for name in sorted(NAMES)), "profile.json", "validation/cat/1.png"
    ]  # fmt: skip


# What is refused, and what is rejected


def test_what_is_refused(tmp_path):
    out = tmp_path / "out"
    mixed = mixed_set(tmp_path / "mixed")
    assert refused(UnknownNameError, augment, mixed, out, "pmb") == "unknown recipe 'pmb'; did you mean pbm?"
    facts = {"kind": "cipher", "scheme": "etc", "block_size": 8, "key_scope": "dataset", "key_id": KEY_ID}
    cipher = mixed_set(tmp_path / "cipher", **facts)
    assert refused(ProfileError, augment, cipher, out) == (
        f"{cipher} is encrypted, and turning or flipping an encrypted image tears its blocks apart; augment before "
        f"encryption: protect --views"
    )
    for folder in (mixed, cipher):
        message = refused(OutputError, augment, folder / "train", out)
        assert message == f"{folder / 'train'} is one split of {folder}; give the whole set"
    (mixed / "train" / "yak").mkdir()
    write_image(mixed / "train/yak/1.png")
    message = refused(ProfileMismatchError, augment, mixed, out)
    assert message.startswith("train/yak/1.png lies in a folder that is none of the 2 classes in ")
    assert "has no train split" in refused(ParameterError, augment, mixed_set(tmp_path / "t", splits=("test",)), out)
    assert "is not a folder" in refused(OutputError, augment, tmp_path / "none", out)
    (tmp_path / "empty").mkdir()
    assert "no images in empty" in refused(ParameterError, augment, tmp_path / "empty", out)
    (cipher / ".incomplete").mkdir()
    (cipher / "profile.json").unlink()
    assert "is incomplete" in refused(OutputError, augment, cipher, out)
    assert "is one split of" in refused(OutputError, augment, cipher / "train", out)
    assert not out.exists()


def test_the_output_must_be_ours_and_outside(tmp_path):
    mixed = mixed_set(tmp_path / "mixed")
    assert "would lie inside" in refused(OutputError, augment, mixed, mixed / "out")
    augment(mixed, tmp_path / "out")
    assert "is finished already" in refused(OutputError, augment, mixed, tmp_path / "out")
    assert "is not empty and not ours" in refused(OutputError, augment, mixed, tmp_path)


def test_rejects_are_named_once(tmp_path):
    root, out = mixed_set(tmp_path / "mixed"), tmp_path / "out"
    (root / "train/a/notes.txt").write_text("no image")
    (root / "train/a/.DS_Store").write_text("")
    (root / "loose.png").write_text("")
    write_image(root / "train/a/other.png", 8, 8)
    (root / "train/b/id0.png").write_bytes((root / "train/b/id0.png").read_bytes()[:60])
    report = augment(root, out)
    assert report.images == 20
    reasons = dict(report.rejects)
    assert len(reasons) == len(report.rejects)
    assert reasons == {
        "train/a/notes.txt": "train/a/notes.txt is not an image of a known format, expected PNG or JPEG or WebP; "
        "convert it or take it out",
        "train/a/.DS_Store": "left behind by another program; not read",
        "loose.png": "outside the class folders; move it into one",
        "train/a/other.png": "train/a/other.png is 8x8 (height x width), expected 16x24; it is not as mixed",
        "train/b/id0.png": "train/b/id0.png is cut off; copy it again or take it out",
    }


def test_an_image_that_the_format_cannot_hold_is_a_reject(tmp_path):
    root = mixed_set(
        tmp_path / "photos", kind="plain", scheme=None, parameters={}, size=None, codec=Codec(format="webp")
    )
    write_image(root / "train/a/wide.png", 1, 16_384)
    report = augment(root, tmp_path / "out")
    assert [path for path, _ in report.rejects] == ["train/a/wide.png"]
    assert "webp holds at most 16383 pixels a side" in report.rejects[0][1]
