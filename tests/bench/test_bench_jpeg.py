"""The JPEG measurement: which settings, and what the numbers mean."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blindsight.bench.jpeg import JpegRow, load_photographs, measure, settings
from blindsight.bench.jpeg_page import jpeg_page
from blindsight.errors import ParameterError, UnknownNameError
from blindsight.images import check_codec, encode_image
from blindsight.owner.ciphers import create_cipher, list_ciphers
from blindsight.profile import Codec

SOME = (90, 50)


@pytest.fixture(scope="module")
def rows() -> list[JpegRow]:
    """A smooth picture in every setting of EtC and SHF."""
    y, x = np.mgrid[0:64, 0:96]
    picture = np.stack([x * 2, y * 3, 128 + 60 * np.sin(x / 9 + y / 7)], axis=-1).astype(np.uint8)
    chosen = list(settings(["etc", "shf"], blocks=(8, 16), qualities=SOME, allow_lossy=True))
    return measure("waves", [picture, picture[::-1].copy()], chosen)


def find(rows: list[JpegRow], *key: object) -> JpegRow:
    return next(row for row in rows if (row.scheme, row.block, row.quality, row.subsampling) == key)


def test_the_rules_of_protect_choose_the_settings() -> None:
    every = list(settings(allow_lossy=True))
    allowed = list(settings())
    assert [s for s in every if s.allowed] == allowed
    assert {s.scheme for s in every} == {None, *list_ciphers()}
    for setting in every[15:]:
        assert setting.scheme is not None
        assert setting.block is not None
        safe = create_cipher(setting.scheme, setting.block).jpeg_safe
        facts = {"block_size": setting.block, "jpeg_safe": safe, "allow_lossy": False, "channels": 3}
        if setting.allowed:
            check_codec(setting.codec, **facts)
        else:
            with pytest.raises(ParameterError):
                check_codec(setting.codec, **facts)
    jpeg = {(s.block, s.codec.subsampling) for s in allowed if s.scheme == "etc" and not s.codec.lossless}
    assert jpeg == {(8, "4:4:4"), (16, "4:4:4"), (32, "4:4:4"), (16, "4:2:0"), (32, "4:2:0")}
    assert not [s for s in allowed if s.scheme == "shf" and not s.codec.lossless]


def test_plain_is_the_measure(rows: list[JpegRow]) -> None:
    plain = [row for row in rows if row.scheme is None]
    assert len(plain) == 1 + 2 * len(SOME)
    assert all(row.ratio == row.ratio_low == row.ratio_high == 1 for row in plain)
    y, x = np.mgrid[0:64, 0:96]
    picture = np.stack([x * 2, y * 3, 128 + 60 * np.sin(x / 9 + y / 7)], axis=-1).astype(np.uint8)
    codec = Codec(format="jpeg", quality=90, subsampling="4:4:4")
    size = len(encode_image(picture, codec)) + len(encode_image(picture[::-1].copy(), codec))
    assert find(rows, None, None, 90, "4:4:4").bits_per_pixel == pytest.approx(8 * size / (2 * 64 * 96), abs=1e-4)


def test_png_comes_back_exactly(rows: list[JpegRow]) -> None:
    assert all(row.psnr is None for row in rows if row.quality is None)
    assert all(row.psnr is not None for row in rows if row.quality is not None)


def test_blocks_that_stay_whole_compress_and_others_do_not(rows: list[JpegRow]) -> None:
    """The laws behind the rules: EtC costs little in size and quality, SHF much in both."""
    for quality in SOME:
        plain = find(rows, None, None, quality, "4:4:4")
        etc = find(rows, "etc", 16, quality, "4:4:4")
        shf = find(rows, "shf", 16, quality, "4:4:4")
        assert plain.psnr is not None
        assert etc.psnr is not None
        assert shf.psnr is not None
        assert etc.ratio < 1.6 < 3 < shf.ratio
        assert abs(etc.psnr - plain.psnr) < 1.5
        assert shf.psnr < plain.psnr - 5
        assert etc.ratio_low <= etc.ratio <= etc.ratio_high


def test_the_page_marks_what_is_refused(rows: list[JpegRow]) -> None:
    text = jpeg_page([("waves", 2, rows)], "the command", "f.png")
    etc = find(rows, "etc", 16, 90, "4:4:4")
    shf = find(rows, "shf", 16, 90, "4:4:4")
    assert f"| {etc.bits_per_pixel:.2f} ({etc.ratio:.2f}) |" in text
    assert f"| *{shf.bits_per_pixel:.2f} ({shf.ratio:.2f})* |" in text
    assert "## waves: 2 photographs" in text
    assert "    the command" in text


def test_a_figure_can_be_drawn(rows: list[JpegRow], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from blindsight.bench.figures import save_figure
    from blindsight.bench.jpeg_page import jpeg_figure

    save_figure(jpeg_figure(rows), tmp_path / "a.png")
    assert Image.open(tmp_path / "a.png").size[0] > 800


def test_photographs_are_cut_in_the_middle_to_whole_blocks(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 70, 3), np.uint8)
    for name in "abc":
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    Image.fromarray(pixels[:20]).save(tmp_path / "small.png")
    name, found = load_photographs(str(tmp_path), 10, 32)
    assert name == tmp_path.name
    assert len(found) == 3
    assert np.array_equal(found[0], pixels[4:36, 3:67])
    assert len(load_photographs(str(tmp_path), 2, 4)[1]) == 2


def test_scikit_learns_two_photographs() -> None:
    pytest.importorskip("sklearn")
    name, found = load_photographs("scikit-learn", 1, 32)
    assert name == "scikit-learn's photographs"
    assert [photo.shape for photo in found] == [(416, 640, 3)] * 2


def test_what_cannot_be_measured_is_said(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="is no folder of photographs"):
        load_photographs(str(tmp_path), 1, 8)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(ParameterError, match="has 32 pixels a side"):
        load_photographs(str(tmp_path), 1, 32)
    with pytest.raises(UnknownNameError, match="unknown scheme 'etcc'; did you mean etc"):
        list(settings(["etcc"]))
    with pytest.raises(ParameterError, match="quality is 1 to 100, got 0"):
        list(settings(qualities=(0,)))
