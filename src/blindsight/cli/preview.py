"""``blindsight preview``."""

from pathlib import Path
from typing import Annotated

import typer

from blindsight.cli._common import KeyOption

__all__ = ["preview"]


def preview(
    photo: Annotated[Path, typer.Argument(help="An image file.", show_default=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="PNG file to write; of what exists only a PNG is replaced.")
    ] = Path("preview.png"),
    key: KeyOption = None,
    scheme: Annotated[
        list[str] | None, typer.Option(help="Only this scheme; may be repeated. \\[default: all]")
    ] = None,
    block_size: Annotated[
        int | None, typer.Option(min=1, help="Side of the blocks in pixels. \\[default: 16; le and ele: 4]")
    ] = None,
) -> None:
    """Draw every scheme beside the plain image, to see what each leaves visible.

    Example: blindsight preview photo.jpg --key owner.key --block-size 8 -o side-by-side.png
    """
    from blindsight.images import encode_image, read_image
    from blindsight.owner.keys import load_keyset
    from blindsight.owner.preview import preview as draw
    from blindsight.profile import Codec

    secret = load_keyset(key).primary
    sheet = draw(read_image(photo), secret, block_size=block_size, schemes=scheme)
    _write_png(output, encode_image(sheet, Codec(format="png")), photo)
    typer.echo(str(output))


def _write_png(path: Path, data: bytes, photo: Path) -> None:
    """Writes a picture whole or not at all, and over nothing but another PNG that is not the photo itself."""
    import os

    from blindsight.errors import OutputError

    temporary = path.parent / f".blindsight-{os.getpid()}.tmp"
    try:
        if path.exists() and path.samefile(photo):
            raise OutputError(f"{path} is the image to be shown; choose another file with -o")
        if path.exists() and not _is_png(path):
            raise OutputError(f"{path} exists and is not a PNG; choose another file with -o, or remove it")
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from None


def _is_png(path: Path) -> bool:
    if not path.is_file():  # reading a pipe would wait for ever
        return False
    with path.open("rb") as file:
        return file.read(8) == b"\x89PNG\r\n\x1a\n"
