"""``blindsight start-model``: an untrained model that knows how the blocks of a protected set are turned."""

from pathlib import Path
from typing import Annotated

import typer

from blindsight.cli._common import AsJson, KeyOption, parse_settings, print_json, require_provider
from blindsight.errors import ParameterError

__all__ = ["start_model"]


def start_model(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="timm name, or one of our presets.", show_default=False)
    ],
    protected: Annotated[
        Path, typer.Argument(metavar="PROTECTED", help="What protect wrote, with one key.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", metavar="START", help="Run folder to write; new or empty.")],
    key: KeyOption = None,
    model_arg: Annotated[
        list[str] | None,
        typer.Option("--model-arg", help="An argument of the architecture, NAME=VALUE; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make an untrained model that knows how the blocks of PROTECTED are turned, for the provider to train.

    Blocks of EtC are rotated, negated and recoloured, each in its own way, and a model that has to learn that loses
    accuracy. This one brings all blocks into one common state first. The provider then gives train --checkpoint START.

    It tells whoever has it the states of the blocks relative to each other, for every image under this key, scheme and
    size: what is left of the key is where the blocks belong, and one common state. A model that was trained from it
    has learned some of that too. Take a key that protects nothing else.

    Example: blindsight start-model vit_micro_patch16_224 protected --key owner.key --out start
    """
    require_provider("a start model")
    from blindsight.owner.keys import load_keyset
    from blindsight.owner.start_model import make_start_model, sized_profile

    if out.resolve().is_relative_to(protected.resolve()):
        raise ParameterError(
            f"{out} lies inside {protected}, which holds images only; choose another folder with --out"
        )
    profile = sized_profile(protected)
    secret = load_keyset(key).get(profile.key_id or "")
    made = make_start_model(model, out, profile, secret, model_args=parse_settings("--model-arg", model_arg, "depth=4"))
    caution = (
        "the start model tells how the blocks of every image under this key, scheme and size are turned relative to "
        "each other; only their places and one common state stay secret"
    )
    if as_json:
        facts = {"out": str(out), "states": made.states, "positions": made.positions, "model": model}
        print_json({**facts, "warnings": [caution]})
        return
    typer.echo(f"{out}: {model}, untrained, for images as {made.profile.summary()}")
    typer.echo(f"  first layer  one weight, {made.states} states of it for {made.positions} positions")
    typer.echo(f"next: blindsight train {protected} --checkpoint {out} --out run")
    typer.echo(f"warning: {caution}", err=True)
