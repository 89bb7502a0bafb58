"""``blindsight mix-report``."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blindsight.cli._common import AsJson, print_json, progress_bar
from blindsight.cli._data import DataRoot
from blindsight.errors import MissingDependencyError

if TYPE_CHECKING:
    from blindsight.audit.mixing_results import MixingReport

__all__ = ["mix_report"]

PACKAGES = {"skimage": "scikit-image", "imagehash": "ImageHash", "matplotlib": "matplotlib", "jinja2": "jinja2"}


def mix_report(
    faces: Annotated[
        str,
        typer.Argument(
            help="What was mixed: folder, CSV or npz, or the name of a torchvision set.", show_default=False
        ),
    ],
    mixed: Annotated[Path, typer.Argument(help="The folder that mix wrote.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder of the report, outside MIXED: it shows originals. \\[default: MIXED.owner/report]"
        ),
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", help="Key file, only where mix was given one, or - for standard input.")
    ] = None,
    index: Annotated[
        Path | None, typer.Option("--index", help="The index that mix wrote. \\[default: MIXED.owner]")
    ] = None,
    sample: Annotated[int, typer.Option(min=1, help="Published images to measure, chosen at random.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Of the choice: the same seed measures the same images.")] = 0,
    no_timing: Annotated[bool, typer.Option("--no-timing", help="Leave out how fast mixing is.")] = False,
    data_root: DataRoot = None,
    as_json: AsJson = False,
) -> None:
    """Measure what a mixed set still shows of the originals, before it is handed over.

    Writes report.html, a page with pictures, a verdict and advice, and report.json with all numbers: likeness to the
    originals and to chance, for several block sizes; originals found again by simple attacks; speed. Both are for you
    alone.

    Example: blindsight mix-report FACES MIXED --sample 100
    """
    for module, package in PACKAGES.items():
        if find_spec(module) is None:
            raise MissingDependencyError.of(package, "audit", "mix-report")
    from blindsight.audit.mixing_report import mixing_report
    from blindsight.owner.keys import load_keyset
    from blindsight.owner.sources import open_source

    secret = None if key is None else load_keyset(key).primary
    source = open_source(faces, root=data_root)
    with _progress(timing=not no_timing) as progress:
        report = mixing_report(
            source,
            mixed,
            out,
            index=index,
            key=secret,
            sample=sample,
            seed=seed,
            timing=not no_timing,
            progress=progress,
        )
    if as_json:
        print_json({"page": str(report.page), "data": str(report.data), **report.as_json()})
    else:
        _print_report(report)


@contextmanager
def _progress(*, timing: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar; where stderr is no terminal, a line at the start and at every tenth, so that a log shows it going on."""
    if sys.stderr.isatty():
        with progress_bar("measuring") as update:
            yield update
        return
    shown = -1

    def line(done: int, total: int) -> None:
        nonlocal shown
        tenths = 10 * done // total
        if done == 0:
            typer.echo(f"measuring: {total} steps, two for each image at each block size", err=True)
        elif tenths > shown:
            last = ", then how fast mixing is" if timing and done == total else ""
            typer.echo(f"measuring: {100 * done // total} %{last}", err=True)
        shown = max(shown, tenths)

    yield line


def _print_report(report: "MixingReport") -> None:
    verdict = report.verdict
    typer.echo(verdict.headline)
    for line in (*verdict.findings, *verdict.warnings):
        typer.echo(f"  {line}")
    if report.speed:
        own = report.speed[0]
        typer.echo(
            f"  Mixing: {own.mixed:.0f} images/s on one thread with each image decoded once, {own.cold:.0f} from an "
            f"empty cache, against {own.plain:.0f} without mixing."
        )
    typer.echo(f"page: {report.page}  (shows originals: yours, do not hand it over)")
    typer.echo(f"numbers: {report.data}")
