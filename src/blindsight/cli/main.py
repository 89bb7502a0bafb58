"""The command ``blindsight``: puts the commands together and turns errors into one line and an exit status.

Exit status: 0 done; 1 an error, said in one line; 2 the command line was wrong; 3 done, but some inputs were rejected.
"""

import logging
import os
import sys
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from blindsight import __version__
from blindsight.cli.audit import audit_app
from blindsight.cli.augment import augment
from blindsight.cli.bench import bench_app
from blindsight.cli.demo import demo
from blindsight.cli.evaluate import evaluate, predict
from blindsight.cli.export import export
from blindsight.cli.key import key_app
from blindsight.cli.mix import mix
from blindsight.cli.mix_report import mix_report
from blindsight.cli.model_cipher import encrypt_model, rotate_model
from blindsight.cli.owner import protect, reveal, rotate
from blindsight.cli.preview import preview
from blindsight.cli.soft_labels import soft_labels
from blindsight.cli.start_model import start_model
from blindsight.cli.train import train
from blindsight.errors import BlindsightError

__all__ = ["app", "main"]


class _InterruptError(Exception):
    """Ctrl-C, under a name that Typer leaves to us: it would end with a status of its own and say nothing."""


class _Group(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise _InterruptError from None


app = typer.Typer(
    name="blindsight",
    cls=_Group,
    help="Train and serve image classifiers on images nobody else can see.\n\n"
    "The owner of the images: key, protect, preview, reveal, rotate, soft-labels, start-model, mix, "
    "mix-report, encrypt-model, rotate-model. "
    "The provider: augment, train, evaluate, predict, export. "
    "The auditor: audit. "
    "Begin with: blindsight demo",
    epilog="The protection is visual obfuscation, not cryptography: README.md says what breaks it.",
    no_args_is_help=True,
    rich_markup_mode="markdown",  # reflows the paragraphs of docstrings
    add_completion=False,
    pretty_exceptions_enable=False,
)

OWNER, PROVIDER, BOTH = "The owner's side", "The provider's side", "Both"
app.add_typer(key_app, rich_help_panel=OWNER)
OWNERS = (protect, preview, reveal, rotate, soft_labels, start_model, mix, mix_report, encrypt_model, rotate_model)
for command in OWNERS:
    app.command(rich_help_panel=OWNER)(command)
for command in (train, evaluate, predict, export):
    app.command(rich_help_panel=PROVIDER)(command)
for command in (augment, demo):
    app.command(rich_help_panel=BOTH)(command)
app.add_typer(audit_app, rich_help_panel=BOTH)
app.add_typer(bench_app, rich_help_panel=BOTH)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"blindsight {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    pass


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line; never shows a traceback for what a user can cause."""
    # Decoders comment on damaged files; the rejects say the same once, in our words.
    warnings.filterwarnings("ignore", module="PIL")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    try:
        app(arguments)
    except BlindsightError as error:
        _fail(f"error: {error}")
    except (_InterruptError, KeyboardInterrupt):
        _fail("interrupted; what is finished is kept: repeat the command with --resume to go on")
    except MemoryError:
        _fail("error: out of memory; use fewer --workers, a smaller --batch-size or smaller images")
    except BrokenPipeError:
        # The reader of our output went away, as `| head` does; Python must not complain while closing the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:  # a path too long, a folder that may not be listed, a disk that fails
        where = f" {error.filename}" if error.filename else ""
        _fail(f"error: cannot use{where}: {error.strerror or error}; check the path, its permissions and the disk")


def _fail(message: str) -> None:
    print(" ".join(message.splitlines()), file=sys.stderr)
    sys.exit(1)
