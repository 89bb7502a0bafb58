"""``blindsight mix``: training images that hide their members among others of their class."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blindsight.cli._common import AsJson, Workers, parse_size, print_json, progress_bar
from blindsight.cli._data import (
    REJECTED,
    STORED,
    Background,
    Data,
    DataRoot,
    Download,
    Format,
    Gray,
    IndexOption,
    Layout,
    MaxPixels,
    Name,
    OpaqueClasses,
    Out,
    Photos,
    Quality,
    Resume,
    ShardSize,
    Subsampling,
    choose_shard_size,
    codec_of,
    print_rejects,
    source_and_out,
)
from blindsight.errors import ParameterError

if TYPE_CHECKING:
    from blindsight.owner.mixing import MixReport

__all__ = ["mix"]

METHOD = "What is mixed"


def mix(
    photos: Photos = None,
    out: Out = None,
    method: Annotated[
        str,
        typer.Option(
            help="pbm (blocks of same-label images), or to compare with: mixup, cutmix, instahide.",
            rich_help_panel=METHOD,
        ),
    ] = "pbm",
    block: Annotated[
        str | None,
        typer.Option(
            help="Of pbm: HEIGHTxWIDTH of the blocks in pixels, or one side. \\[default: 96x24]", rich_help_panel=METHOD
        ),
    ] = None,
    sources: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Donors an image. \\[default: 10 for pbm, 1 for mixup and cutmix, 3 for instahide]",
            rich_help_panel=METHOD,
        ),
    ] = None,
    probability: Annotated[
        float | None,
        typer.Option(help="Of pbm: that a block is replaced, 0 to 1. \\[default: 0.5]", rich_help_panel=METHOD),
    ] = None,
    targets: Annotated[
        int | None,
        typer.Option(min=1, help="Mixed images a class. \\[default: as many as it has]", rich_help_panel=METHOD),
    ] = None,
    include_target: Annotated[
        bool,
        typer.Option(
            "--include-target", help="Let an image be its own donor, as the paper's code does.", rich_help_panel=METHOD
        ),
    ] = False,
    replacement: Annotated[
        bool,
        typer.Option(
            "--replacement",
            help="Draw donors with replacement, for small classes.",
            rich_help_panel=METHOD,
        ),
    ] = False,
    partners: Annotated[
        str | None,
        typer.Option(
            help="Donors of the same label, or any: then labels.csv says how much of each class an image holds. "
            "pbm is always same. \\[default: same; any for instahide]",
            rich_help_panel=METHOD,
        ),
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            help="Of mixup and cutmix: Beta(alpha, alpha) of the shares. \\[default: 1]", rich_help_panel=METHOD
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            help="Key file, or - for standard input, that everything random is drawn from. "
            "\\[default: a key made for this run, kept in OUT.owner]",
        ),
    ] = None,
    size: Annotated[
        str, typer.Option(help="Bring every image to this size: 192 or HEIGHTxWIDTH.", rich_help_panel=STORED)
    ] = "192",
    fit: Annotated[str, typer.Option(help="How: resize, crop or pad.", rich_help_panel=STORED)] = "resize",
    gray: Gray = False,
    background: Background = "#ffffff",
    image_format: Format = "png",
    quality: Quality = None,
    subsampling: Subsampling = None,
    opaque_classes: OpaqueClasses = False,
    layout: Layout = "folder",
    shard_size: ShardSize = None,
    name: Name = None,
    max_pixels: MaxPixels = 100_000_000,
    data: Data = None,
    data_root: DataRoot = None,
    download: Download = False,
    index: IndexOption = None,
    workers: Workers = 0,
    resume: Resume = False,
    as_json: AsJson = False,
) -> None:
    """Mix a training set, so that its images hide among others of their class. OUT is what you hand over.

    Label-based pixel block mixing (pbm) replaces about half of the blocks of each image by the same blocks of other
    images of its class. Ordinary CNNs train on the result, and are tested on plain images: of a folder with splits only
    train is mixed and published. Nothing undoes the mixing, and the originals are only read.

    This hides members, and hides them badly: every published block is a true block of one of your images at its true
    place. Look at blindsight mix-report before you hand anything over.

    Example: blindsight mix faces mixed --block 96x24 --sources 10 --probability 0.5 --size 192 --key owner.key

    Example: blindsight mix faces mixed --method cutmix --partners any --size 192
    """
    from blindsight.owner.keys import load_keyset
    from blindsight.owner.mixing import MixOptions
    from blindsight.owner.mixing import mix as run

    own = {"block": parse_size(block), "probability": probability, "alpha": alpha}
    given = {name: value for name, value in own.items() if value is not None}
    _require_own(method, given)
    source, out = source_and_out(photos, out, data, data_root, download)
    options = MixOptions(
        method=method,
        sources=sources,
        targets=targets,
        include_target=include_target,
        replacement=replacement,
        partners=partners,
        size=parse_size(size),
        fit=fit,
        channels=1 if gray else 3,
        background=background,
        codec=codec_of(image_format, quality, subsampling, gray),
        opaque_classes=opaque_classes,
        layout=layout,
        shard_size=choose_shard_size(shard_size, layout),
        label=name,
        max_pixels=max_pixels,
        **given,
    )
    secret = load_keyset(key).primary if key is not None else None
    with progress_bar("mixing") as progress:
        report = run(source, out, secret, options, index=index, resume=resume, workers=workers, progress=progress)
    _print_mixed(report, out, as_json)
    if report.rejects:
        raise typer.Exit(REJECTED)


def _require_own(method: str, given: dict[str, Any]) -> None:
    """Refuses options of other methods, which would change nothing.

    Raises:
        ParameterError: naming the method that they belong to.
    """
    from blindsight.owner.mixing import METHODS

    for name in given:
        owners = [other for other, kind in METHODS.items() if name in kind.own_parameters]
        if method in METHODS and method not in owners:
            raise ParameterError(f"--{name} is for {' and '.join(owners)}, not for {method}; leave it out")


def _print_mixed(report: "MixReport", out: Path, as_json: bool) -> None:
    from blindsight.owner.exposure import mixed_exposure

    if as_json:
        print_json(
            {
                "out": str(out),
                "index": str(report.index),
                "profile": report.profile.model_dump(mode="json"),
                "images": report.images,
                "resumed": report.resumed,
                "rejects": [{"path": path, "reason": reason} for path, reason in report.rejects],
                "left_out": report.left_out,
                "own_key": report.own_key,
                "own_share": round(report.own_share, 6),
                "unchanged": report.unchanged,
                "bytes": report.bytes,
                "seconds": round(report.seconds, 3),
            }
        )
        return
    rate = (report.images - report.resumed) / max(report.seconds, 1e-9)
    settings = ", ".join(f"{name} {_shown(value)}" for name, value in report.profile.parameters.items())
    kept = "names, classes, sizes" + (", the run's key" if report.own_key else "")
    typer.echo(f"{out}: {report.images} mixed images ({report.bytes / 1e6:.1f} MB, {rate:.0f} images/s)")
    typer.echo(f"  mixing      {report.profile.summary()}; fit: {report.profile.fit}")
    typer.echo(f"              {settings}")
    typer.echo(f"  yours       {report.index}  ({kept}: keep it, do not hand it over)")
    for split, count in sorted(report.left_out.items()):
        typer.echo(f"  left plain  {count} images of {split}: not read, not published; evaluate takes them as they are")
    typer.echo(f"  exposure    {mixed_exposure(report.profile, report.images, report.own_share, report.unchanged)}")
    print_rejects(report.rejects, report.index / "rejects.csv")


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
