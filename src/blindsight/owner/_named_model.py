"""A model by timm's name, with weights that were trained elsewhere, as a run that was never saved."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from blindsight.errors import CorruptDataError, ParameterError, UnknownNameError
from blindsight.profile import Profile

if TYPE_CHECKING:
    from blindsight.nets.runs import Run

__all__ = ["named_run", "read_labels_file"]


def named_run(
    name: str,
    *,
    checkpoint: Path | None = None,
    classes: list[str] | None = None,
    size: tuple[int, int] | None = None,
) -> "Run":
    """Makes it.

    Args:
        name: as timm has it, with or without a pretrained tag.
        checkpoint: a local file of its weights; None fetches timm's.
        classes: what its outputs mean, in order; None numbers them from 0.
        size: (height, width) in pixels; None takes the model's own.

    Raises:
        UnknownNameError: timm has no model of that name.
        CorruptDataError: the file does not hold weights of that model with a classifier.
        ParameterError: the weights have another number of classes.
        BlindsightError: the weights could not be fetched.
    """
    import timm
    from timm.models import is_model, list_models

    from blindsight.nets.factory import create_model, takes_img_size
    from blindsight.nets.runs import Run

    base = name.split(".")[0]
    if not is_model(base):
        raise UnknownNameError.of("model", name, list_models())
    try:
        known = timm.get_pretrained_cfg(name, allow_unregistered=True)
    except RuntimeError:
        raise UnknownNameError.of("model", name, list_models(f"{base}*", pretrained=True)) from None
    outputs = int(known.num_classes) if checkpoint is None else _outputs(checkpoint, known.classifier)
    if not outputs:
        raise ParameterError(f"{name} has no classifier, only features; train one with it first, then encrypt the run")
    if classes is not None and len(classes) != outputs:
        raise ParameterError(f"the labels name {len(classes)} classes and the weights of {name} have {outputs}")
    chosen = size or (int(known.input_size[1]), int(known.input_size[2]))
    weights: dict[str, Any] = {"pretrained": True} if checkpoint is None else {"checkpoint": checkpoint}
    model = create_model(name, num_classes=outputs, img_size=chosen, **weights).eval()
    cfg = dict(model.pretrained_cfg)
    config = {
        "architecture": base,
        "num_classes": outputs,
        "model_args": {"img_size": list(chosen)} if takes_img_size(base) else {},
        "pretrained_cfg": {"input_size": [3, *chosen], "mean": list(cfg["mean"]), "std": list(cfg["std"])},
    }
    labels = tuple(classes) if classes is not None else tuple(str(k) for k in range(outputs))
    return Run(model, Profile(kind="plain", size=chosen, fit="resize", classes=labels), config)


def _outputs(checkpoint: Path, classifier: Any) -> int:
    """How many classes a file of weights tells apart."""
    from timm.models import load_state_dict

    if not checkpoint.is_file():
        raise CorruptDataError(f"there is no weights file {checkpoint}; give a safetensors or PyTorch file")
    try:
        state = load_state_dict(str(checkpoint), use_ema=True)
    except Exception as error:  # whatever torch and pickle have to say of a foreign file
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CorruptDataError(f"{checkpoint} is not a file of weights: {reason}") from None
    names = [classifier] if isinstance(classifier, str) else list(classifier or ())
    found = [state[f"{name}.weight"].shape[0] for name in names if f"{name}.weight" in state]
    if not found:
        raise CorruptDataError(f"{checkpoint} holds no classifier ({', '.join(names)}), so there is nothing to predict")
    return int(found[0])


def read_labels_file(path: Path) -> list[str]:
    """Names of classes from a text file, one a line.

    Raises:
        ParameterError: the file cannot be read, or a name is empty or occurs twice.
    """
    try:
        names = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"cannot read the labels {path}: {error}") from None
    if not names or not all(names) or len(set(names)) != len(names):
        raise ParameterError(f"{path} must name every class once, one a line, without empty lines")
    return names
