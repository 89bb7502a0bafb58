"""The page: whole, self-contained, honest."""

import re
from html.parser import HTMLParser

import pytest

from blindsight.audit.mixing_report import mixing_report


class Parser(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.alternatives, self.open = [], [], []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.links += [values[name] for name in ("src", "href") if name in values]
        if tag == "img":
            self.alternatives.append(values.get("alt"))
        elif tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def page_of(mixed_of):
    def page(timing=False, **options):
        return mixing_report(*mixed_of(**options), sample=4, timing=timing).page.read_text(encoding="utf-8")

    return page


def parsed(text):
    parser = Parser()
    parser.feed(text)
    assert parser.open == []
    return parser


def test_it_is_whole_and_asks_nobody_for_anything(page_of):
    text = page_of(timing=True)
    parser = parsed(text)
    assert all(re.match(r"data:image/(png|svg\+xml);base64,", link) for link in parser.links)
    assert all(parser.alternatives)
    assert not re.search(r"\{\{|\{%|https?://", re.sub(r"base64,[A-Za-z0-9+/=]+", "", text))
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


@pytest.mark.parametrize("method", ["mixup", "cutmix", "instahide"])
def test_methods_without_blocks_have_no_bound_and_one_picture(page_of, method):
    text = page_of(method=method, timing=True)
    parser = parsed(text)
    donors = 3 if method == "instahide" else 1
    assert len(parser.links) == 3 * (1 + donors + 1) + 1
    assert "security level" not in text
    assert "What it costs" in text
