"""Files that must be refused: with one line that names them, at once, in little memory."""

import csv
import io
import os
import struct
import subprocess
import sys
import time
import zlib
from contextlib import suppress

import numpy as np
import PIL
import pytest
from PIL import Image

from blindsight.errors import ImageError
from blindsight.images import DEFAULT_MAX_PIXELS, _decoding, read_image, read_protected


def saved(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(width, height, body=b"", bits=8, colour=2):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


NOISE = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
JPEG, PNG = saved(Image.fromarray(NOISE), "JPEG"), saved(Image.fromarray(NOISE))
BAD = {
    "empty": (b"", "is empty; copy it again"),
    "one byte": (b"\xff", "not an image of a known format, expected JPEG or PNG"),
    "text": (b"not an image\n", "not an image of a known format"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image of a known format"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not an image of a known format"),
    "icon": (saved(Image.fromarray(NOISE), "ICO"), "not an image of a known format"),
    "cut jpeg": (JPEG[: len(JPEG) // 2], "is cut off; copy it again"),
    "cut jpeg header": (JPEG[:100], "is cut off|is damaged"),
    "cut png": (PNG[: len(PNG) // 2], "is cut off"),
    "png checksum": (PNG[:20] + b"\1" + PNG[21:], "is damaged or of an unusual kind"),
    "too few png rows": (png(64, 64, b"\0" * 100), "is cut off|is damaged"),
    "cut bmp": (saved(Image.fromarray(NOISE), "BMP")[:-50], "is cut off"),
    "cut gif": (saved(Image.fromarray(NOISE), "GIF")[:30], "is cut off|is damaged"),
    "cut tiff": (saved(Image.fromarray(NOISE), "TIFF")[:60], "is cut off|is damaged"),
    "cut webp": (saved(Image.fromarray(NOISE), "WEBP")[:80], "is damaged"),
    "cut ppm": (saved(Image.fromarray(NOISE), "PPM")[:-9], "is cut off|is damaged"),
    "ppm of words": (b"P3\n2 2\n255\nmany small words", "is damaged"),
    "jpeg bomb": (JPEG.replace(struct.pack(">HH", 40, 56), struct.pack(">HH", 65_000, 65_000)), "4,225,000,000 pixels"),
    "png bomb": (png(30_000, 30_000), "900,000,000 pixels, more than the limit of 100,000,000; scale it down"),
    "bmp bomb": (b"BM" + struct.pack("<IIIIiiHHIIIIII", 54, 0, 54, 40, 50_000, 50_000, 1, 24, 0, 0, 0, 0, 0, 0), "pix"),
    "gif bomb": (b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0, 0, 0) + b"," + b"\0" * 40, "pixels"),
    "gif frame bomb": (
        b"GIF89a\1\0\1\0\0\0\0," + struct.pack("<HHHHBB", 0, 0, 65_535, 65_535, 0, 2) + b"\0\0;",
        "pixels",
    ),
    "one long line": (png(66_000, 1), "no side may exceed 65500 pixels"),
    "no pixels": (
        b"BM" + struct.pack("<IIIIiiHHIIIIII", 54, 0, 54, 40, 0, 5, 1, 24, 0, 0, 0, 0, 0, 0),
        "no pixels|damaged",
    ),
}


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about damaged TIFF and EXIF
@pytest.mark.parametrize("reader", [read_image, read_protected])
@pytest.mark.parametrize("case", BAD)
def test_bad_bytes(tmp_path, case, reader):
    data, message = BAD[case]
    path = tmp_path / "holiday.jpg"
    path.write_bytes(data)
    if reader is read_protected:
        message = "holiday.jpg"  # fewer formats; the same wording else
    with pytest.raises(ImageError, match=message) as caught:
        reader(path, channels=3)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    assert " at 0x" not in text  # no address of an object
    assert ";" in text  # what to do follows


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about damaged TIFF and EXIF
@pytest.mark.parametrize(
    "data", [JPEG, PNG, saved(Image.fromarray(NOISE), "GIF"), saved(Image.fromarray(NOISE), "TIFF")]
)
def test_flipped_bytes_never_escape_as_another_error(data):
    rng = np.random.default_rng(5)
    for _ in range(150):
        damaged = bytearray(data)
        for position in rng.integers(0, len(data), 6):
            damaged[position] = rng.integers(256)
        with suppress(ImageError):
            assert read_image(bytes(damaged)).dtype == np.uint8


@pytest.mark.parametrize("missing", [1, 8])
def test_a_protected_png_needs_its_end(missing):
    assert np.array_equal(read_image(PNG[:-missing]), NOISE)  # all pixels are there
    with pytest.raises(ImageError, match="is cut off"):
        read_protected(PNG[:-missing], channels=3)


def test_a_jpeg_of_endless_scans_is_not_decoded():
    progressive = saved(Image.fromarray(NOISE), "JPEG", progressive=True)
    last = progressive[progressive.rindex(b"\xff\xda") : -2]
    comment = b"\xff\xfe\x00\x04\xff\xd9"  # looks like an end, and is none
    assert read_image(progressive[:-2] + last * 10 + b"\xff\xd9").shape == NOISE.shape
    with pytest.raises(ImageError, match="more than 50 scans, as an attack would"):
        read_image(progressive[:-2] + comment + last * 60 + b"\xff\xd9")


def test_a_film_after_a_jpeg_is_not_taken_for_scans():
    assert np.array_equal(read_image(JPEG + b"\xff\xda film" * 200), read_image(JPEG))


def test_contradictory_jpeg_headers_are_not_decoded(monkeypatch):
    monkeypatch.setattr(_decoding.simplejpeg, "decode_jpeg_header", lambda _: (60_000, 60_000, "YCbCr", "420"))
    with pytest.raises(ImageError):
        read_protected(JPEG, channels=3)


def test_out_of_memory_is_an_image_error(monkeypatch):
    def exhausted(*_, **__):
        raise MemoryError

    monkeypatch.setattr(_decoding, "simplejpeg", None)
    monkeypatch.setattr(Image.Image, "convert", exhausted)
    with pytest.raises(ImageError, match="does not fit into memory; scale it down first"):
        read_image(JPEG)


def test_files_larger_than_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(_decoding, "MAX_FILE_BYTES", 1000)
    (tmp_path / "a.jpg").write_bytes(JPEG)
    for source in (tmp_path / "a.jpg", JPEG):
        with pytest.raises(ImageError, match="bytes, more than the limit of 1,000; store it smaller"):
            read_image(source)


def test_a_sparse_file_of_a_terabyte_is_not_read(tmp_path):
    with (tmp_path / "sparse.jpg").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ImageError, match="1,099,511,627,776 bytes, more than the limit"):
        read_image(tmp_path / "sparse.jpg")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_what_is_no_regular_file_never_hangs(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "nothing")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    (tmp_path / "device.jpg").symlink_to("/dev/zero")
    for name in ("pipe.jpg", "folder.jpg", "device.jpg"):
        with pytest.raises(ImageError, match=f"{name} is not a regular file"):
            read_image(tmp_path / name)
    for name in ("dangling.jpg", "missing.jpg"):
        with pytest.raises(ImageError, match=f"{name} does not exist"):
            read_image(tmp_path / name)
    with pytest.raises(ImageError, match=r"loop\.jpg cannot be read"):
        read_image(tmp_path / "loop.jpg")
    with pytest.raises(ImageError, match="impossible path"):
        read_image(tmp_path / "nul\0.jpg")


def test_a_file_without_permission(tmp_path, monkeypatch):
    def refuse(_):
        raise PermissionError(13, "Permission denied")  # root, as whom tests may run, is refused nothing

    (tmp_path / "closed.jpg").write_bytes(JPEG)
    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(ImageError, match=r"closed\.jpg cannot be read \(Permission denied\); check the path"):
        read_image(tmp_path / "closed.jpg")


def test_names_cannot_draw_on_the_terminal(tmp_path):
    with pytest.raises(ImageError, match=r"^a\\nb\\x1b\[2Jc\\udcff does|^a\\nb\\x1b\[2Jc\\udcff is empty") as caught:
        read_image(b"", name="a\nb\x1b[2Jc\udcff")
    assert "\x1b" not in str(caught.value)
    with pytest.raises(ImageError, match=r"two\\nlines\.jpg"):
        read_image(tmp_path / "two\nlines.jpg")


PROBE = """
import resource, sys, time
from pathlib import Path
from blindsight.errors import ImageError
from blindsight.images import read_image
resource.setrlimit(resource.RLIMIT_AS, (2**30 + 2**29, 2**30 + 2**29))
for line in sys.stdin:
    start = time.process_time()
    try:
        result = "x".join(map(str, read_image(Path(line.rstrip("\\n"))).shape))
    except ImageError as error:
        result = "refused: " + str(error)
    seconds = time.process_time() - start
    # Not ru_maxrss: a process inherits that from the one that started it.
    kilobytes = next(w.split()[1] for w in Path("/proc/self/status").read_text().splitlines() if w.startswith("VmHWM"))
    print(Path(line.rstrip("\\n")).name, f"{seconds:.2f}", kilobytes, result, sep="\\t")
"""


def probe(paths):
    """Reads each file in a process held to 1.5 GiB of address space: name -> (CPU seconds, peak kB so far, result)."""
    names = "".join(f"{path}\n" for path in paths)
    ran = subprocess.run([sys.executable, "-c", PROBE], input=names, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    rows = [line.split("\t") for line in ran.stdout.splitlines()]
    return {name: (float(seconds), int(peak), result) for name, seconds, peak, result in rows}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="address space limits and units of memory are Linux's")
def test_bombs_cost_neither_time_nor_memory(tmp_path):
    for case, (data, _) in BAD.items():
        (tmp_path / case.replace(" ", "-")).write_bytes(data)
    results = probe(sorted(tmp_path.iterdir()))
    assert len(results) == len(BAD)
    assert all(result.startswith("refused") and seconds < 2 for seconds, _, result in results.values())
    assert max(peak for _, peak, _ in results.values()) < 300_000


@pytest.mark.shared
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="address space limits and units of memory are Linux's")
def test_a_collection_of_odd_files(shared_data):
    """What Pillow converts is read, unless it is over our limit; everything else is refused."""
    with (shared_data / "bad_manifest.csv").open(newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    start = time.monotonic()
    results = probe(shared_data / "bad" / name for name in rows)
    assert time.monotonic() - start < 60
    assert len(results) == len(rows)
    for name, row in rows.items():
        seconds, peak, result = results[name]
        too_large = row["width"] and int(row["width"]) * int(row["height"]) > DEFAULT_MAX_PIXELS
        if PIL.__version__.startswith("13."):  # which the manifest was made with; others judge damaged files otherwise
            assert (not result.startswith("refused")) == (row["pillow_convert_rgb"] == "ok" and not too_large), result
        assert seconds < 3
        assert peak < 300_000
    assert results["hopper_orientation_6.jpg"][2] == "128x128x3"


@pytest.mark.shared
def test_photographs(shared_data):
    with (shared_data / "photos_manifest.csv").open(newline="") as file:
        names = [row["file"] for row in csv.DictReader(file)]
    for name in names:
        path = shared_data / "photos" / name
        with Image.open(path) as image:
            turned = image.getexif().get(0x0112, 1) > 4
            expected = image.size if turned else image.size[::-1]
        assert read_image(path).shape == (*expected, 3)
