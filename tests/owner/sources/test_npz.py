import io
import zipfile

import numpy as np
import pytest

from blindsight.errors import ParameterError
from blindsight.owner.index import Index
from blindsight.owner.protect import ProtectOptions, protect
from blindsight.owner.reveal import reveal
from blindsight.owner.sources import NpzSource, open_source
from blindsight.owner.sources._base import image_pixels, numbered_path
from protect_helpers import KEY, pixels_of, refused

X = np.random.default_rng(0).integers(0, 256, (4, 8, 12, 3), np.uint8)


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


def seen(source):
    return sorted((item.number, item.path, item.split, item.label) for item in source.items)


def test_images_labels_and_class_names(tmp_path):
    source = open_source(save(tmp_path / "scans.npz", x=X, y=[1, 0, 1, 0], classes=["cat", "dog"]))
    assert seen(source) == [
        (0, "dog/00000000", None, "dog"),
        (1, "cat/00000001", None, "cat"),
        (2, "dog/00000002", None, "dog"),
        (3, "cat/00000003", None, "cat"),
    ]
    assert source.label == "scans"
    assert source.uniform_size == (8, 12)
    assert all(np.array_equal(source.read(item), X[item.number]) for item in source.items)


def test_without_names_classes_are_numbers(tmp_path):
    source = NpzSource(save(tmp_path / "d.npz", x=X, y=np.array([7, 10**9, 0, 7])))
    assert [label for *_, label in seen(source)] == ["7", "1000000000", "0", "7"]


def test_splits(tmp_path):
    source = NpzSource(save(tmp_path / "d.npz", x=X, y=[0] * 4, split=["train", "valid", "test", "train"]))
    assert [split for _, _, split, _ in seen(source)] == ["train", "val", "test", "train"]
    assert [path for _, path, _, _ in seen(source)][:2] == ["train/0/00000000", "val/0/00000001"]


@pytest.mark.parametrize("shape", [(2, 8, 8), (2, 8, 8, 1), (2, 8, 8, 3)])
@pytest.mark.parametrize("channels", [1, 3])
def test_gray_and_colour_become_what_is_asked_for(tmp_path, shape, channels):
    x = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    save(tmp_path / "d.npz", x=x, y=[0, 1])
    protect(NpzSource(tmp_path / "d.npz"), tmp_path / "out", KEY, ProtectOptions(block_size=4, channels=channels))
    reveal(tmp_path / "out", tmp_path / "back", KEY)
    for i in range(2):
        wanted = image_pixels(x[i], channels)
        found = pixels_of(tmp_path / f"back/{i}/{i:08d}.png", channels)
        assert np.array_equal(found.reshape(8, 8, channels), wanted)


def test_the_fingerprint_is_of_the_pixels(tmp_path):
    one = NpzSource(save(tmp_path / "a.npz", x=X, y=[0] * 4))
    two = NpzSource(save(tmp_path / "b.npz", x=np.concatenate([X[:3], X[:1]]), y=[0] * 4))
    same = [one.fingerprint(a) == two.fingerprint(b) for a, b in zip(one.items, two.items, strict=True)]
    assert same == [True, True, True, False]


@pytest.mark.parametrize("label", ["..", "a/b", "", "x" * 500, "con\x07trol", "猫", ".hidden."])
def test_hostile_class_names_do_not_lead_out_of_the_revealed_folder(tmp_path, label):
    save(tmp_path / "d.npz", x=X[:1], y=[0], classes=[label])
    options = ProtectOptions(block_size=4, opaque_classes=True)
    report = protect(NpzSource(tmp_path / "d.npz"), tmp_path / "out", KEY, options)
    assert [record.class_name for record in Index(report.index).images()] == [label]
    reveal(tmp_path / "out", tmp_path / "back", KEY)
    (found,) = (tmp_path / "back").rglob("*.png")
    assert found.parent.parent == tmp_path / "back"
    assert np.array_equal(pixels_of(found), X[0])


def test_numbered_paths():
    assert numbered_path("train", "T-shirt/top", 7) == "train/T-shirt_top/00000007"
    assert numbered_path(None, "..", 7) == "_/00000007"


