"""The page: whole, self-contained, honest."""

import re
from dataclasses import replace

import pytest

from blindsight.audit import _page
from blindsight.audit._figures import _speed_top
from blindsight.audit.mixing_report import mixing_report
from blindsight.audit.mixing_speed import Speed
from page_helpers import parsed, stands_alone


@pytest.fixture
def page_of(mixed_of):
    def page(timing=False, **options):
        return mixing_report(*mixed_of(**options), sample=4, timing=timing).page.read_text(encoding="utf-8")

    return page


def test_it_is_whole_and_asks_nobody_for_anything(page_of):
    text = page_of(timing=True)
    parser = stands_alone(text)
    # Three examples: the target, three donors, four settings each; then three figures.
    assert len(parser.links) == 3 * (1 + 3 + 4) + 3


def test_the_same_report_is_the_same_page_to_the_byte(mixed_of, tmp_path):
    pair = mixed_of()
    first, again = (mixing_report(*pair, tmp_path / name, sample=2, timing=False).page for name in ("a", "b"))
    assert first.read_bytes() == again.read_bytes()


def test_it_says_what_the_numbers_are_worth(page_of):
    text = " ".join(page_of().split())
    for words in (
        "For the owner of the images only.",
        "This is a floor, not a ceiling",
        "It is not a security level: every published pixel is a true pixel at its true place",
        "Treat the mixed set as personal data",
        "not cryptography",
        "What to do",
    ):
        assert words in text
    assert "What it costs" not in text  # it was not timed
    for words in (
        "holds all 16 originals",
        "<h3>Mixed</h3>",
        "among its own donors</dt><dd>no</dd>",
        "its own original",
    ):
        assert words in text
    assert "do not start at zero" in text
    assert "somewhere in the set" in text
    assert not re.search(r"\btarget|\d×\d", re.sub(r"base64,[A-Za-z0-9+/=]+", "", text))


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0.0 %"),
        (1, "100.0 %"),
        (0.0004, "< 0.1 %"),
        (0.9996, "> 99.9 %"),
        (0.99917, "99.9 %"),
        (0.484, "48.4 %"),
    ],
)
def test_tiles_have_one_decimal_and_are_never_rounded_to_none_or_all(share, text):
    assert _page._tile(share).replace("\u00a0", " ") == text


def test_a_speed_above_that_of_no_mixing_is_called_noise():
    assert _page._pace(1.02) == "as fast, within noise"
    assert _page._pace(0.934) == "93.4\u00a0%"


def test_the_speeds_are_told_warm_and_cold_in_the_order_of_blocks_and_donors(page_of):
    text = page_of(timing=True)
    assert text.count(", from an empty cache</span>") == 1
    assert text.count(", each image decoded once</span>") == 1
    table = text.partition("What it costs")[2]
    rows = re.findall(r"\((\d+) blocks\)</td>\s*<td>(\d+)</td>", table)
    assert len(rows) == 7
    assert rows == sorted(rows, key=lambda row: (int(row[0]), int(row[1])))


def test_no_point_of_the_speeds_is_cut_off():
    row = Speed(block=(8, 8), blocks=8, sources=3, own=True, plain=100, mixed=90, cold=50)
    other = replace(row, block=(4, 4), blocks=32, own=False, mixed=400)
    assert _speed_top([row, other]) > 400


@pytest.mark.parametrize("method", ["mixup", "cutmix", "instahide"])
def test_methods_without_blocks_have_no_bound_and_one_picture(page_of, method):
    text = page_of(method=method, timing=True)
    parser = parsed(text)
    donors = 3 if method == "instahide" else 1
    assert len(parser.links) == 3 * (1 + donors + 1) + 1
    assert "security level" not in text
    assert "What it costs" in text
