import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from blindsight.owner.keys import SecretKey
from blindsight.owner.views import augmented_view
from protect_helpers import KEY, OTHER, picture

sides = st.integers(1, 60)


@settings(deadline=None)
@given(sides, sides, st.sampled_from([1, 3]), sides, sides, st.text(st.characters(codec="utf-8"), max_size=5))
def test_a_view_has_the_size_asked_for_and_is_always_the_same(height, width, channels, out_h, out_w, identifier):
    image = np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)
    before = image.copy()
    view = augmented_view(image, (out_h, out_w), KEY, identifier)
    assert view.shape == (out_h, out_w, channels)
    assert view.dtype == np.uint8
    assert view.flags.c_contiguous
    assert np.array_equal(view, augmented_view(image, (out_h, out_w), SecretKey(bytes(range(32))), identifier))
    assert np.array_equal(image, before)


@pytest.fixture
def boxes(monkeypatch):
    """The parts of the image that views are made of."""
    seen = []
    resize = Image.Image.resize

    def watched(self, size, *arguments, box):
        seen.append((box, self.size))
        return resize(self, size, *arguments, box=box)

    monkeypatch.setattr(Image.Image, "resize", watched)
    return seen


@pytest.mark.parametrize(("height", "width"), [(40, 40), (30, 60), (64, 48), (5, 4), (1, 1), (2, 90)])
def test_crops_lie_within_the_image_and_are_of_the_sizes_stated(boxes, height, width):
    image = np.zeros((height, width, 3), np.uint8)
    for i in range(200):
        augmented_view(image, (8, 8), KEY, str(i))
    areas, ratios = [], []
    for (left, top, right, bottom), (w, h) in boxes:
        assert 0 <= left < right <= w == width
        assert 0 <= top < bottom <= h == height
        if (right - left, bottom - top) == (w, h):
            continue
        areas.append((right - left) * (bottom - top) / (w * h))
        ratios.append((right - left) / (bottom - top))
    if min(height, width) >= 30:
        assert 0.22 < min(areas) < 0.4 < 0.6 < max(areas) <= 1
        assert 0.7 < min(ratios) < 0.9 < 1.1 < max(ratios) < 1.4
        assert len(set(boxes)) > 150


def test_no_crop_of_the_wanted_shape_fits_into_a_strip_so_it_is_taken_whole(boxes):
    augmented_view(np.zeros((2, 90, 3), np.uint8), (8, 8), KEY, "x")
    assert boxes == [((0, 0, 90, 2), (90, 2))]


def test_half_of_the_views_are_flipped():
    image = np.zeros((32, 32, 1), np.uint8)
    image[:, :, 0] = np.arange(32) * 8  # brighter to the right, unless flipped
    flipped = 0
    for i in range(300):
        view = augmented_view(image, (32, 32), KEY, str(i)).astype(int)
        flipped += view[0, 0, 0] > view[0, -1, 0]
    assert 110 < flipped < 190


def test_views_differ_by_id_and_by_key():
    image = picture(40, 40)
    views = [augmented_view(image, (16, 16), key, name).tobytes() for key in (KEY, OTHER) for name in ("a", "b")]
    assert len(set(views)) == 4