@pytest.mark.parametrize(
    "arrays",
    [
        {"x": X.astype(float), "y": [0] * 4},
        {"x": X[0, 0], "y": [0] * 8},
        {"x": np.uint8(3), "y": []},
        {"x": X[..., :2], "y": [0] * 4},
        {"x": X[:, :0], "y": [0] * 4},
        {"x": X, "y": [0] * 3},
        {"x": X, "y": [0.5] * 4},
        {"x": X, "y": ["a"] * 4},
        {"x": X, "y": 0},
    ],
)
def test_arrays_of_other_types_and_shapes_are_refused(tmp_path, arrays):
    text = refused(ParameterError, NpzSource, save(tmp_path / "d.npz", **arrays))
    assert text.startswith(f"{tmp_path / 'd.npz'}: expected x uint8 (N, H, W), (N, H, W, 1) or (N, H, W, 3) and y int")
    assert f"got x {np.asarray(arrays['x']).dtype}" in text


@pytest.mark.parametrize("classes", [["a", "a"], [1, 2], [b"a", b"b"], "ab", [["a"], ["b"]], ["e\u0301", "é"]])
def test_class_names_must_be_distinct_text(tmp_path, classes):
    text = refused(ParameterError, NpzSource, save(tmp_path / "d.npz", x=X, y=[0] * 4, classes=classes))
    assert ": classes must be distinct str (K,), got " in text


@pytest.mark.parametrize(("y", "classes"), [([0, 1, 2, 0], ["a", "b"]), ([0, -1, 0, 0], ["a", "b"])])
def test_labels_out_of_range_are_refused(tmp_path, y, classes):
    text = refused(ParameterError, NpzSource, save(tmp_path / "d.npz", x=X, y=y, classes=classes))
    assert text == f"{tmp_path / 'd.npz'}: y must be 0 to 1, got {min(y)} to {max(y)}"


def test_negative_labels_are_refused_without_names_too(tmp_path):
    assert "got -1 to 0" in refused(ParameterError, NpzSource, save(tmp_path / "d.npz", x=X, y=[0, -1, 0, 0]))


@pytest.mark.parametrize("split", [["train"] * 3, ["train"] * 3 + ["dev"], [1] * 4, [b"train"] * 4])
def test_other_splits_are_refused(tmp_path, split):
    text = refused(ParameterError, NpzSource, save(tmp_path / "d.npz", x=X, y=[0] * 4, split=split))
    assert text == f"{tmp_path / 'd.npz'}: split must hold train, val or test for each of 4 images"


def test_no_images(tmp_path):
    path = save(tmp_path / "d.npz", x=X[:0], y=np.zeros(0, int))
    assert refused(ParameterError, NpzSource, path).startswith("no images in d")


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


def claims(shape):
    """An npy header without the data."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue()


def test_what_is_no_npz_is_refused(tmp_path):
    path = tmp_path / "d.npz"
    good = save(path, x=X, y=[0] * 4).read_bytes()
    np.savez_compressed(path, x=X, y=[0] * 4)
    packed = bytearray(path.read_bytes())
    packed[200:260] = bytes(60)
    file = io.BytesIO()
    np.save(file, X)
    huge = io.BytesIO()
    with zipfile.ZipFile(huge, "w") as archive:
        archive.writestr("x.npy", claims((10**7, 10**5, 3)))
        archive.writestr("y.npy", claims((10**7,)))
    for data in (b"", b"text", good[: len(good) // 2], bytes(packed), file.getvalue(), huge.getvalue()):
        path.write_bytes(data)
        text = refused(ParameterError, NpzSource, path)
        assert text.startswith(f"cannot read {path}: ")
        assert text.endswith("; expected an npz of x, y, classes")
    for arrays in ({"x": X}, {"y": [0] * 4}, {"a": X}):
        assert "expected an npz of x, y, classes" in refused(ParameterError, NpzSource, save(path, **arrays))
    assert "No such file" in refused(ParameterError, NpzSource, tmp_path / "none.npz")


def test_pickled_objects_are_refused_and_never_loaded(tmp_path):
    bomb = np.array([Bomb()], object)
    for arrays in ({"x": bomb, "y": [0]}, {"x": X[:1], "y": [0], "classes": bomb}):
        text = refused(ParameterError, NpzSource, save(tmp_path / "d.npz", **arrays))
        assert "allow_pickle" in text


@pytest.mark.parametrize("array", [np.zeros((2, 2, 2), np.uint8), np.zeros((2, 2)), np.zeros(4, np.uint8)])
def test_other_arrays_are_no_images(array):
    text = refused(ParameterError, image_pixels, array, 3)
    assert text.startswith("images in arrays must be uint8 (H, W), (H, W, 1) or (H, W, 3), got ")
