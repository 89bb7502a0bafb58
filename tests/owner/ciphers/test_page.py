"""The examples of docs/ciphers.md print what the page says."""

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from blindsight.owner.ciphers import list_ciphers, registry

PAGE = Path(__file__).parents[3] / "docs" / "ciphers.md"


@pytest.fixture(autouse=True)
def _registry_as_before(monkeypatch):
    list_ciphers()
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))


def test_the_examples_print_what_the_page_says():
    examples = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == 6
    names = {"__name__": "page"}
    for code, expected in examples:
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(compile(code, str(PAGE), "exec"), names)
        assert printed.getvalue() == expected


def test_every_scheme_is_on_the_page():
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in page for name in list_ciphers())
