"""A page of a report as a browser takes it apart."""

import re
from html.parser import HTMLParser


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


def parsed(text):
    parser = Parser()
    parser.feed(text)
    assert parser.open == []
    return parser


def stands_alone(text):
    """The page parsed; it asks nobody for anything and holds no template code."""
    parser = parsed(text)
    assert all(re.match(r"data:image/(png|jpeg|svg\+xml);base64,", link) for link in parser.links)
    assert all(parser.alternatives)
    assert not re.search(r"\{\{|\{%|https?://|<script|@import|url\(", re.sub(r"base64,[A-Za-z0-9+/=]+", "", text))
    return parser
