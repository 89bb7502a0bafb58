"""Class probabilities for images that have the run's protection already."""

import numpy as np
import torch
from torch import Tensor

from blindsight.errors import CorruptDataError, ParameterError, ProfileMismatchError
from blindsight.nets.runs import Run
from blindsight.provider.classifier import normalise, wants_channels_last

__all__ = ["logits_of", "pick_device", "predict"]


def pick_device(device: str | None) -> torch.device:
    """The named device, or the best there is.

    Raises:
        ParameterError: it is not there.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError):
        raise ParameterError(f"device '{device}' cannot be used here; try --device cpu") from None
    return found


@torch.inference_mode()
def logits_of(run: Run, images: Tensor) -> Tensor:
    """uint8 (N, C, H, W) on the model's device -> float32 logits (N, K), on the CPU.

    Images are normalised as they were in the training.

    Raises:
        CorruptDataError: a logit is not finite, so that any ranking of the classes would be made up.
    """
    layout = torch.channels_last if wants_channels_last(run.model) else torch.contiguous_format
    logits: Tensor = run.model(normalise(images, *run.normalisation).contiguous(memory_format=layout))
    found = logits.float().cpu()
    if not bool(torch.isfinite(found).all()):
        raise CorruptDataError("the run's weights give no finite numbers (NaN or infinity); train again")
    return found


def predict(run: Run, images: np.ndarray, *, batch_size: int = 256, device: str | None = None) -> np.ndarray:
    """Class probabilities.

    Args:
        run: a trained model.
        images: uint8 (N, H, W, C), protected as ``run.profile`` says, of the size ``run.size``.
        batch_size: images at a time.
        device: e.g. ``cuda:0``; None takes the best there is.

    Returns:
        float32 (N, K); column k is the class ``run.profile.classes[k]``. Rows sum to 1.

    Raises:
        ParameterError: not a uint8 array of four dimensions.
        ProfileMismatchError: images of another size or number of channels.
        CorruptDataError: the weights give no finite numbers.
    """
    if images.dtype != np.uint8 or images.ndim != 4:
        raise ParameterError(f"images must be uint8 (N, H, W, C), got {images.dtype} {images.shape}")
    expected = (*run.size, run.profile.channels)
    if images.shape[1:] != expected:
        raise ProfileMismatchError(
            f"the model takes images of {'x'.join(map(str, expected))} (height, width, channels), "
            f"got {'x'.join(map(str, images.shape[1:]))}; protect them with the profile of the run"
        )
    where = pick_device(device)
    run.model.to(where).eval()
    parts = [np.empty((0, len(run.profile.classes)), np.float32)]
    for start in range(0, len(images), batch_size):
        batch = torch.from_numpy(np.ascontiguousarray(images[start : start + batch_size])).permute(0, 3, 1, 2)
        parts.append(logits_of(run, batch.to(where)).softmax(1).numpy())
    return np.concatenate(parts)
