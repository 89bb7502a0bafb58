"""The recipe of a training: every choice that changes its result, with the defaults."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from blindsight.errors import ParameterError
from blindsight.nets.runs import RESERVED_ARGUMENTS
from blindsight.provider.recipes import recipe_file, recipe_names

__all__ = ["INCIDENTAL", "TrainConfig"]

# Fields that change how fast a training is, or what else it writes, but not its result. The number of devices is none
# of them (it changes batches, schedule and seeds), nor is the accelerator (it changes the precision).
INCIDENTAL = frozenset({"cache", "threads", "tensorboard"})
#: What is no argument of the architecture; the rest of those comes from the data.
_OWN_OPTIONS = {
    "name": "--model",
    "pretrained": "--pretrained",
    "checkpoint": "--checkpoint",
    "img_size": "--img-size",
}

Fraction = Annotated[float, Field(ge=0, lt=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0)]


class TrainConfig(BaseModel):
    """How to train. Names and meanings follow timm where timm has them.

    Attributes:
        model: any timm model; the presets of ``blindsight.nets`` are among them.
        model_args: further arguments of the architecture, e.g. ``{"drop_path_rate": 0.1}``.
        pretrained: start from timm's weights for that name.
        checkpoint: start from this local file of weights, or from this run folder. With a folder, ``model`` and
            ``model_args`` are the run's where they are not given.
        img_size: (height, width) that plain and mixed images are brought to, whatever size they have; for enciphered
            images it can only be their own. None takes the data set's size.
        default_size: (height, width) for plain and mixed images whose folder states no size; None is the model's own.
        fit: how images of a plain folder are brought to that size. Enciphered images are never changed.
        mean: subtracted from pixels that were brought to 0..1, in every channel alike.
        std: what the difference is then divided by. 0.5 and 0.5 give -1..1; 0 and 1 give x / 255. Enciphered images
            take 0.5 and 0.5 only: nothing else makes a negated block the same block with its sign changed.
        epochs: passes over the training images.
        batch_size: images per step (on each device).
        opt: optimiser, any that timm knows.
        lr: peak learning rate.
        weight_decay: not applied to biases, norms and position embeddings.
        momentum: for the optimisers that have one.
        opt_eps: the optimiser's epsilon; None is its own default.
        sched: ``cosine`` (linear warm-up, then half a cosine), ``onecycle`` or ``constant`` (after the warm-up).
        warmup_epochs: length of the linear warm-up; None is a tenth of the epochs, at most 5. ``onecycle`` has its own.
        min_lr: where the schedule ends, as a fraction of ``lr``.
        smoothing: label smoothing.
        clip_grad: largest norm of the gradient; 0 is no clipping.
        sam: rho of sharpness-aware minimisation, at twice the time a step; 0 is off.
        mixup: alpha of mixup's Beta distribution; 0 is off.
        cutmix: alpha of CutMix on the block grid; 0 is off. With both, each batch takes one of them by a coin.
        mix_prob: the part of batches that mixup or CutMix is applied to.
        reprob: the part of images of which whole blocks are erased.
        reencrypt: the scheme by whose random permutations every training image is encrypted once more in every step,
            see :mod:`blindsight.provider.reencrypt`; None is off.
        ema: decay of the moving average of the weights, which is then what is evaluated and kept; 0 is off.
        precision: ``32-true``, ``bf16-mixed``, ``16-mixed``, or ``auto``: bfloat16 where the GPU or CPU has
            units for it (on a CPU, AMX or AVX-512 BF16), else 32 bit.
        compile: have ``torch.compile`` make kernels for this network first: minutes on a CPU, which pay in long
            trainings only (results/training.md). Changes the last digits.
        holdout: part of the training images kept for validation where the data has no ``val`` split.
        seed: of everything random in the training.
        deterministic: ask torch for deterministic kernels, where there are any.
        channels_last: memory layout; None is yes for convolutional networks, no for others.
        accelerator: ``auto``, ``cpu``, ``gpu`` or ``mps``.
        devices: processes, one device each (DDP).
        cache: ``ram`` keeps decoded images in memory, ``none`` reads files in every epoch, ``auto`` is ``ram`` below
            4 GB.
        threads: torch's threads; None leaves them as they are.
        tensorboard: also write TensorBoard event files.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model: str = "vit_micro_patch4_32"
    model_args: dict[str, bool | int | float | str] = Field(default_factory=dict)
    pretrained: bool = False
    checkpoint: Path | None = None
    img_size: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]] | None = None
    default_size: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]] | None = None
    fit: Literal["resize", "crop", "pad"] = "resize"
    mean: Probability = 0.5
    std: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.5
    epochs: Annotated[int, Field(gt=0)] = 20
    batch_size: Annotated[int, Field(gt=0)] = 128
    opt: str = "adamw"
    lr: Annotated[float, Field(gt=0)] = 1e-3
    weight_decay: NonNegative = 0.05
    momentum: Fraction = 0.9
    opt_eps: Annotated[float, Field(gt=0)] | None = None
    sched: Literal["cosine", "onecycle", "constant"] = "cosine"
    warmup_epochs: NonNegative | None = None
    min_lr: Probability = 0.0
    smoothing: Fraction = 0.1
    clip_grad: NonNegative = 1.0
    sam: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    mixup: NonNegative = 0.0
    cutmix: NonNegative = 0.0
    mix_prob: Probability = 1.0
    reprob: Probability = 0.0
    reencrypt: str | None = None
    ema: Fraction = 0.0
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    compile: bool = False
    holdout: Fraction = 0.1
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 42
    deterministic: bool = True
    channels_last: bool | None = None
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = "auto"
    devices: Annotated[int, Field(gt=0)] = 1
    cache: Literal["auto", "ram", "none"] = "auto"
    threads: Annotated[int, Field(gt=0)] | None = None
    tensorboard: bool = False

    @model_validator(mode="after")
    def _one_source_of_weights(self) -> Self:
        if self.pretrained and self.checkpoint is not None:
            raise ValueError("pretrained and checkpoint exclude each other; choose one source of weights")
        return self

    @field_validator("model_args")
    @classmethod
    def _architecture_only(cls, value: dict[str, Any]) -> dict[str, Any]:
        taken = sorted(value.keys() & (RESERVED_ARGUMENTS | {"img_size"}))
        if taken:
            option = _OWN_OPTIONS.get(taken[0])
            what = f"has an option of its own, {option}" if option else "comes from the data"
            raise ValueError(f"{taken[0]} {what}; leave it out of --model-arg (in files model_args)")
        return value

    @property
    def warmup(self) -> float:
        """Warm-up in epochs, with the default resolved."""
        return (
            min(5.0, 0.1 * self.epochs) if self.warmup_epochs is None else min(self.warmup_epochs, float(self.epochs))
        )

    @classmethod
    def make(cls, values: dict[str, Any]) -> "TrainConfig":
        """A recipe from plain values.

        Raises:
            ParameterError: naming the first field that is unknown or out of range.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            given = "" if isinstance(first["input"], dict) else f" (got {first['input']!r})"
            raise ParameterError(f"training recipe: {where + ': ' if where else ''}{first['msg']}{given}") from None

    @classmethod
    def read(cls, path: Path | str) -> dict[str, Any]:
        """The values of a recipe: a JSON object of fields, the ``recipe.json`` of a run, or a named recipe.

        Args:
            path: a file, or the name of one of :mod:`blindsight.provider.recipes`. A name wins over a file of that
                name here.

        Raises:
            ParameterError: neither a file nor a name (the message lists the names), or not a JSON object.
        """
        named = recipe_file(str(path))
        if named is None and not Path(path).is_file() and Path(path).suffix != ".json":
            raise ParameterError(f"there is no recipe '{path}', neither a file nor one of: {', '.join(recipe_names())}")
        path = named or Path(path)
        try:
            data = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise ParameterError(f"cannot read the recipe {path}: {error}") from None
        if isinstance(data, dict) and isinstance(data.get("config"), dict):
            data = data["config"]
        if not isinstance(data, dict):
            raise ParameterError(f'the recipe {path} is not a JSON object of fields such as {{"epochs": 20}}')
        return data

    def public(self) -> dict[str, Any]:
        """JSON values for ``recipe.json``: everything, the checkpoint by its file name only."""
        values = self.model_dump(mode="json")
        if self.checkpoint is not None:
            values["checkpoint"] = self.checkpoint.name
        return values
