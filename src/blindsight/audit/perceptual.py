"""LPIPS: how different two images look to a network that knows photographs. Its weights are given on disk, or it is not
reported: nothing is downloaded.

Zhang, Isola, Efros, Shechtman and Wang, "The unreasonable effectiveness of deep features as a perceptual metric", CVPR
2018, version 0.1 with AlexNet.
"""

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindsight.errors import CorruptDataError, MissingDependencyError, ParameterError

__all__ = ["Lpips"]

#: Of AlexNet's five convolutions: name in the file, stride, padding, whether a 3 x 3 maximum of stride 2 comes before.
LAYERS = (
    ("net.slice1.0", 4, 2, False),
    ("net.slice2.3", 1, 2, True),
    ("net.slice3.6", 1, 1, True),
    ("net.slice4.8", 1, 1, False),
    ("net.slice5.10", 1, 1, False),
)
#: The means and deviations of ImageNet on samples in -1 to 1.
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
#: The smallest side on which all five layers have an output.
SIDE = 31


class Lpips:
    """The distance, with the weights of a file.

    Args:
        weights: a ``.pth`` file of ``lpips.LPIPS(net="alex").state_dict()``, or the same as ``.safetensors``.

    Raises:
        MissingDependencyError: torch is not installed.
        ParameterError: no such file.
        CorruptDataError: it does not hold these weights.
    """

    def __init__(self, weights: Path) -> None:
        try:
            import torch
        except ImportError:
            raise MissingDependencyError.of("torch", "provider", "LPIPS") from None
        if not weights.is_file():
            raise ParameterError(f"no file {weights}; give the weights of LPIPS (AlexNet), or leave --lpips out")
        try:
            found = _read(weights)
            self._layers = [
                (
                    found[f"{name}.weight"].float(),
                    found[f"{name}.bias"].float(),
                    found[f"lin{k}.model.1.weight"].float(),
                )
                for k, (name, *_) in enumerate(LAYERS)
            ]
        except (KeyError, AttributeError, TypeError, ValueError, RuntimeError, EOFError, UnpicklingError) as error:
            raise CorruptDataError(
                f"{weights} does not hold the weights of LPIPS with AlexNet ({type(error).__name__}: {error}); save "
                'lpips.LPIPS(net="alex").state_dict() there'
            ) from None
        self._torch = torch

    def __call__(self, a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
        """The distance.

        Args:
            a: uint8 (H, W, C), sides of 31 pixels and more.
            b: the same shape.

        Returns:
            0 for equal images; larger is more different, about 0.7 for unrelated photographs.

        Raises:
            ParameterError: not two such images.
        """
        if a.dtype != np.uint8 or a.shape != b.shape or a.ndim != 3 or a.shape[2] not in (1, 3):
            raise ParameterError(f"LPIPS compares two uint8 images (H, W, C) of one shape, got {a.shape} and {b.shape}")
        if min(a.shape[:2]) < SIDE:
            raise ParameterError(f"LPIPS needs sides of at least {SIDE} pixels, got {a.shape[0]}x{a.shape[1]}")
        torch, functional = self._torch, self._torch.nn.functional
        with torch.inference_mode():
            pair = torch.from_numpy(np.stack([np.broadcast_to(image, (*image.shape[:2], 3)) for image in (a, b)]))
            x = pair.permute(0, 3, 1, 2).float() / 127.5 - 1
            x = (x - torch.tensor(SHIFT)[:, None, None]) / torch.tensor(SCALE)[:, None, None]
            distance = 0.0
            for (_, stride, padding, pooled), (kernel, bias, linear) in zip(LAYERS, self._layers, strict=True):
                if pooled:
                    x = functional.max_pool2d(x, 3, 2)
                x = functional.conv2d(x, kernel, bias, stride, padding).relu()
                unit = x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)
                distance += float(functional.conv2d((unit[:1] - unit[1:]).square(), linear).mean())
        return distance


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    import torch

    return torch.load(path, map_location="cpu", weights_only=True)
