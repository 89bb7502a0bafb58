"""The public facts of a protection: what a provider may know, and all it needs to know.

A profile stands beside every protected data set and every model trained on one (``profile.json``). It holds no key,
time, path, host or user name. The key id lets a wrong key be refused before anything is computed with it.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from blindsight.errors import OutputError, ProfileError, ProfileMismatchError

__all__ = ["INCOMPLETE_MARKER", "PROFILE_NAME", "SPLITS", "Codec", "Profile"]

PROFILE_NAME = "profile.json"
INCOMPLETE_MARKER = ".incomplete"

#: Folder names that mean a split, in lower case, and the split they mean.
SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}

Scalar = bool | int | float | str
Positive = Annotated[int, Field(gt=0)]


class Codec(BaseModel):
    """How protected images are stored.

    Attributes:
        format: ``png`` and ``webp`` are lossless here; ``jpeg`` is not.
        quality: JPEG quality, 1 to 100; None for lossless formats.
        subsampling: chroma subsampling of JPEG, ``4:4:4`` or ``4:2:0``; None for lossless formats and grayscale.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["png", "jpeg", "webp"] = "png"
    quality: Annotated[int, Field(ge=1, le=100)] | None = None
    subsampling: Literal["4:4:4", "4:2:0"] | None = None

    @property
    def lossless(self) -> bool:
        return self.format != "jpeg"

    @property
    def suffix(self) -> str:
        """File name suffix, with the dot."""
        return {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}[self.format]

    @model_validator(mode="after")
    def _quality_is_jpegs(self) -> Self:
        if self.format == "jpeg" and self.quality is None:
            raise ValueError("a JPEG codec needs a quality (1 to 100)")
        if self.format != "jpeg" and (self.quality is not None or self.subsampling is not None):
            raise ValueError(f"quality and subsampling belong to jpeg, not to {self.format}")
        return self


