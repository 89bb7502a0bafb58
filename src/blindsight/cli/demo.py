"""``blindsight demo``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blindsight.cli._common import AsJson, print_json

if TYPE_CHECKING:
    from blindsight.demo.journey import DemoReport

__all__ = ["demo"]


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for everything; new or empty.")] = Path("blindsight-demo"),
    quick: Annotated[
        bool, typer.Option("--quick", help="A minute instead of a few: fewer digits and epochs, so low accuracies.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """See the whole journey, offline, in a few minutes: key, protect, train, compare.

    Trains a small ViT and a small ConvMixer on scikit-learn's handwritten digits, plain and protected, and measures
    them with the right key and with five wrong ones. Ends with a table and a page of pictures.

    Example: blindsight demo --out demo
    """
    from blindsight.demo.journey import Scale, run_demo
    from blindsight.provider.machine import share_processors
    from blindsight.provider.progress import TrainingProgress

    share_processors()
    scale = Scale.quick() if quick else Scale()
    report = run_demo(
        out, scale, lambda line: typer.echo(line, err=True), lambda _title, epochs: TrainingProgress(epochs)
    )
    if as_json:
        print_json(report.as_json())
    else:
        _print_report(report)


def _print_report(report: "DemoReport") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "model",
        "plain",
        "protected, right key",
        "gap",
        "wrong keys (mean of 5)",
        "time plain / protected",
        title=f"top-1 on {report.test_images} test digits; chance 10 %",
    )
    for row in report.rows:
        table.add_row(
            row.model,
            f"{100 * row.plain:.1f} %",
            f"{100 * row.protected:.1f} %",
            f"{row.gap:.1f} points",
            f"{100 * row.wrong:.1f} %",
            f"{row.plain_seconds:.0f} s / {row.protected_seconds:.0f} s",
        )
    Console().print(table)
    typer.echo(f"pictures: {report.page}")
    typer.echo(f"everything is in {report.folder}; it took {report.seconds:.0f} s")
    typer.echo("The protection is visual obfuscation, not cryptography: README.md says what breaks it.")
