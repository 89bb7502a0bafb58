"""What several commands share: options, parsing of sizes, progress on stderr."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from blindsight.errors import MissingDependencyError, ParameterError

__all__ = [
    "AsJson",
    "KeyOption",
    "Workers",
    "parse_settings",
    "parse_size",
    "print_json",
    "progress_bar",
    "require_provider",
]

KeyOption = Annotated[
    Path | None,
    typer.Option("--key", help="Key file, or - for standard input; default: the file that BLINDSIGHT_KEY_FILE names."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Workers = Annotated[int, typer.Option(min=0, help="Threads; 0 is one a processor. The output never depends on it.")]


def parse_size(text: str | None) -> tuple[int, int] | None:
    """``224`` or ``HEIGHTxWIDTH`` -> (height, width).

    Raises:
        ParameterError: anything else.
    """
    if text is None:
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,5})(?:x([1-9][0-9]{0,5}))?", text.strip().lower())
    if not match:
        raise ParameterError(f"a size is pixels such as 224, or HEIGHTxWIDTH such as 192x256; got {text!r}")
    return int(match[1]), int(match[2] or match[1])


def parse_settings(option: str, settings: list[str] | None, example: str) -> dict[str, bool | int | float | str]:
    """``NAME=VALUE`` with JSON values; other text is a string.

    Raises:
        ParameterError: no name, or no value.
    """
    parameters: dict[str, bool | int | float | str] = {}
    for setting in settings or []:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise ParameterError(f"{option} takes NAME=VALUE, such as {example}; got {setting!r}")
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = value
        parameters[name] = parsed if isinstance(parsed, bool | int | float | str) else value
    return parameters


def print_json(value: dict[str, Any]) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr: done, all, rate, time left. Redirected to a file it stays silent."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    console = Console(stderr=True)
    # Without a terminal rich would still end with an empty line, in the middle of what scripts read as errors.
    silent = not console.is_terminal
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=silent) as bar:
        task = bar.add_task(title, total=None, rate="")

        def update(done: int, total: int) -> None:
            speed = bar.tasks[0].speed
            bar.update(task, completed=done, total=total, rate=f"{speed:.0f} images/s" if speed else "")

        yield update


def require_provider(purpose: str) -> None:
    """Sees that the extra is installed, and prepares for importing torch, which must not have happened yet."""
    for package in ("torch", "torchvision", "timm", "lightning", "safetensors"):
        if find_spec(package) is None:
            raise MissingDependencyError.of(package, "provider", purpose)
    from blindsight.provider.machine import share_processors

    share_processors()
