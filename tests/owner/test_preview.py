import numpy as np
import pytest

from blindsight.errors import ParameterError, UnknownNameError
from blindsight.owner.ciphers import create_cipher, list_ciphers
from blindsight.owner.preview import CAPTION, MARGIN, PANEL, preview
from protect_helpers import KEY, OTHER, picture, refused


def test_a_panel_for_the_plain_image_and_one_a_scheme_in_rows_of_three():
    panels = 1 + len(list_ciphers())
    rows = -(-panels // 3)
    sheet = preview(picture(48, 48), KEY)
    assert sheet.dtype == np.uint8
    assert sheet.shape == (MARGIN + rows * (PANEL + CAPTION + MARGIN), MARGIN + 3 * (PANEL + MARGIN), 3)


def panels(sheet, count, high=PANEL, wide=PANEL):
    """The pictures on a sheet."""
    top = MARGIN + CAPTION - 4
    return [
        sheet[top + i // 3 * (high + CAPTION + MARGIN) :, MARGIN + i % 3 * (wide + MARGIN) :][:high, :wide]
        for i in range(count)
    ]


def test_each_panel_shows_what_its_scheme_makes():
    plain = picture(36, 36)
    shown = panels(preview(plain, KEY, block_size=12, schemes=["etc", "shf"]), 3)
    for panel, pixels in zip(
        shown, [plain, *(create_cipher(n, 12).compile(KEY, 36, 36).apply(plain) for n in ("etc", "shf"))], strict=True
    ):
        assert np.array_equal(panel[::10, ::10], pixels)  # enlarged tenfold, by nearest neighbour


def test_each_scheme_has_its_own_blocks_unless_told_otherwise():
    plain = picture(32, 32)
    shown = panels(preview(plain, KEY, schemes=["etc", "le"]), 3)
    for name, block, panel in (("etc", 16, shown[1]), ("le", 4, shown[2])):
        pixels = create_cipher(name, block).compile(KEY, 32, 32).apply(plain)
        step = np.arange(32) * PANEL // 32 + PANEL // 64
        assert np.array_equal(panel[np.ix_(step, step)], pixels)


def test_another_key_gives_another_picture():
    assert not np.array_equal(preview(picture(48, 48), KEY), preview(picture(48, 48), OTHER))
    assert np.array_equal(preview(picture(48, 48), KEY), preview(picture(48, 48), KEY))


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 300, 3), (33, 20, 1), (2000, 1500, 3), (3000, 1, 3)])
def test_every_size_can_be_shown(shape):
    sheet = preview(np.full(shape, 200, np.uint8), KEY, schemes=["etc"])
    assert sheet.shape[2] == 3
    assert max(sheet.shape) < 3 * PANEL


def test_what_cannot_be_shown_is_refused():
    text = refused(UnknownNameError, preview, picture(8, 8), KEY, schemes=["ect"])
    assert text == "unknown scheme 'ect'; did you mean etc?"
    text = refused(ParameterError, preview, picture(8, 8), KEY, block_size=100_000)
    assert text == f"block size 100000 is larger than a preview; choose at most {4 * PANEL}"
    assert "block size is 0" in refused(ParameterError, preview, picture(8, 8), KEY, block_size=0)
