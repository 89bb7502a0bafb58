"""Does this network fit these protected images? What to choose where it does not."""

from typing import Any

from blindsight.errors import IncompatibleModelError, ParameterError
from blindsight.profile import Profile

__all__ = ["check_compatible"]


def check_compatible(
    model: Any,
    profile: Profile,
    size: tuple[int, int],
    *,
    name: str = "the model",
    pretrained: bool = False,
    mean: float = 0.5,
    std: float = 0.5,
) -> list[str]:
    """Compares a network's geometry, and how it is given images, with a protection's.

    Mixed images are images like any other to a network, whatever blocks they were mixed of: nothing was moved.

    A patch that equals the block, or divides it, sees every block through the same weights whatever the key did. A
    patch of several blocks sees blocks that the key has brought together from anywhere. One that neither divides nor
    is divided straddles blocks, and then no position of the patch grid means the same thing twice.

    An adaptation network is made for blocks of one size, or for single pixels, whatever stands behind it.

    Args:
        model: a timm network.
        profile: the protection of the images.
        size: (height, width) of the images.
        name: what to call the network in messages.
        pretrained: whether its weights were trained elsewhere, so that their normalisation matters.
        mean: images are given to the network as ``(x / 255 - mean) / std``.
        std: see ``mean``.

    Returns:
        Warnings for people, one line each; empty where everything fits.

    Raises:
        IncompatibleModelError: the patches do not fit the blocks or the image, or the network takes another size.
        ParameterError: enciphered images are to be normalised otherwise than with 0.5 and 0.5.
    """
    from blindsight.nets.adaptation import AdaptedNet
    from blindsight.nets.factory import built_for, patch_size, preset_for

    warnings = []
    patch = patch_size(model)
    block = profile.block_size if profile.kind == "cipher" else None
    fitting = f"; fitting presets: {', '.join(preset_for(block, size))}" if block else ""
    if profile.kind == "cipher" and (mean, std) != (0.5, 0.5):
        raise ParameterError(
            f"mean {mean:g} and std {std:g} cannot be used on enciphered images: a negated block, 255 - x, is the same "
            f"block with its sign changed with mean 0.5 and std 0.5 only; leave --mean and --std out, or add them "
            f"as 0.5 where the recipe has others"
        )
    if profile.size is not None and tuple(profile.size) != tuple(size) and profile.kind == "cipher":
        raise IncompatibleModelError(
            f"the images are {_by(profile.size)} and {name} would take {_by(size)}; "
            f"enciphered images cannot be resized: leave --img-size out, or protect with --size"
        )
    only = built_for(model)
    if only is not None and only != tuple(size):
        raise IncompatibleModelError(f"{name} is built for {_by(only)} and the images are {_by(size)}{fitting}")
    if isinstance(model, AdaptedNet):
        return _adapted(model.patch_size, profile, name)
    if patch is not None:
        if size[0] % patch[0] or size[1] % patch[1]:
            raise IncompatibleModelError(
                f"{name} cuts patches of {_by(patch)}, which do not tile images of {_by(size)}; "
                f"choose a patch size that divides both sides{fitting}"
            )
        if block is not None:
            for side in set(patch):
                if side % block and block % side:
                    raise IncompatibleModelError(
                        f"patches of {_by(patch)} ({name}) straddle the encrypted blocks of {block}x{block}; "
                        f"choose a patch size that divides {block}{fitting}"
                    )
            if any(side % block == 0 and side != block for side in patch):
                warnings.append(
                    f"patches of {_by(patch)} ({name}) hold several encrypted blocks of {block}x{block}; accuracy is "
                    f"usually better with patches of {block} or a divisor of it{fitting}"
                )
            elif patch != (block, block):
                warnings.append(
                    f"patches of {_by(patch)} ({name}) are smaller than the encrypted blocks of {block}x{block}; that "
                    f"works, and a patch of {block} sees each block whole{fitting}"
                )
    elif block is not None:
        warnings.append(
            f"{name} does not cut its input into patches, so its first layers see across block borders; isotropic "
            f"networks (ViT, ConvMixer) do better on encrypted blocks{fitting}"
        )
    if pretrained and profile.kind == "cipher":
        cfg = getattr(model, "pretrained_cfg", None) or {}
        means, stds = tuple(cfg.get("mean", ())), tuple(cfg.get("std", ()))
        if set(means) | set(stds) != {0.5}:
            warnings.append(
                f"the pretrained weights of {name} expect mean {_round(means)} and std {_round(stds)}; images are "
                f"given with 0.5 and 0.5, for only then is a negated block the same block with its sign changed"
            )
    return warnings


def _adapted(side: int, profile: Profile, name: str) -> list[str]:
    """What there is to say of an adaptation network for blocks of ``side`` pixels."""
    block = profile.block_size if profile.kind == "cipher" else None
    if block is None or side == block:
        return []
    if side == 1:
        # PE moves no pixel: its blocks mean nothing.
        if profile.scheme == "pe":
            return []
        return [
            f"{name} adapts single pixels, and {profile.scheme} works on blocks of {block}x{block}; "
            f"le_adaptnet and ele_adaptnet are made for blocks"
        ]
    if side % block and block % side:
        raise IncompatibleModelError(
            f"{name} adapts blocks of {side}x{side}, which straddle the encrypted blocks of {block}x{block}; "
            f"give it block_size {block} (model_args)"
        )
    return [
        f"{name} adapts blocks of {side}x{side} and the encrypted blocks are {block}x{block}; it is made for equal "
        f"ones: give it block_size {block} (model_args)"
    ]


def _by(pair: Any) -> str:
    return f"{pair[0]}x{pair[1]}"


def _round(values: tuple[float, ...]) -> str:
    return "/".join(f"{v:.3g}" for v in values) or "unknown"
