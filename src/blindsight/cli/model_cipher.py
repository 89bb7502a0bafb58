"""``blindsight encrypt-model`` and ``rotate-model``: models that take encrypted queries without loss."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blindsight.cli._common import AsJson, KeyOption, parse_settings, parse_size, print_json, require_provider
from blindsight.errors import ParameterError

if TYPE_CHECKING:
    from blindsight.nets.runs import Run
    from blindsight.owner.encrypted_run import EncryptedRun

__all__ = ["encrypt_model", "rotate_model"]

NewRun = Annotated[Path, typer.Option("--out", metavar="NEW", help="Run folder to write; new or empty.")]


def encrypt_model(
    model: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="Run folder of a model of plain or mixed images; or a timm name, with --pretrained or --checkpoint.",
            show_default=False,
        ),
    ],
    out: NewRun,
    key: KeyOption = None,
    scheme: Annotated[
        str, typer.Option(help="Cipher: shf, etc, np, pe, bps, rrp, or one that a package registers.")
    ] = "shf",
    parameter: Annotated[list[str] | None, typer.Option("--set", help="A parameter of the scheme, NAME=VALUE.")] = None,
    block_size: Annotated[
        int | None, typer.Option(min=1, help="Side of the blocks in pixels. \\[default: the model's patch]")
    ] = None,
    opaque_classes: Annotated[
        bool, typer.Option("--opaque-classes", help="Hide class names: keyed hashes, as protect makes them.")
    ] = False,
    pretrained: Annotated[bool, typer.Option("--pretrained", help="With a timm name: fetch timm's weights.")] = False,
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With a timm name: a file of weights with its classifier.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With a timm name: its classes, one a line. \\[default: numbers from 0]"),
    ] = None,
    img_size: Annotated[
        str | None,
        typer.Option(help="With a timm name: size of its images, 224 or HEIGHTxWIDTH. \\[default: the model's]"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Encrypt a model with a key, so that it answers to encrypted images as it did to plain ones.

    The logits stay the same up to rounding; this is checked before anything is written. The first layer takes the
    cipher up, and the position embeddings follow the blocks. Give the new run to a provider and ask with predict
    --key; or let the provider train it further on what protect made with the same key, scheme, size and block size.

    It hides the queries, not the model: whoever knows the plain weights, such as public pretrained ones, reads the key
    from the encrypted ones. etc, pe and bps put a table of the blocks' states into the run besides. The command warns.

    Example: blindsight encrypt-model run --key owner.key --out encrypted

    Example: blindsight encrypt-model vit_tiny_patch16_224 --pretrained --key owner.key --scheme etc --out encrypted
    """
    require_provider("encrypting a model")
    from blindsight.nets.runs import load_run
    from blindsight.owner._named_model import named_run, read_labels_file
    from blindsight.owner.encrypted_run import encrypt_run
    from blindsight.owner.keys import load_keyset

    given = {"--pretrained": pretrained, "--checkpoint": checkpoint, "--labels": labels, "--img-size": img_size}
    secret = load_keyset(key).primary
    if pretrained or checkpoint is not None:
        if pretrained and checkpoint is not None:
            raise ParameterError("--pretrained and --checkpoint exclude each other; choose one source of weights")
        classes = read_labels_file(labels) if labels is not None else None
        source: Run = named_run(model, checkpoint=checkpoint, classes=classes, size=parse_size(img_size))
    else:
        extra = [name for name, value in given.items() if value]
        if extra:
            raise ParameterError(f"{extra[0]} goes with a timm name and --pretrained or --checkpoint; leave it out")
        if not Path(model).exists() and "/" not in model:
            raise ParameterError(
                f"there is no run folder {model}; for a model of that name add --pretrained, or --checkpoint FILE"
            )
        source = load_run(Path(model))
    report = encrypt_run(
        source,
        out,
        secret,
        scheme=scheme,
        block_size=block_size,
        parameters=parse_settings("--set", parameter, "negation=false"),
        opaque_classes=opaque_classes,
    )
    _print(report, out, _cautions(source.folder, report), as_json)


