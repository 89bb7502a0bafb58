"""How a data set is to be protected or mixed and stored, and the profile that this gives."""

import re
from dataclasses import dataclass, field
from typing import Any

from blindsight.errors import ParameterError, ProfileError
from blindsight.images import DEFAULT_MAX_PIXELS, check_codec, check_size
from blindsight.labels import LABELS_NAME
from blindsight.owner.ciphers import create_cipher
from blindsight.owner.ids import class_id
from blindsight.owner.keys import SecretKey
from blindsight.owner.reductions import Reduction
from blindsight.owner.sources._base import SPLITS
from blindsight.profile import PROFILE_NAME, Codec, Profile, Scalar

__all__ = [
    "OutputOptions",
    "ProtectOptions",
    "build_profile",
    "check_key_scope",
    "check_output",
    "class_ids",
    "output_profile",
]


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """How images are read and stored: what protecting and mixing share.

    Attributes:
        size: (height, width) in pixels to bring every image to; None keeps each image's own.
        fit: ``pad``, ``crop`` or ``resize``; None is ``resize`` where a size is given and ``pad`` where not.
        channels: 3 (RGB) or 1 (grayscale).
        background: what transparent pixels are laid over, ``#rrggbb``.
        codec: how the images are stored.
        opaque_classes: replace class names by keyed hashes.
        layout: ``folder``, an ImageFolder tree, or ``shards``, WebDataset tar files.
        shard_size: images a shard.
        label: data-set label, part of every image id; None is the source's own.
        max_pixels: larger images are rejected.
    """

    size: tuple[int, int] | None = None
    fit: str | None = None
    channels: int = 3
    background: str = "#ffffff"
    codec: Codec = field(default_factory=Codec)
    opaque_classes: bool = False
    layout: str = "folder"
    shard_size: int = 1000
    label: str | None = None
    max_pixels: int = DEFAULT_MAX_PIXELS


@dataclass(frozen=True, kw_only=True)
class ProtectOptions(OutputOptions):
    """How to protect a data set.

    Attributes:
        scheme: a registered cipher.
        block_size: side M of the blocks in pixels; None for the scheme's own.
        parameters: the scheme's own parameters.
        key_scope: ``dataset``, ``image`` or ``pool:K``.
        reductions: what to take out of the images first, see :mod:`blindsight.owner.reductions`.
        views: protected copies of each training image; from the second on they are augmented before encryption.
        allow_lossy: allow JPEG where it damages what can be revealed.
    """

    scheme: str = "etc"
    block_size: int | None = None
    parameters: dict[str, Scalar] = field(default_factory=dict)
    key_scope: str = "dataset"
    reductions: tuple[str, ...] = ()
    views: int = 1
    allow_lossy: bool = False


def build_profile(
    options: ProtectOptions,
    key: SecretKey,
    class_names: list[str],
    uniform_size: tuple[int, int] | None = None,
) -> Profile:
    """The profile that these options give; checks all of them before anything is read.

    Args:
        options: what to do.
        key: the owner's key.
        class_names: names of the classes; empty for unlabelled images.
        uniform_size: the size that all images have, where that is known; stated in the profile if it needs no fitting.

    Raises:
        ParameterError: an option that cannot work, alone or with the others.
        UnknownNameError: no such scheme or reduction.
    """
    cipher = create_cipher(options.scheme, options.block_size, options.channels, **options.parameters)
    block_size = cipher.block_size
    check_size(options.size, block_size)
    check_codec(
        options.codec,
        block_size=block_size,
        jpeg_safe=cipher.jpeg_safe,
        allow_lossy=options.allow_lossy,
        channels=options.channels,
    )
    check_output(options, block=(block_size, block_size))
    if options.views < 1:
        raise ParameterError(f"views must be at least 1, got {options.views}")
    check_key_scope(options.key_scope)
    reductions = tuple(str(Reduction.parse(text)) for text in options.reductions)
    names = class_ids(key, class_names, options.opaque_classes)
    size = options.size
    if size is None and uniform_size and not any(side % block_size for side in uniform_size):
        size = uniform_size
    return output_profile(
        options,
        size,
        names,
        kind="cipher",
        scheme=options.scheme,
        parameters=cipher.parameters,
        block_size=block_size,
        key_scope=options.key_scope,
        key_id=key.id,
        reductions=reductions,
        views=options.views,
    )


def check_key_scope(key_scope: str) -> None:
    """Refuses what is no key scope.

    Raises:
        ParameterError: neither ``dataset`` nor ``image`` nor ``pool:K``.
    """
    if not re.fullmatch(r"dataset|image|pool:[1-9][0-9]{0,8}", key_scope):
        raise ParameterError(f"key scope must be dataset, image or pool:K (such as pool:8), got {key_scope!r}")


def check_output(options: OutputOptions, block: tuple[int, int]) -> None:
    """Refuses a layout, size or block that no image can have.

    Args:
        options: what to do.
        block: (height, width) of the blocks in pixels.

    Raises:
        ParameterError: naming the option.
    """
    for what, (height, width) in (("blocks", block), ("size", options.size or (1, 1))):
        if height * width > options.max_pixels:
            raise ParameterError(
                f"{what} of {height}x{width} pixels are over the limit of {options.max_pixels} pixels an image; "
                f"choose smaller ones, or raise max pixels"
            )
    if options.layout not in ("folder", "shards"):
        raise ParameterError(f"layout must be folder or shards, got {options.layout!r}")
    if options.shard_size < 1:
        raise ParameterError(f"shard size must be at least 1, got {options.shard_size}")


def output_profile(options: OutputOptions, size: tuple[int, int] | None, ids: dict[str, str], **facts: Any) -> Profile:
    """A profile of these options, checked.

    Args:
        options: how images are stored.
        size: (height, width) of every image, or None.
        ids: class name -> class id.
        facts: the other fields: kind, scheme and what belongs to them.

    Raises:
        ParameterError: a value that a profile cannot have.
    """
    try:
        return Profile.from_json(
            Profile.model_construct(
                channels=options.channels,
                size=size,
                fit=options.fit or ("resize" if size else "pad"),
                background=options.background.lower(),
                codec=options.codec,
                layout=options.layout,
                classes=tuple(sorted(ids.values())),
                opaque_classes=options.opaque_classes,
                **facts,
            ).model_dump_json(warnings=False)
        )
    except ProfileError as error:
        raise ParameterError(str(error).replace("profile.json: ", "")) from None


def class_ids(key: SecretKey, names: list[str], opaque: bool) -> dict[str, str]:
    """Class name -> class id, which is also a folder name.

    Raises:
        ParameterError: a readable name that cannot be a folder name.
    """
    if opaque:
        return {name: class_id(key, name) for name in names}
    for name in names:
        if not name or name[0] == "." or len(name.encode()) > 200 or re.search(r'[\x00-\x1f\x7f/\\<>:"|?*]', name):
            raise ParameterError(f"class {name!a} cannot be a folder name; rename it or use opaque class ids")
        if name.lower() in (PROFILE_NAME, LABELS_NAME):
            raise ParameterError(f"class '{name}' has the name of a file of the set; rename it or use opaque class ids")
        if name.lower() in SPLITS:  # nobody could tell its folder from a split's
            raise ParameterError(f"class '{name}' has the name of a split; rename it or use opaque class ids")
    return {name: name for name in names}
