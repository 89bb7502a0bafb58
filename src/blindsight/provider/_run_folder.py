"""The run folder of a training before it is whole: made, or found begun and seen to be the one to go on in."""

import json
from pathlib import Path
from typing import Any

from blindsight.errors import OutputError, ParameterError
from blindsight.nets.runs import UNFINISHED_TRAINING, write_atomic
from blindsight.profile import INCOMPLETE_MARKER, PROFILE_NAME, Profile
from blindsight.provider.machine import machine, versions
from blindsight.provider.recipe import INCIDENTAL, TrainConfig

__all__ = ["CHECKPOINTS", "RECIPE_NAME", "check_out", "prepare", "recipe_text"]

RECIPE_NAME = "recipe.json"
CHECKPOINTS = "checkpoints"


def check_out(out: Path, resume: bool) -> None:
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out} is a file; choose another folder with --out")
    content = {p.name for p in out.iterdir()} if out.is_dir() else set()
    if not content:
        if resume:
            raise OutputError(f"{out} holds nothing to resume; check the name, or leave --resume out to begin there")
        return
    if not resume:
        raise OutputError(f"{out} is not empty; choose another folder with --out, or go on in it with --resume")
    if INCOMPLETE_MARKER not in content:
        what = "holds a finished run" if "model.safetensors" in content else "is not a run folder"
        raise OutputError(f"{out} {what}, so there is nothing to resume; choose another folder with --out")


def prepare(out: Path, config: TrainConfig, profile: Profile, fingerprint: str, resume: bool) -> None:
    """Makes the run folder, or sees that it is the one to go on in."""
    recipe = out / RECIPE_NAME
    if resume and recipe.exists():
        # A run that an earlier version began lacks what came later: the defaults, which are what was so then.
        then = TrainConfig.make(TrainConfig.read(recipe)).public()
        for name, value in config.public().items():
            if name not in INCIDENTAL and then.get(name) != value:
                raise ParameterError(
                    f"cannot resume {out}: {name} was {then.get(name)!r} and is now {value!r}; "
                    f"resume with the same recipe, or start anew with another --out"
                )
        stored = Profile.from_json((out / PROFILE_NAME).read_bytes(), origin=str(out / PROFILE_NAME))
        if stored != profile:
            raise ParameterError(f"cannot resume {out}: it was begun on other data ({stored.summary()})")
        if _fingerprint_in(recipe) != fingerprint:
            raise ParameterError(
                f"cannot resume {out}: it was begun on other images (files, sizes or labels differ); "
                f"resume with the same data, or start anew with another --out"
            )
        return
    try:
        (out / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make {out}: {error.strerror or error}") from None
    write_atomic(out / INCOMPLETE_MARKER, UNFINISHED_TRAINING)
    write_atomic(out / PROFILE_NAME, profile.to_json())
    write_atomic(recipe, recipe_text(config, fingerprint, None))


def _fingerprint_in(recipe: Path) -> Any:
    stored = json.loads(recipe.read_bytes())
    return stored.get("data") if isinstance(stored, dict) else None


def recipe_text(config: TrainConfig, fingerprint: str, result: dict[str, Any] | None) -> str:
    recipe: dict[str, Any] = {
        "config": config.public(),
        "data": fingerprint,
        "versions": versions(),
        "machine": machine(),
    }
    if result is not None:
        recipe["result"] = {k: v for k, v in result.items() if k != "run"}
    return json.dumps(recipe, indent=2) + "\n"
