import pickle
import sys

import numpy as np
import pytest
from PIL import Image

from blindsight.errors import ImageError, MissingDependencyError, ParameterError
from blindsight.owner.protect import ProtectOptions, protect
from blindsight.owner.reveal import reveal
from blindsight.owner.sources import TorchvisionSource, list_torchvision, open_source
from protect_helpers import KEY, pixels_of, refused

datasets = pytest.importorskip("torchvision.datasets")
PIXELS = np.random.default_rng(0).integers(0, 256, (12, 3, 32, 32), np.uint8)


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """CIFAR-10 as its authors publish it, two images a batch."""
    folder = tmp_path / "root" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    for i, name in enumerate([f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]):
        batch = {"data": PIXELS[2 * i : 2 * i + 2].reshape(2, -1), "labels": [i, 9 - i]}
        (folder / name).write_bytes(pickle.dumps(batch))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))
    # Its checksums are those of the real one.
    monkeypatch.setattr(datasets.CIFAR10, "_check_integrity", lambda _: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    return tmp_path / "root"


def test_cifar_10_from_the_disk(cifar, tmp_path):
    source = open_source("CIFAR10", root=cifar)
    assert source.label == "cifar10"
    assert len(source.items) == 12
    by_path = {item.path: item for item in source.items}
    first, last = by_path["train/airplane/00000000"], by_path["test/deer/00000001"]
    assert (first.split, first.label) == ("train", "airplane")
    assert (last.split, last.label) == ("test", "deer")
    assert np.array_equal(source.read(first), PIXELS[0].transpose(1, 2, 0))
    assert np.array_equal(source.read(last), PIXELS[11].transpose(1, 2, 0))
    report = protect(source, tmp_path / "out", KEY, ProtectOptions(block_size=4))
    assert (report.images, report.rejects) == (12, [])
    assert report.profile.size == (32, 32)
    reveal(tmp_path / "out", tmp_path / "back", KEY)
    assert np.array_equal(pixels_of(tmp_path / "back/test/deer/00000001.png"), PIXELS[11].transpose(1, 2, 0))


class Fake:
    """A data set in the manner of torchvision's, with whatever attributes it is given."""

    def __init__(self, images, answers, /, **attributes):
        self._images, self._answers = images, answers or [0] * len(images)
        self.__dict__.update(attributes)

    def __len__(self):
        return len(self._images)

    def __getitem__(self, i):
        return self._images[i], self._answers[i]


def fake(monkeypatch, name, make):
    monkeypatch.setattr(datasets, name, lambda _root, **options: make(**options))


IMAGES = [Image.fromarray(np.full((4, 4), 10 * i, np.uint8)) for i in range(3)]


@pytest.mark.parametrize("attribute", ["targets", "labels", "_labels", "y"])
def test_labels_are_found_under_every_name_that_torchvision_gives_them(monkeypatch, tmp_path, attribute):
    def make(train, download):
        assert download is False
        labels = {attribute: [2, 0, 1] if train else [0]}
        return Fake(IMAGES if train else IMAGES[:1], None, **labels, classes=["a", "b/c", ("d", "e")])

    fake(monkeypatch, "MNIST", make)
    source = TorchvisionSource("mnist", tmp_path)
    found = sorted((item.number, item.split, item.label) for item in source.items)
    assert found == [(0, "train", "d-e"), (1, "train", "a"), (2, "train", "b-c"), (3, "test", "a")]
    pixels = source.read(source.items[0])
    assert pixels.shape == (4, 4, 3)
    assert (pixels == np.asarray(IMAGES[source.items[0].number % 3])[:, :, None]).all()
    assert source.fingerprint(source.items[0]) == source.fingerprint(source.items[1])


def test_labels_beside_paths_and_labels_with_the_images(monkeypatch, tmp_path):
    parts = {
        "train": Fake(IMAGES, None, _samples=[("x", 1), ("y", 0), ("z", 1)], classes=["a", "b"]),
        "val": Fake(IMAGES, [0, 0, 1], classes=["a", "b"]),
    }
    fake(monkeypatch, "Imagenette", lambda split, **_: parts[split])
    source = TorchvisionSource("imagenette", tmp_path, download=True)
    labels = {
        split: [i.label for i in sorted(source.items, key=lambda i: i.number) if i.split == split] for split in parts
    }
    assert labels == {"train": ["b", "a", "b"], "val": ["a", "a", "b"]}


def test_a_set_without_splits_and_names(monkeypatch, tmp_path):
    fake(monkeypatch, "Caltech101", lambda **_: Fake(IMAGES, None, y=[0, 2, 1]))
    source = TorchvisionSource("caltech101", tmp_path)
    assert source.classes() == ["0", "1", "2"]
    assert {item.split for item in source.items} == {None}
    fake(monkeypatch, "Caltech101", lambda **_: Fake(IMAGES, None, y=[0, 1, 1], categories=["ant", "bee"]))
    assert TorchvisionSource("caltech101", tmp_path).classes() == ["ant", "bee"]


def test_an_image_that_cannot_be_decoded_is_a_reject(monkeypatch, tmp_path):
    class Broken:
        def convert(self, _):
            raise OSError("image file is truncated")

    fake(monkeypatch, "Caltech101", lambda **_: Fake([IMAGES[0], Broken()], None, y=[0, 0]))
    source = TorchvisionSource("caltech101", tmp_path)
    text = refused(ImageError, source.read, source.items[1])
    assert text == "0/00000001 cannot be read (image file is truncated); remove it and download the set again"
    report = protect(source, tmp_path / "out", KEY, ProtectOptions(block_size=4))
    assert (report.images, [path for path, _ in report.rejects]) == (1, ["0/00000001"])


@pytest.mark.parametrize(
    "error",
    [RuntimeError("Dataset not found.\nYou can use download=True"), OSError("no route"), EOFError(), ValueError("x")],
)
def test_a_set_that_is_not_there_or_damaged_is_said(monkeypatch, tmp_path, error):
    def make(**_):
        raise error

    fake(monkeypatch, "CIFAR10", make)
    text = refused(ParameterError, TorchvisionSource, "cifar10", tmp_path)
    first = str(error).splitlines()[0] if str(error) else "EOFError"
    assert text == f"cifar10 is not under {tmp_path} ({first}); allow --download or give --data-root"


def test_nothing_is_downloaded_unless_asked_for(tmp_path):
    for name in list_torchvision():
        text = refused(ParameterError, open_source, name, root=tmp_path)
        assert text.startswith(f"{name} is not under {tmp_path} (")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_without_torchvision(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    text = refused(MissingDependencyError, TorchvisionSource, "cifar10", tmp_path)
    assert text == (
        "the data set 'cifar10' needs torchvision, which is not installed; run: pip install 'blindsight[provider]'"
    )
