"""Options of the commands that read plain images and write a data set, and what they print in the end."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blindsight.errors import ParameterError

if TYPE_CHECKING:
    from blindsight.owner.sources import Source

__all__ = [
    "REJECTED",
    "Background",
    "Data",
    "DataRoot",
    "Download",
    "Fit",
    "Format",
    "Gray",
    "IndexOption",
    "Layout",
    "MaxPixels",
    "Name",
    "OpaqueClasses",
    "Out",
    "Photos",
    "Quality",
    "Resume",
    "ShardSize",
    "Subsampling",
    "choose_shard_size",
    "codec_of",
    "print_rejects",
    "source_and_out",
]

#: Exit status: done, but some inputs were rejected.
REJECTED = 3
STORED, READ = "How it is stored", "Where images come from"


def _stored(name: str, **more: Any) -> Any:
    return typer.Option(name, rich_help_panel=STORED, **more)


def _read(name: str, **more: Any) -> Any:
    return typer.Option(name, rich_help_panel=READ, **more)


Photos = Annotated[
    str | None,
    typer.Argument(
        help="Folder of CLASS/IMAGE or SPLIT/CLASS/IMAGE, CSV of path,label[,split], or npz of x,y,classes.",
        show_default=False,
    ),
]
Out = Annotated[Path | None, typer.Argument(help="Where the new set goes.", show_default=False)]
Data = Annotated[
    str | None,
    _read("--data", help="Instead of a folder: a torchvision set by name (cifar10, mnist, ...)."),
]
DataRoot = Annotated[
    Path | None,
    _read("--data-root", help="Where torchvision sets lie. \\[default: ~/.cache/blindsight]"),
]
Download = Annotated[bool, _read("--download", help="Let torchvision download what is missing.")]
Fit = Annotated[
    str | None,
    _stored(
        "--fit",
        help="How: pad (reveal undoes it), crop or resize. \\[default: resize where --size is given, else pad]",
    ),
]
Gray = Annotated[bool, _stored("--gray", help="Make all images grayscale.")]
Background = Annotated[str, _stored("--background", help="Colour under transparent pixels.")]
Format = Annotated[str, _stored("--format", help="png, webp (both lossless) or jpeg.")]
Quality = Annotated[int | None, _stored("--quality", min=1, max=100, help="JPEG quality. \\[default: 90]")]
Subsampling = Annotated[
    str | None,
    _stored(
        "--subsampling",
        help="JPEG chroma subsampling: 4:4:4, or 4:2:0 with blocks of 16, 32, ... \\[default: 4:4:4]",
    ),
]
OpaqueClasses = Annotated[
    bool,
    _stored("--opaque-classes", help="Hide class names: keyed hashes that only you can read."),
]
Layout = Annotated[
    str,
    _stored(
        "--layout",
        help="folder (an image folder) or shards (WebDataset tar files, many images each).",
    ),
]
ShardSize = Annotated[int | None, _stored("--shard-size", min=1, help="Images a shard. \\[default: 1000]")]
Name = Annotated[
    str | None,
    _stored("--name", help="Data-set label, part of every image id. \\[default: the folder's name]"),
]
MaxPixels = Annotated[int, _stored("--max-pixels", min=1, help="Reject larger images.")]
IndexOption = Annotated[
    Path | None,
    typer.Option("--index", help="Folder for what only you may know (names, classes, sizes). \\[default: OUT.owner]"),
]
Resume = Annotated[bool, typer.Option("--resume", help="Finish a run that was interrupted.")]


def source_and_out(
    photos: str | None, out: Path | None, data: str | None, root: Path | None, download: bool, *, mixed: bool = False
) -> "tuple[Source, Path]":
    """PHOTOS OUT, or --data NAME OUT: the source, opened, and the output folder."""
    from blindsight.owner.sources import open_source

    if data is not None and out is None and photos is not None:
        photos, out = None, Path(photos)
    if (photos is None) == (data is None) or out is None:
        raise typer.BadParameter("give PHOTOS OUT, or --data NAME OUT")
    return open_source(photos or str(data), root=root, download=download, mixed=mixed), out


def choose_shard_size(shard_size: int | None, layout: str) -> int:
    """Images a shard.

    Raises:
        ParameterError: it was given for another layout.
    """
    if shard_size is not None and layout != "shards":
        raise ParameterError("--shard-size is for shards; add --layout shards, or leave it out")
    return shard_size or 1000


def codec_of(image_format: str, quality: int | None, subsampling: str | None, gray: bool) -> Any:
    """The codec that --format, --quality and --subsampling mean.

    Raises:
        ParameterError: there is none such.
    """
    from pydantic import ValidationError

    from blindsight.profile import Codec

    name = {"jpg": "jpeg"}.get(image_format.lower(), image_format.lower())
    if name == "jpeg":
        quality = 90 if quality is None else quality
        subsampling = None if gray else subsampling or "4:4:4"
    try:
        return Codec.model_validate({"format": name, "quality": quality, "subsampling": subsampling})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "--" + str(first["loc"][0]) if first["loc"] else "--format"
        raise ParameterError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None


def print_rejects(rejects: list[tuple[str, str]], listed: Path | None = None) -> None:
    """The first rejects, on stderr."""
    if not rejects:
        return
    inputs = "1 input was" if len(rejects) == 1 else f"{len(rejects)} inputs were"
    typer.echo(f"{inputs} rejected" + (f", listed in {listed}" if listed else "") + ":", err=True)
    for path, reason in rejects[:10]:
        name = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in path)
        typer.echo(f"  {reason}" if name in reason else f"  {name}: {reason}", err=True)
    if len(rejects) > 10:
        typer.echo(f"  ... and {len(rejects) - 10} more", err=True)
