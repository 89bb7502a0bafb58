"""The command that multiplies the training images of a mixed or plain set: augment."""

from pathlib import Path
from typing import Annotated

import typer

from blindsight.cli._common import AsJson, Workers, print_json, progress_bar
from blindsight.cli._data import REJECTED, Resume, print_rejects

__all__ = ["augment"]


def augment(
    mixed: Annotated[
        Path, typer.Argument(help="What mix wrote, or a plain folder of [SPLIT/]CLASS/IMAGE.", show_default=False)
    ],
    augmented: Annotated[Path, typer.Argument(help="Where the multiplied set goes.", show_default=False)],
    recipe: Annotated[
        str, typer.Option(help="pbm: each training image as it is, 1.5 times as bright, flipped, turned by 20 degrees.")
    ] = "pbm",
    workers: Workers = 0,
    resume: Resume = False,
    as_json: AsJson = False,
) -> None:
    """Multiply the training images of a mixed set by changed copies of each, after mixing. Needs no key.

    Only the train split is multiplied, or a set without splits; val and test images are carried over as they are.
    Copies are named STEM-identity, STEM-brightness, STEM-flip and STEM-rotation. They are stored as the set is: PNG
    and WebP without loss; JPEG is encoded once more at the same quality, except for the images that do not change.
    Plain folders work too and become PNG.

    Encrypted sets are refused, for turning an encrypted image tears its blocks apart: use protect --views there.

    Where the set has no val split, train holds out copies of images that it trains on, so its validation accuracy is
    too high; it says so. Judge a model by evaluate on a test set.

    Example: blindsight augment mixed augmented --recipe pbm
    """
    from blindsight.owner.augmentation import augment as run

    with progress_bar("augmenting") as progress:
        report = run(mixed, augmented, recipe, resume=resume, workers=workers, progress=progress)
    if as_json:
        print_json(
            {
                "out": str(augmented),
                "recipe": recipe,
                "profile": report.profile.model_dump(mode="json"),
                "images": report.images,
                "resumed": report.resumed,
                "rejects": [{"path": path, "reason": reason} for path, reason in report.rejects],
                "bytes": report.bytes,
                "seconds": round(report.seconds, 3),
            }
        )
    else:
        rate = (report.images - report.resumed) / max(report.seconds, 1e-9)
        typer.echo(f"{augmented}: {report.images} images ({report.bytes / 1e6:.1f} MB, {rate:.0f} images/s)")
        typer.echo(f"  now         {report.profile.summary()}, {report.profile.views} views of each training image")
        if not report.profile.codec.lossless:
            typer.echo("  JPEG        changed copies were encoded once more; those that are as they were are exact")
        print_rejects(report.rejects)
    if report.rejects:
        raise typer.Exit(REJECTED)
