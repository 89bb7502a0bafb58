"""Plain images drawn for a comparison: parts that share nothing, small sets, equal classes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blindsight.audit.plain_images import read_plain
from blindsight.errors import ParameterError
from blindsight.owner.sources import Source, open_source


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Source:
    """Four classes of 3, 6, 7 and 8 images of one colour each, all different."""
    root = tmp_path_factory.mktemp("plain")
    for label, count in (("ant", 3), ("bee", 6), ("cat", 7), ("dog", 8)):
        (root / label).mkdir()
        for k in range(count):
            Image.new("RGB", (8, 8), (10 * ord(label[0]) % 256, 30 * k, 7)).save(root / label / f"{k}.png")
    return open_source(root)


def names(images: np.ndarray | None) -> set[bytes]:
    return set() if images is None else {image.tobytes() for image in images}


def test_what_is_protected_public_and_a_decoy_are_different_images(source: Source) -> None:
    plain = read_plain(source, 8, 5, block=4, decoys=6)
    parts = [names(plain.images), names(plain.public), names(plain.decoys)]
    assert [len(part) for part in parts] == [8, 5, 6]
    assert len(set.union(*parts)) == 19
    assert plain.labels is not None
    assert plain.public_labels is not None
    colours = {0: 970 % 256, 1: 980 % 256, 2: 990 % 256, 3: 1000 % 256}
    for images, labels in ((plain.images, plain.labels), (plain.public, plain.public_labels)):
        assert images is not None
        assert [image[0, 0, 0] for image in images] == [colours[label] for label in labels]
    # Asking for decoys changes nothing of the rest.
    assert np.array_equal(plain.images, read_plain(source, 8, 5, block=4).images)
    assert not np.array_equal(plain.images, read_plain(source, 8, 5, block=4, seed=1).images)


def test_a_small_set_keeps_a_quarter_for_each(source: Source) -> None:
    plain = read_plain(source, 100, 100, block=4, decoys=100)
    assert [len(names(x)) for x in (plain.images, plain.public, plain.decoys)] == [12, 6, 6]
    alone = read_plain(source, 100, 0, block=4)
    assert (len(alone.images), alone.public, alone.decoys) == (24, None, None)


@pytest.mark.parametrize(
    ("count", "least", "classes", "each"), [(12, 4, 3, 4), (12, 6, 2, 6), (9, 8, 1, 8), (8, 1, 4, 2)]
)
def test_classes_are_equally_large_where_mixing_asks_for_it(
    source: Source, count: int, least: int, classes: int, each: int
) -> None:
    plain = read_plain(source, count, 4, block=4, decoys=2, per_class=least)
    assert plain.labels is not None
    assert sorted(np.unique(plain.labels, return_counts=True)[1]) == [each] * classes
    parts = [names(plain.images), names(plain.public), names(plain.decoys)]
    assert len(set.union(*parts)) == sum(map(len, parts)) == classes * each + 4 + 2


def test_too_few_of_a_class_and_other_sizes_are_said(source: Source, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"mixing needs 9 images of a class, .*the largest of 8"):
        read_plain(source, 12, 4, block=4, per_class=9)
    with pytest.raises(ParameterError, match=r"of .* 6 images of 4 classes"):
        read_plain(source, 6, 4, block=4, per_class=7)
    assert read_plain(source, 100, 100, block=4, size=(8, 12)).images.shape == (18, 8, 12, 3)
    Image.new("RGB", (24, 16)).save(tmp_path / "wide.png")
    Image.new("RGB", (16, 16)).save(tmp_path / "square.png")
    with pytest.raises(ParameterError, match="several sizes; give one for all with --size"):
        read_plain(open_source(tmp_path), 2, 0, block=8)
