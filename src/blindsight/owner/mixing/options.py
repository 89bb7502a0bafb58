"""How a data set is to be mixed, and the profile that this gives."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any

from blindsight.errors import CorruptDataError, ParameterError, UnknownNameError
from blindsight.images import check_size
from blindsight.owner.options import OutputOptions, check_output, output_profile
from blindsight.profile import Profile, Scalar

__all__ = [
    "METHODS",
    "MixMethod",
    "MixOptions",
    "check_mix",
    "from_json",
    "mix_profile",
    "mixing_parameters",
    "settings",
    "to_json",
]


@dataclass(frozen=True)
class MixMethod:
    """What there is to know of a method before anything is drawn.

    Attributes:
        sources: donors an image by default.
        any_sources: False where the method has exactly that many.
        partners: whose images can be donors, ``same`` label or ``any``; the default first.
        own_parameters: fields of :class:`MixOptions` that are its own.
    """

    sources: int
    any_sources: bool
    partners: tuple[str, ...]
    own_parameters: tuple[str, ...]


METHODS = {
    # Label-based pixel block mixing (Xiang et al., arXiv 2105.08876): blocks exchanged with images of the same label.
    "pbm": MixMethod(10, True, ("same",), ("block", "probability")),
    # The weighted mean of two images (Zhang et al., arXiv 1710.09412).
    "mixup": MixMethod(1, False, ("same", "any"), ("alpha",)),
    # A rectangle of another image (Yun et al., arXiv 1905.04899).
    "cutmix": MixMethod(1, False, ("same", "any"), ("alpha",)),
    # The weighted mean of several images, every sample negated or not (Huang et al., arXiv 2010.02772); broken by
    # Carlini et al., arXiv 2011.05315.
    "instahide": MixMethod(3, True, ("any", "same"), ()),
}


@dataclass(frozen=True, kw_only=True)
class MixOptions(OutputOptions):
    """How to mix a data set. Names of the paper (arXiv 2105.08876) in brackets.

    Attributes:
        size: (height, width) of all mixed images; None where the source's images have one size already.
        method: a name in :data:`METHODS`.
        block: height and width of the blocks in pixels [L_b, W_b]; they divide the size. Of ``pbm`` only.
        sources: donors of each image [N_s]; None is the method's default. ``instahide`` mixes one image more than this.
        probability: of a block to be replaced. Of ``pbm`` only.
        targets: mixed images of each class [N_t]; None is as many as the class has.
        include_target: let an image be its own donor, as the paper's code does.
        replacement: let an image be drawn twice among the donors, for classes of N_s images or fewer.
        partners: whose images are donors, ``same`` label or ``any``; None is the method's default.
        alpha: of the Beta(alpha, alpha) distribution of ``mixup`` and ``cutmix``.
    """

    size: tuple[int, int] | None = (192, 192)
    method: str = "pbm"
    block: tuple[int, int] = (96, 24)
    sources: int | None = None
    probability: float = 0.5
    targets: int | None = None
    include_target: bool = False
    replacement: bool = False
    partners: str | None = None
    alpha: float = 1.0

    @property
    def kind(self) -> MixMethod:
        """The method's entry in :data:`METHODS`.

        Raises:
            UnknownNameError: there is none of that name.
        """
        if self.method not in METHODS:
            raise UnknownNameError.of("mixing method", self.method, list(METHODS))
        return METHODS[self.method]

    @property
    def donors(self) -> int:
        """N_s, with the method's default resolved."""
        return self.kind.sources if self.sources is None else self.sources

    @property
    def labels(self) -> str:
        """``same`` or ``any``, with the method's default resolved."""
        return self.kind.partners[0] if self.partners is None else self.partners

    @property
    def soft_labels(self) -> bool:
        """True where an image can belong to several classes at once, each in part."""
        return self.labels == "any"


