"""The owner's commands on data sets: protect, reveal, rotate."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blindsight.cli._common import AsJson, KeyOption, Workers, parse_settings, parse_size, print_json, progress_bar
from blindsight.cli._data import (
    REJECTED,
    Background,
    Data,
    DataRoot,
    Download,
    Fit,
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

if TYPE_CHECKING:
    from blindsight.owner.protect import ProtectReport

__all__ = ["protect", "reveal", "rotate"]


def protect(
    photos: Photos = None,
    out: Out = None,
    data: Data = None,
    data_root: DataRoot = None,
    download: Download = False,
    key: KeyOption = None,
    scheme: Annotated[
        str, typer.Option(help="Cipher: etc, shf, pe, le, ele, bps, rrp, np, or one that a package registers.")
    ] = "etc",
    parameter: Annotated[list[str] | None, typer.Option("--set", help="A parameter of the scheme, NAME=VALUE.")] = None,
    block_size: Annotated[
        int | None, typer.Option(min=1, help="Side of the blocks in pixels. \\[default: 16; le and ele: 4]")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Bring every image to this size: 224 or HEIGHTxWIDTH. \\[default: its own]")
    ] = None,
    fit: Fit = None,
    gray: Gray = False,
    background: Background = "#ffffff",
    image_format: Format = "png",
    quality: Quality = None,
    subsampling: Subsampling = None,
    allow_lossy: Annotated[bool, typer.Option("--allow-lossy", help="Allow JPEG for schemes that it damages.")] = False,
    key_scope: Annotated[
        str, typer.Option(help="Which images share a key: dataset (all), image (none), pool:K (a K-th each).")
    ] = "dataset",
    reduce: Annotated[
        list[str] | None,
        typer.Option(
            help="Take this out of the images for good first: level, contrast, crop, jitter, quantise:levels=4, "
            "pixelate:cell=4, noise:epsilon=1,cell=4,pixels=1; may be repeated."
        ),
    ] = None,
    opaque_classes: OpaqueClasses = False,
    views: Annotated[
        int,
        typer.Option(min=1, help="Protected copies a training image; all but the first cropped and flipped at random."),
    ] = 1,
    layout: Layout = "folder",
    shard_size: ShardSize = None,
    name: Name = None,
    max_pixels: MaxPixels = 100_000_000,
    index: IndexOption = None,
    workers: Workers = 0,
    resume: Resume = False,
    as_json: AsJson = False,
) -> None:
    """Encrypt a data set so that no person can see what it shows. OUT is what you hand over.

    OUT gets an ordinary image folder, or WebDataset shards, and profile.json, which names scheme, block size and key
    id, never the key. Names and sizes stay in OUT.owner, with you: keep it, reveal and rotate read it.

    This is visual obfuscation, not cryptography: README.md says what breaks it, and the command says how many images
    share a key.

    Example: blindsight protect photos out --key owner.key --size 224 --format jpeg --quality 90 --subsampling 4:2:0
    """
    from blindsight.owner.keys import load_keyset
    from blindsight.owner.protect import ProtectOptions
    from blindsight.owner.protect import protect as run

    source, out = source_and_out(photos, out, data, data_root, download, mixed=True)
    options = ProtectOptions(
        scheme=scheme,
        block_size=block_size,
        parameters=parse_settings("--set", parameter, "negation=false"),
        size=parse_size(size),
        fit=fit,
        channels=1 if gray else 3,
        background=background,
        codec=codec_of(image_format, quality, subsampling, gray),
        key_scope=key_scope,
        reductions=tuple(reduce or ()),
        opaque_classes=opaque_classes,
        views=views,
        allow_lossy=allow_lossy,
        layout=layout,
        shard_size=choose_shard_size(shard_size, layout),
        label=name,
        max_pixels=max_pixels,
    )
    secret = load_keyset(key).primary
    with progress_bar("protecting") as progress:
        report = run(source, out, secret, options, index=index, resume=resume, workers=workers, progress=progress)
    _print_protected(report, out, as_json)
    if report.rejects:
        raise typer.Exit(REJECTED)


def _print_protected(report: "ProtectReport", out: Path, as_json: bool) -> None:
    from blindsight.owner.exposure import exposure, images_per_key

    if as_json:
        print_json(
            {
                "out": str(out),
                "index": str(report.index),
                "profile": report.profile.model_dump(mode="json"),
                "images": report.images,
                "resumed": report.resumed,
                "rejects": [{"path": path, "reason": reason} for path, reason in report.rejects],
                "images_per_key": images_per_key(report.profile, report.images),
                "bytes": report.bytes,
                "seconds": round(report.seconds, 3),
            }
        )
        return
    rate = (report.images - report.resumed) / max(report.seconds, 1e-9)
    typer.echo(f"{out}: {report.images} protected images ({report.bytes / 1e6:.1f} MB, {rate:.0f} images/s)")
    typer.echo(f"  protection  {report.profile.summary()}; fit: {report.profile.fit}")
    typer.echo(f"  yours       {report.index}  (names, classes, sizes: keep it, do not hand it over)")
    typer.echo(f"  exposure    {exposure(report.profile, report.images)}")
    print_rejects(report.rejects, report.index / "rejects.csv")


def reveal(
    out: Annotated[Path, typer.Argument(help="The protected folder.", show_default=False)],
    back: Annotated[Path, typer.Argument(help="Where the plain images go, as PNG.", show_default=False)],
    key: KeyOption = None,
    index: IndexOption = None,
    compare: Annotated[
        Path | None, typer.Option(help="Folder of the originals: report which come back exactly, and PSNR.")
    ] = None,
    workers: Workers = 0,
    resume: Resume = False,
    as_json: AsJson = False,
) -> None:
    """Decrypt a protected data set: the way back, for whoever has the key.

    From PNG and WebP the fitted image comes back bit for bit, and padding is taken off; from JPEG it comes back as JPEG
    left it. Without the index the images are named by their ids.

    Example: blindsight reveal out back --key owner.key --compare photos
    """
    from blindsight.owner.keys import load_keyset
    from blindsight.owner.reveal import cipher_profile
    from blindsight.owner.reveal import reveal as run

    secret = load_keyset(key).get(cipher_profile(out).key_id or "")
    with progress_bar("revealing") as progress:
        report = run(
            out, back, secret, index=index, originals=compare, resume=resume, workers=workers, progress=progress
        )
    if as_json:
        print_json(
            {
                "back": str(back),
                "images": report.images,
                "named": report.named,
                "rejects": [{"path": path, "reason": reason} for path, reason in report.rejects],
                "compared": report.compared,
                "exact": report.exact,
                "psnr": report.psnr,
                "seconds": round(report.seconds, 3),
            }
        )
    else:
        typer.echo(
            f"{back}: {report.images} images"
            + ("" if report.named else ", named by their ids and with their padding: no index")
        )
        if compare is not None:
            psnr = f"; the others on average at {report.psnr:.1f} dB PSNR" if report.psnr is not None else ""
            typer.echo(f"  {report.exact} of {report.compared} equal to the fitted original bit for bit{psnr}")
        print_rejects(report.rejects)
    if report.rejects:
        raise typer.Exit(REJECTED)


def rotate(
    out: Annotated[Path, typer.Argument(help="The protected folder.", show_default=False)],
    new: Annotated[Path, typer.Argument(help="Where it goes under the new key.", show_default=False)],
    key: KeyOption = None,
    new_key: Annotated[Path | None, typer.Option(help="Key file to change to; its primary key is used.")] = None,
    index: Annotated[Path | None, typer.Option(help="The owner's index of OUT. \\[default: OUT.owner]")] = None,
    new_index: Annotated[Path | None, typer.Option(help="The owner's index of NEW. \\[default: NEW.owner]")] = None,
    workers: Workers = 0,
    resume: Resume = False,
    as_json: AsJson = False,
) -> None:
    """Change the key of a protected data set without a plain image ever being made.

    The ciphers form a group: undoing one key and applying another is one step. Models trained under the old key do not
    know the new one. Have the provider delete the old set: whoever holds both can relate them.

    Example: blindsight rotate out new --key old.key --new-key new.key
    """
    from blindsight.owner.keys import load_keyset
    from blindsight.owner.reveal import cipher_profile
    from blindsight.owner.rotate import rotate as run

    if new_key is None:
        raise typer.BadParameter("give --new-key, the key file to change to")
    old_secret = load_keyset(key).get(cipher_profile(out).key_id or "")
    new_secret = load_keyset(new_key).primary
    with progress_bar("rotating") as progress:
        report = run(
            out,
            new,
            old_secret,
            new_secret,
            index=index,
            new_index=new_index,
            resume=resume,
            workers=workers,
            progress=progress,
        )
    if as_json:
        print_json(
            {
                "out": str(new),
                "index": str(report.index),
                "profile": report.profile.model_dump(mode="json"),
                "images": report.images,
                "rejects": [{"path": path, "reason": reason} for path, reason in report.rejects],
                "seconds": round(report.seconds, 3),
            }
        )
    else:
        typer.echo(f"{new}: {report.images} images, now {report.profile.summary()}")
        if not report.profile.codec.lossless:
            typer.echo("  JPEG was decoded and encoded once more: a little quality went with it")
        print_rejects(report.rejects, report.index / "rejects.csv")
    if report.rejects:
        raise typer.Exit(REJECTED)