def rotate_model(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Encrypted run folder.", show_default=False)],
    out: NewRun,
    key: KeyOption = None,
    new_key: Annotated[Path | None, typer.Option(help="Key file to change to; its primary key is used.")] = None,
    index: Annotated[
        Path | None,
        typer.Option("--index", help="With opaque classes: the owner's index of the data set that has them."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change the key of an encrypted model: it is decrypted with the old one and encrypted with the new, in memory.

    Works on what encrypt-model made, also after a provider has trained it further, and on models that were trained on
    images protected with shf. Have the provider delete the old one: whoever holds both can relate the keys.

    Example: blindsight rotate-model encrypted --key old.key --new-key new.key --out rotated
    """
    require_provider("encrypting a model")
    from blindsight.cli.evaluate import names_of
    from blindsight.nets.runs import load_run
    from blindsight.owner.encrypted_run import rotate_run
    from blindsight.owner.keys import load_keyset

    if new_key is None:
        raise typer.BadParameter("give --new-key, the key file to change to")
    loaded = load_run(run)
    old_keys = load_keyset(key)
    # A run without a key is refused below, in words of its own.
    old_secret = old_keys.get(loaded.profile.key_id) if loaded.profile.key_id else old_keys.primary
    report = rotate_run(loaded, out, old_secret, load_keyset(new_key).primary, names=names_of(index))
    _print(report, out, _table_caution(report), as_json)


def _cautions(folder: Path | None, report: "EncryptedRun") -> list[str]:
    """What the owner should know before handing the run over."""
    # No change of the weights that training makes hides the key (docs/encrypted-model.md), so none is taken for enough.
    known = (
        "whoever has those weights reads the key from the encrypted ones, also after further training, so the run "
        "hides queries only from people who do not have them"
    )
    if folder is None:
        return [f"the weights were trained elsewhere, and {known}", *_table_caution(report)]
    origin = _origin(folder)
    if origin is None:
        return _table_caution(report)
    what, change = origin
    since = "by an unknown part" if change is None else f"by {100 * change:.3g} % of their norm"
    said = f"the run began from {what}, and its first layer has changed {since} since; {known}"
    return [said, *_table_caution(report)]


def _origin(folder: Path) -> tuple[str, float | None] | None:
    """What a training began from, and how far its first layer has moved since; None for one from scratch."""
    try:
        recipe = json.loads((folder / "recipe.json").read_bytes())
        config, result = recipe["config"], recipe.get("result") or {}
        if config.get("pretrained"):
            what = f"timm's pretrained weights of {config['model']}"
        elif config.get("checkpoint"):
            what = f"the weights {config['checkpoint']}"
        else:
            return None
        change = result.get("first_layer_change")
        return what, None if change is None else float(change)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # not written by train, or no longer readable: nothing is recorded


def _table_caution(report: "EncryptedRun") -> list[str]:
    if report.variants == 1:
        return []
    return [
        f"with scheme {report.profile.scheme} the run holds a table of its blocks' {report.variants} states relative "
        f"to each other: whoever has the run can bring all blocks of a query into one state, without a key"
    ]


def _print(report: "EncryptedRun", out: Path, cautions: list[str], as_json: bool) -> None:
    profile = report.profile
    if as_json:
        facts: dict[str, Any] = {
            "out": str(out),
            "profile": profile.model_dump(mode="json"),
            "variants": report.variants,
            "positions_moved": report.moved,
            "logit_difference": report.difference,
            "warnings": cautions,
        }
        print_json(facts)
        return
    layer = "an ordinary layer" if report.variants == 1 else f"one weight, {report.variants} states of it by position"
    positions = "follow their blocks" if report.moved else "as they were"
    typer.echo(f"{out}: takes images as {profile.summary()}")
    typer.echo(f"  first layer  {layer}")
    typer.echo(f"  positions    {positions}")
    typer.echo(f"  checked      logits equal to the plain model's up to {report.difference:.1g} of the largest")
    for caution in cautions:
        typer.echo(f"warning: {caution}", err=True)
