"""Run folders: a run on plain images in, one for encrypted images out; from one key to another."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blindsight.errors import OutputError, ParameterError, ProfileError
from blindsight.nets.runs import require_new
from blindsight.owner.ciphers import create_cipher
from blindsight.owner.keys import SecretKey
from blindsight.owner.model_cipher import absorb, decrypt_model
from blindsight.owner.options import class_ids
from blindsight.profile import INCOMPLETE_MARKER, Codec, Profile, Scalar

if TYPE_CHECKING:
    from torch import nn

    from blindsight.nets._card import Origin
    from blindsight.nets.runs import Run

__all__ = ["DEFAULT_SCHEME", "EncryptedRun", "encrypt_run", "rotate_run", "write_run"]

#: What a ViT takes up with its architecture unchanged (arXiv 2207.05366).
DEFAULT_SCHEME = "shf"
_MARKER = "This model has not been written to its end. Delete this folder and repeat the command.\n"


@dataclass(frozen=True)
class EncryptedRun:
    """What :func:`encrypt_run` and :func:`rotate_run` did.

    Attributes:
        profile: of the images that the new run takes.
        variants: states of the first layer; 1 is an ordinary convolution.
        moved: whether blocks change their places.
        difference: largest difference of two logits between plain and encrypted model, as a part of the largest.
    """

    profile: Profile
    variants: int
    moved: bool
    difference: float


def encrypt_run(
    run: "Run",
    out: Path,
    key: SecretKey,
    *,
    scheme: str = DEFAULT_SCHEME,
    block_size: int | None = None,
    parameters: dict[str, Scalar] | None = None,
    opaque_classes: bool = False,
) -> EncryptedRun:
    """Encrypts a run on plain or mixed images.

    Args:
        run: takes plain images of one size, normalised as its configuration says (also channel by channel).
        out: the new run folder; absent or empty.
        key: the owner's key.
        scheme: a registered cipher.
        block_size: side of the blocks in pixels; None takes the model's patch.
        parameters: of the scheme.
        opaque_classes: let the new run know its classes by keyed ids.

    Raises:
        ProfileError: the run takes encrypted images already.
        ParameterError: scheme, parameters or block size do not fit, or the classes are opaque already.
        IncompatibleModelError: this model cannot take up this cipher; the message says why.
        OutputError: ``out`` is not ours to write to.
    """
    before = run.profile
    if before.kind == "cipher":
        raise ProfileError(
            f"the run takes images encrypted with key {before.key_id}; encrypt a run on plain images, or change the "
            f"key with rotate-model"
        )
    require_new(out)
    cipher = create_cipher(scheme, block_size or _patch_side(run.model), before.channels, **(parameters or {}))
    ids = list(before.classes)
    if opaque_classes:
        if before.opaque_classes:
            raise ParameterError("the run's classes are opaque ids already; leave --opaque-classes out")
        named = class_ids(key, ids, True)
        ids = [named[name] for name in ids]
    profile = Profile(
        kind="cipher",
        scheme=scheme,
        parameters=cipher.parameters,
        block_size=cipher.block_size,
        channels=before.channels,
        size=run.size,
        fit=before.fit or "resize",
        background=before.background,
        codec=Codec(),
        key_scope="dataset",
        key_id=key.id,
        classes=tuple(ids),
        opaque_classes=before.opaque_classes or opaque_classes,
    )
    cfg = run.config["pretrained_cfg"]
    mean, std = (cfg.get(name, [0.5] * profile.channels) for name in ("mean", "std"))
    absorbed = absorb(run.model, profile, key, mean=mean, std=std)
    write_run(out, absorbed.model, profile, run.config, "encrypted")
    return EncryptedRun(profile, absorbed.variants, absorbed.moved, absorbed.difference)


def rotate_run(
    run: "Run", out: Path, old_key: SecretKey, new_key: SecretKey, *, names: dict[str, str] | None = None
) -> EncryptedRun:
    """Encrypts a run with another key: the plain model exists in memory only.

    Args:
        run: takes images encrypted with the old key: one that :func:`encrypt_run` made, trained further or not, or one
            trained on protected images whose cipher :func:`~blindsight.owner.model_cipher.decrypt_model` can take off.
        out: the new run folder; absent or empty.
        old_key: the key that the run names.
        new_key: the key to change to.
        names: class id -> class name; needed where the classes are opaque, whose ids are made anew.

    Raises:
        WrongKeyError: the old key is another one.
        ProfileError: the run takes plain images.
        ParameterError: both keys are the same, or opaque classes without names.
        IncompatibleModelError: the model has no way back.
        OutputError: ``out`` is not ours to write to.
    """
    before = run.profile
    if before.kind != "cipher":
        raise ProfileError(f"the run takes {before.kind} images and has no key to change; use encrypt-model")
    if old_key == new_key:
        raise ParameterError(f"old and new key are both {old_key.id}; make a new one with: blindsight key new")
    require_new(out)
    after = before.model_copy(
        update={"key_id": new_key.id, "size": run.size, "classes": _new_classes(before, new_key, names)}
    )
    plain = decrypt_model(run.model, before.model_copy(update={"size": run.size}), old_key)
    absorbed = absorb(plain, after, new_key)
    origin: Origin = "encrypted" if run.config.get("encrypted") is True else "trained"
    write_run(out, absorbed.model, after, run.config, origin)
    return EncryptedRun(after, absorbed.variants, absorbed.moved, absorbed.difference)


def _new_classes(before: Profile, key: SecretKey, names: dict[str, str] | None) -> tuple[str, ...]:
    if not before.opaque_classes:
        return before.classes
    missing = [name for name in before.classes if name not in (names or {})]
    if missing:
        raise ParameterError(
            f"the run's classes are opaque ids, made with the old key, and nothing names {missing[0]}; give --index, "
            f"the owner's index of the data set with these classes"
        )
    ids = class_ids(key, sorted((names or {}).values()), True)
    return tuple(ids[(names or {})[name]] for name in before.classes)


def _patch_side(model: "nn.Module") -> int:
    from blindsight.nets.first_layer import patch_embedding

    name, conv = patch_embedding(model)
    height, width = conv.kernel_size
    if height != width:
        raise ParameterError(
            f"{name} sees patches of {height}x{width} and blocks are square; give --block-size, a multiple of both"
        )
    return int(height)


def write_run(out: Path, model: "nn.Module", profile: Profile, config: dict[str, Any], origin: "Origin") -> None:
    """Writes a run of the owner's; while that goes on nothing takes the folder for one.

    Args:
        out: the run folder; absent or empty.
        model: the network.
        profile: of the images it takes, with their size.
        config: ``architecture`` and ``model_args`` of it.
        origin: what the weights came from.

    Raises:
        OutputError: the folder cannot be written to.
    """
    from blindsight.nets.runs import save_run, write_atomic

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make {out}: {error.strerror or error}") from None
    write_atomic(out / INCOMPLETE_MARKER, _MARKER)
    assert profile.size is not None
    save_run(
        out,
        model,
        profile,
        architecture=config["architecture"],
        size=profile.size,
        model_args=config["model_args"],
        origin=origin,
    )
    (out / INCOMPLETE_MARKER).unlink()
