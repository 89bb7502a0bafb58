"""``blindsight key``: make, show and look after key files."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from blindsight.owner.keyset import Keyset

__all__ = ["key_app"]

key_app = typer.Typer(
    name="key",
    help="Make, show and look after key files. Whoever has the key file can undo the protection at once. "
    "Keep a backup: reveal and predict need it.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)

KeyFile = Annotated[Path, typer.Argument(metavar="FILE", help="The key file.", show_default=False)]
KeyId = Annotated[
    str,
    typer.Argument(metavar="KEY_ID", help="Id of the key, or the beginning of it.", show_default=False),
]
Label = Annotated[str | None, typer.Option(help="A note to tell keys apart; anyone with the file can read it.")]


@key_app.command()
def new(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write; must not exist.", show_default=False)],
    passphrase: Annotated[
        bool,
        typer.Option(
            "--passphrase",
            help="Protect the file with a passphrase: asked for, or taken from BLINDSIGHT_PASSPHRASE.",
        ),
    ] = False,
    label: Label = None,
) -> None:
    """Make a new key. Prints its public id; never overwrites a file.

    The file is readable by you alone. Make one key for each purpose, and a backup of each.

    Example: blindsight key new owner.key --label "wards 2 and 3"
    """
    from blindsight.owner._passphrase import choose
    from blindsight.owner.keyfile import create_keyfile, refuse_existing
    from blindsight.owner.keyset import Keyset

    refuse_existing(file)
    keyset = Keyset.new(label=label)
    create_keyfile(file, keyset, choose(str(file)) if passphrase else None)
    typer.echo(f"wrote {file}; keep a backup: reveal and predict need this key", err=True)
    typer.echo(keyset.primary.id)


@key_app.command()
def show(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="The key file, or - for standard input; default: the file that BLINDSIGHT_KEY_FILE names.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show which keys a file holds: ids, dates, labels. Never the secrets, and no passphrase is needed.

    Example: blindsight key show owner.key --json
    """
    from blindsight.owner.keyfile import read_info

    info = read_info(file)
    if as_json:
        keys = [
            {"id": k.id, "created": k.created, "status": k.status, "label": k.label, "primary": k.id == info.primary}
            for k in info.keys
        ]
        typer.echo(json.dumps({"primary": info.primary, "protected": info.protected, "keys": keys}, indent=2))
        return
    typer.echo("passphrase: yes" if info.protected else "passphrase: no")
    for k in info.keys:
        role = "primary" if k.id == info.primary else k.status
        typer.echo(f"{k.id}  {k.created}  {role:8}  {k.label or ''}".rstrip())


@key_app.command()
def add(
    file: KeyFile,
    label: Label = None,
    other: Annotated[
        Path | None,
        typer.Option("--import", metavar="OTHER", help="Take the keys of this key file instead of making one."),
    ] = None,
) -> None:
    """Add a new key, or another file's keys. The primary key stays primary until you promote another.

    Data protected earlier needs the earlier key, so keys are added and not replaced.

    Example: blindsight key add owner.key --label 2026
    """
    from blindsight.errors import ParameterError
    from blindsight.owner.keyfile import edit_keyfile, load_keyset
    from blindsight.owner.keys import SecretKey

    if other is not None and label is not None:
        raise ParameterError("--label is for a new key; keys brought with --import keep theirs")
    added: list[str] = []

    def change(keyset: "Keyset") -> "Keyset":
        if other is None:
            key = SecretKey.generate()
            added.append(key.id)
            return keyset.with_key(key, label=label)
        imported = load_keyset(other)
        for key, info in zip(imported.secrets, imported.info.keys, strict=True):
            if key.id not in keyset.ids:
                added.append(key.id)
                keyset = keyset.with_key(key, info)
        if not added:
            raise ParameterError(f"{file} holds every key of {other} already; nothing was changed")
        return keyset

    edit_keyfile(file, change)
    command = f"blindsight key promote {shlex.quote(str(file))} {added[0]}"
    typer.echo(f"added to {file}; to protect new data with it: {command}", err=True)
    for key_id in added:
        typer.echo(key_id)


@key_app.command()
def promote(file: KeyFile, key_id: KeyId) -> None:
    """Make a key the primary one: what new data is protected with.

    Models trained on data of the old key go on needing the old key for their queries.

    Example: blindsight key promote owner.key bsk1-qyts
    """
    from blindsight.owner.keyfile import edit_keyfile

    keyset = edit_keyfile(file, lambda keyset: keyset.with_primary(key_id))
    typer.echo(f"primary key of {file} is now:", err=True)
    typer.echo(keyset.primary.id)


@key_app.command()
def disable(file: KeyFile, key_id: KeyId) -> None:
    """Keep a key but refuse to use it, until it is enabled again.

    Example: blindsight key disable owner.key bsk1-qyts
    """
    _set_status(file, key_id, "disabled")


@key_app.command()
def enable(file: KeyFile, key_id: KeyId) -> None:
    """Let a disabled key be used again.

    Example: blindsight key enable owner.key bsk1-qyts
    """
    _set_status(file, key_id, "enabled")


@key_app.command()
def passphrase(
    file: KeyFile,
    remove: Annotated[bool, typer.Option("--remove", help="Take the passphrase off.")] = False,
) -> None:
    """Set, change or remove the passphrase of a key file.

    The present passphrase is asked for or taken from BLINDSIGHT_PASSPHRASE, the new one from
    BLINDSIGHT_NEW_PASSPHRASE. Copies and backups of the file keep the passphrase they had.

    Example: blindsight key passphrase owner.key
    """
    from blindsight.owner._passphrase import NEW_PASSPHRASE_VARIABLE, choose
    from blindsight.owner.keyfile import set_passphrase

    set_passphrase(file, None if remove else lambda: choose(str(file), NEW_PASSPHRASE_VARIABLE))
    typer.echo(f"{file} has no passphrase now" if remove else f"{file} has a new passphrase", err=True)


def _set_status(file: Path, key_id: str, status: Literal["enabled", "disabled"]) -> None:
    from blindsight.owner.keyfile import edit_keyfile

    keyset = edit_keyfile(file, lambda keyset: keyset.with_status(key_id, status))
    typer.echo(f"{status} in {file}:", err=True)
    typer.echo(keyset.info.find(key_id).id)