def check_mix(options: MixOptions, size: tuple[int, int]) -> None:
    """Refuses options that cannot work, before anything is read.

    Args:
        options: what to do.
        size: (height, width) of the mixed images.

    Raises:
        ParameterError: naming the option.
        UnknownNameError: no such method.
    """
    method = options.kind
    check_output(options, block=(1, 1))
    check_size(size, 1)
    if options.method == "pbm":
        _check_block(options.block, size)
    if options.sources is not None and options.sources != method.sources and not method.any_sources:
        raise ParameterError(f"{options.method} has {method.sources} donor an image, got sources {options.sources}")
    least = 0 if options.method == "pbm" else 1
    if not method.any_sources:
        for name in ("include_target", "replacement"):
            if getattr(options, name):
                raise ParameterError(f"{name} has no meaning for {options.method}, which has one donor; leave it out")
    if options.donors < least:
        raise ParameterError(f"sources must be at least {least} for {options.method}, got {options.donors}")
    if not 0 <= options.probability <= 1:
        raise ParameterError(f"probability is that of a block to be replaced, 0 to 1; got {options.probability}")
    if not 0.01 <= options.alpha <= 100:
        raise ParameterError(f"alpha must be from 0.01 to 100, got {options.alpha}")
    if options.targets is not None and options.targets < 1:
        raise ParameterError(f"targets must be at least 1 image a class, got {options.targets}")
    if options.labels not in method.partners:
        known = " or ".join(sorted(method.partners, reverse=True))
        raise ParameterError(f"{options.method} takes partners of the {known} label, got {options.labels!r}")
    if options.soft_labels and options.layout == "shards":
        raise ParameterError("images of several classes need labels.csv, which shards cannot hold; use layout folder")
    if options.method == "instahide" and not options.codec.lossless:
        raise ParameterError("jpeg would destroy what the random signs of instahide scatter; use format png")
    if options.fit == "pad" and options.size is None:
        raise ParameterError("mixed images have one size; give a size to pad to")


def _check_block(block: tuple[int, int], size: tuple[int, int]) -> None:
    if all(side >= 1 and whole % side == 0 for side, whole in zip(block, size, strict=True)):
        return
    # The paper's blocks are meant for its images of 192x192: as large a part of others is what comes nearest.
    meant = [side * whole / 192 if block == (96, 24) else side for side, whole in zip(block, size, strict=True)]
    near = [
        min((n for n in range(1, whole + 1) if whole % n == 0), key=lambda n: abs(n - side))
        for side, whole in zip(meant, size, strict=True)
    ]
    raise ParameterError(
        f"blocks of {block[0]}x{block[1]} (height x width) do not tile images of {size[0]}x{size[1]}; "
        f"{near[0]}x{near[1]} do"
    )


def mixing_parameters(options: MixOptions) -> dict[str, Scalar]:
    """The public parameters, as they stand in the profile."""
    parameters: dict[str, Scalar] = {
        "sources": options.donors,
        "partners": options.labels,
        "include_target": options.include_target,
        "replacement": options.replacement,
    }
    if options.method == "pbm":
        parameters |= {"block": f"{options.block[0]}x{options.block[1]}", "probability": float(options.probability)}
    if "alpha" in options.kind.own_parameters:
        parameters["alpha"] = float(options.alpha)
    return parameters


def settings(options: MixOptions, size: tuple[int, int], paths: Iterable[str]) -> str:
    """Everything that decides a mixed set but the pixels and the key, as one text: part of every id.

    So a set that is published again with anything changed has other ids and other draws (``spec/mixing.md``).

    Args:
        options: what to do.
        size: (height, width) of the mixed images.
        paths: of all images that are mixed, in their order.
    """
    given = {
        "background": options.background.lower(),
        "channels": options.channels,
        "codec": options.codec.model_dump(mode="json"),
        "fit": options.fit or "resize",
        "inputs": hashlib.sha256("\n".join(paths).encode()).hexdigest(),
        "opaque_classes": options.opaque_classes,
        "parameters": mixing_parameters(options),
        "size": list(size),
        "targets": options.targets,
    }
    return json.dumps(given, sort_keys=True, separators=(",", ":"))


def mix_profile(options: MixOptions, size: tuple[int, int], ids: dict[str, str], views: int) -> Profile:
    """The profile of a mixed set. It names no key: nothing undoes it, and models do not depend on which key drew it.

    Args:
        options: what to do, checked.
        size: (height, width) of the mixed images.
        ids: class name -> class id.
        views: how many mixed images one image is at most the target of.

    Raises:
        ParameterError: a value that a profile cannot have.
    """
    return output_profile(
        options,
        size,
        ids,
        kind="mix",
        scheme=options.method,
        parameters=mixing_parameters(options),
        views=views,
    )


def to_json(options: MixOptions) -> dict[str, Any]:
    """JSON values of the options that decide what is drawn: for the owner's record of the run."""
    own = {field.name for field in fields(MixOptions)} - {field.name for field in fields(OutputOptions)}
    return {name: value for name, value in asdict(options).items() if name in own}


def from_json(run: dict[str, Any], profile: Profile) -> MixOptions:
    """The options of a finished run, from the owner's record of it and the profile.

    Raises:
        CorruptDataError: the record is damaged.
    """
    try:
        mixing = dict(run["mixing"])
        return MixOptions(
            **{**mixing, "block": tuple(mixing["block"])},
            size=profile.size,
            fit=profile.fit,
            channels=profile.channels,
            background=profile.background,
            codec=profile.codec,
            opaque_classes=profile.opaque_classes,
            layout=profile.layout,
            label=str(run["label"]),
            max_pixels=int(run["max pixels"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptDataError(f"the record of the run (job.json) is damaged ({error}); restore it") from None
