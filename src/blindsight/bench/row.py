"""The images of a row: what they go through before anybody learns from them."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from blindsight.profile import Codec, Scalar

__all__ = ["Images", "Mix", "Positive", "Strict", "Teach"]

Positive = Annotated[int, Field(gt=0)]


def _codec(text: Any) -> Any:
    """``png``, or ``jpeg QUALITY SUBSAMPLING`` such as ``jpeg 80 4:4:4``."""
    if not isinstance(text, str):
        return text
    words = text.split()
    if words[:1] == ["jpeg"] and len(words) == 3 and words[1].isdigit():
        return {"format": "jpeg", "quality": int(words[1]), "subsampling": words[2]}
    if len(words) == 1:
        return {"format": words[0]}
    raise ValueError(f"a codec is png, webp, or jpeg QUALITY SUBSAMPLING such as jpeg 80 4:4:4; got {text!r}")


def _sides(text: Any) -> Any:
    """``96x24`` -> (96, 24)."""
    parts = text.split("x") if isinstance(text, str) else text
    if isinstance(parts, list) and len(parts) == 2 and all(str(part).isdigit() for part in parts):
        return tuple(int(part) for part in parts)
    raise ValueError(f"a block is HEIGHTxWIDTH in pixels such as 96x24; got {text!r}")


class Strict(BaseModel):
    """Refuses unknown fields, and does not change."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Mix(Strict):
    """Mixing; fields as in :class:`blindsight.owner.mixing.MixOptions`. ``sources``: None is the method's default."""

    method: str = "pbm"
    block: Annotated[tuple[Positive, Positive], BeforeValidator(_sides)] = (96, 24)
    sources: Positive | None = None
    probability: Annotated[float, Field(ge=0, le=1)] = 0.5
    partners: Literal["same", "any"] | None = None


class Teach(Strict):
    """Labels from a model of plain images, see :mod:`blindsight.owner.soft_labels`.

    Attributes:
        teacher: the cell ROW/COLUMN whose model of the same seed it is; it has to be trained first.
        temperature: above 1 flattens its answers.
        share: of the teacher in a label; the image's class is the rest.
    """

    teacher: str
    temperature: Annotated[float, Field(gt=0)] = 2.0
    share: Annotated[float, Field(ge=0, le=1)] = 0.5


class Images(Strict):
    """What the images of a row go through before anybody learns from them.

    Attributes:
        scheme: a registered cipher; None is plain, or mixed where ``mix`` is given.
        parameters: of the scheme.
        block: side of its blocks in pixels.
        key_scope: ``dataset``, ``image`` or ``pool:K``.
        reductions: what is taken out before the cipher, see :mod:`blindsight.owner.reductions`.
        gray: without colour, under a cipher.
        mix: mixing instead of a cipher, and then tests are on plain images; or, of the training images, before it.
        augment: recipe of :mod:`blindsight.owner.augmentation`, applied to the mixed or plain training images.
        codec: ``png``, or ``jpeg QUALITY SUBSAMPLING``.
        allow_lossy: JPEG where it damages what can be revealed, as with 4x4 blocks.
        size: side in pixels that every image is brought to; None keeps the data's.
        views: copies of each training image, augmented by the owner before encryption.
        soft_labels: what a teacher of the owner's says of the protected training images.
        published: the name of this row in :mod:`blindsight.bench.published`.
    """

    scheme: str | None = None
    parameters: dict[str, Scalar] = Field(default_factory=dict)
    block: Positive = 16
    key_scope: Annotated[str, Field(pattern=r"^(dataset|image|pool:[1-9][0-9]{0,8})$")] = "dataset"
    reductions: tuple[str, ...] = ()
    gray: bool = False
    mix: Mix | None = None
    augment: str | None = None
    codec: Annotated[Codec, BeforeValidator(_codec)] = Codec()
    allow_lossy: bool = False
    size: Positive | None = None
    views: Positive = 1
    soft_labels: Teach | None = None
    published: str | None = None

    def facts(self) -> dict[str, Any]:
        """All that the images depend on, JSON. What came later and is off is left out: digests stay as they were."""
        late = {name for name in ("soft_labels", "reductions", "gray") if not getattr(self, name)}
        return self.model_dump(mode="json", exclude={"published"} | late)

    def over(self, *patches: Self) -> Self:
        """These, with the fields that the patches state."""
        stated = {field: getattr(patch, field) for patch in patches for field in patch.model_fields_set}
        return self.model_copy(update=stated)

    @property
    def kind(self) -> Literal["plain", "cipher", "mix"]:
        return "cipher" if self.scheme else "mix" if self.mix else "plain"

    def summary(self) -> str:
        """One line for people."""
        parts: list[str] = [self.kind]
        if self.scheme:
            parts = [self.scheme, f"{self.block}x{self.block}"]
            parts += [f"{k}={v}" for k, v in sorted(self.parameters.items())]
            parts += [f"key per {self.key_scope}"] if self.key_scope != "dataset" else []
            parts += list(self.reductions) + (["gray"] if self.gray else [])
        if self.mix:
            parts = (
                (parts if self.scheme else [])
                + [self.mix.method]
                + (["{}x{}".format(*self.mix.block)] if self.mix.method == "pbm" else [])
            )
        parts += [f"augmented ({self.augment})"] if self.augment else []
        if not self.codec.lossless:
            parts.append(f"JPEG Q{self.codec.quality} {self.codec.subsampling}")
        parts += [f"at {self.size}"] if self.size else []
        parts += [f"{self.views} views"] if self.views > 1 else []
        parts += [f"labels of {self.soft_labels.teacher}"] if self.soft_labels else []
        return ", ".join(parts)