class Profile(BaseModel):
    """The public description of a protected (or plain) data set.

    Attributes:
        kind: ``cipher`` (a key undoes it), ``mix`` (pixel block mixing, nothing undoes it) or ``plain``.
        scheme: registered cipher or mixing name, e.g. ``etc``; None for ``plain``.
        parameters: public parameters of the scheme, JSON scalars.
        block_size: side M of the square blocks, in pixels; None for ``plain``.
        channels: 3 (RGB) or 1 (grayscale).
        size: (height, width) in pixels that every image was brought to, or None where sizes vary.
        fit: how images were brought to that size or to multiples of the block size.
        background: colour that transparent pixels were laid over, ``#rrggbb``.
        codec: how the images are stored.
        layout: ``folder`` (an ImageFolder tree) or ``shards`` (WebDataset tar files).
        key_scope: ``dataset``, ``image`` or ``pool:K``; None where there is no key.
        key_id: public id of the key; None where there is no key.
        reductions: what the owner took out of the images before encryption, for good, in order, such as ``level``.
        views: protected copies per training image (augmented before encryption); 1 is none besides the image itself.
        classes: class ids in index order: a label is a position in this list. Empty for unlabelled images.
        opaque_classes: True where class ids are keyed hashes that only the owner can turn into names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["blindsight-profile/1"] = "blindsight-profile/1"
    kind: Literal["cipher", "mix", "plain"]
    scheme: str | None = None
    parameters: dict[str, Scalar] = Field(default_factory=dict)
    block_size: Positive | None = None
    channels: Literal[1, 3] = 3
    size: tuple[Positive, Positive] | None = None
    fit: Literal["pad", "crop", "resize"] | None = None
    background: Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")] = "#ffffff"
    codec: Codec = Codec()
    layout: Literal["folder", "shards"] = "folder"
    key_scope: Annotated[str, Field(pattern=r"^(dataset|image|pool:[1-9][0-9]{0,8})$")] | None = None
    key_id: Annotated[str, Field(pattern=r"^bsk1-[a-z2-7]{16}$")] | None = None
    reductions: tuple[str, ...] = ()
    views: Positive = 1
    classes: tuple[str, ...] = ()
    opaque_classes: bool = False

    @field_validator("classes")
    @classmethod
    def _classes_are_distinct(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) != len(classes):
            raise ValueError("class ids must be distinct")
        return classes

    @model_validator(mode="after")
    def _cipher_is_complete(self) -> Self:
        if self.kind == "cipher":
            missing = [n for n in ("scheme", "block_size", "key_scope", "key_id") if getattr(self, n) is None]
            if missing:
                raise ValueError(f"a cipher profile needs {', '.join(missing)}")
        if self.kind == "plain" and (self.scheme or self.key_id):
            raise ValueError("a plain profile has no scheme and no key id")
        return self

    @model_serializer(mode="wrap")
    def _without_what_came_later(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Profiles that use no reductions stay as they were, byte for byte.
        values: dict[str, Any] = handler(self)
        if not self.reductions:
            values.pop("reductions", None)
        return values

    def to_json(self) -> str:
        """Canonical text: sorted keys, two-space indent, one newline at the end."""
        return json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, origin: str = PROFILE_NAME) -> "Profile":
        """Parses and checks a profile.

        Args:
            text: JSON text.
            origin: what to call it in an error message.

        Raises:
            ProfileError: not JSON, an unknown field or version, or a value out of range.
        """
        try:
            data: Any = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ProfileError(f"{origin} is not JSON ({error}); was it edited or cut off?") from None
        version = data.get("format") if isinstance(data, dict) else None
        if version != "blindsight-profile/1":
            raise ProfileError(f"{origin} has format {version!r}, expected 'blindsight-profile/1'; update blindsight?")
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "profile"
            raise ProfileError(f"{origin}: {where}: {first['msg']}") from None

    @classmethod
    def of_folder(cls, folder: Path) -> "Profile | None":
        """The profile of a data set or run folder; None where there is none (a plain folder).

        Raises:
            OutputError: the folder is missing, or a protection run into it has not finished.
            ProfileError: the profile is malformed.
        """
        if not folder.is_dir():
            raise OutputError(f"{folder} is not a folder; give the one that protect, mix or train wrote")
        if (folder / INCOMPLETE_MARKER).exists():
            raise OutputError(f"{folder} is incomplete; finish it with the command that began it and --resume")
        path = folder / PROFILE_NAME
        if not path.exists():
            return None
        try:
            text = path.read_bytes()
        except OSError as error:
            raise ProfileError(f"cannot read {path}: {error.strerror}; restore it, or protect again") from None
        return cls.from_json(text, origin=str(path))

    def require_same_protection(self, other: "Profile", mine: str, theirs: str) -> None:
        """Refuses to mix data or models of different protections.

        Compares what a model sees: kind, scheme, parameters, block size, channels, reductions, key and its scope.
        Codec, fit, views and classes may differ (classes are matched by id elsewhere).

        Args:
            other: the profile to compare with.
            mine: what this profile belongs to, for the message (e.g. "the model").
            theirs: what the other belongs to (e.g. "the data set").

        Raises:
            ProfileMismatchError: naming the first difference.
        """
        for name in ("kind", "scheme", "parameters", "block_size", "channels", "reductions", "key_id", "key_scope"):
            a, b = getattr(self, name), getattr(other, name)
            if a != b:
                raise ProfileMismatchError(
                    f"{mine} and {theirs} differ in {name}: {a!r} and {b!r}; protect both the same way with one key"
                )

    def summary(self) -> str:
        """One line for people: ``etc, blocks of 16, 224x224 RGB, jpeg q90 4:2:0, key bsk1-…, scope dataset``."""
        size = f"{self.size[0]}x{self.size[1]}" if self.size else "mixed sizes"
        codec: str = self.codec.format
        if self.codec.quality is not None:
            codec += f" q{self.codec.quality}"
        if self.codec.subsampling:
            codec += f" {self.codec.subsampling}"
        parts = [self.scheme or self.kind]
        if self.block_size:
            parts.append(f"blocks of {self.block_size}")
        parts += [f"{size} {'RGB' if self.channels == 3 else 'grayscale'}", codec]
        if self.reductions:
            parts.append(f"reduced by {' '.join(self.reductions)}")
        if self.key_id:
            parts.append(f"key {self.key_id}, scope {self.key_scope}")
        return ", ".join(parts)
