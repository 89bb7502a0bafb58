"""The ciphers as torchvision v2 transforms: plain pixels in, protected pixels out, and back.

They take what torchvision takes (PIL images, uint8 tensors (..., C, H, W), ``tv_tensors.Image`` and ``Video``), leave
labels and other entries of a sample alone (as everywhere in v2, of plain tensors only the first in a sample counts as
its image), and work inside ``v2.Compose``. Put them after every crop, flip or colour change, and before conversion to
float and normalisation.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2

from blindsight.errors import ParameterError
from blindsight.owner.keys import KeyReference, SecretKey
from blindsight.owner.protection import Protection
from blindsight.profile import Profile

__all__ = ["Decrypt", "Encrypt"]


def _is_image(entry: Any) -> bool:
    if isinstance(entry, tv_tensors.TVTensor):
        return isinstance(entry, tv_tensors.Image | tv_tensors.Video)
    return isinstance(entry, torch.Tensor | Image.Image)


class _KeyedTransform(v2.Transform):  # type: ignore[misc]  # torchvision has no types
    """Shared by both directions. Attributes with a leading underscore stay out of the repr."""

    _transformed_types = (torch.Tensor, Image.Image)

    def __init__(self, profile: Profile, key: SecretKey | KeyReference) -> None:
        super().__init__()
        if profile.key_scope not in (None, "dataset"):
            raise ParameterError(
                f"a transform does not know image ids, which key scope '{profile.key_scope}' needs; "
                f"use key scope 'dataset', or the command blindsight protect"
            )
        if profile.reductions:
            raise ParameterError(
                f"a transform only encrypts, and the profile's images were reduced by {' '.join(profile.reductions)} "
                f"first; use the command blindsight protect --reduce"
            )
        self.profile = profile
        self._reference = key if isinstance(key, KeyReference) else None
        self._loaded: Protection | None = Protection(profile, key.load() if isinstance(key, KeyReference) else key)

    _inverse = False

    def _direction(self, height: int, width: int) -> Any:
        # Another size has other tables: what the models of this profile have learnt would not apply.
        if self.profile.size not in (None, (height, width)):
            expected = "{}x{}".format(*self.profile.size)
            advice = "decrypt the image as it was protected" if self._inverse else "resize it before"
            raise ParameterError(f"the profile is for images of {expected} pixels, got {height}x{width}; {advice}")
        return self._protection.permutation(height, width, inverse=self._inverse)

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Refuses a sample without an image: what is handed back as it was would pass for protected."""
        if not any(_is_image(entry) for entry in flat_inputs):
            found = ", ".join(sorted({type(entry).__name__ for entry in flat_inputs})) or "nothing"
            raise ParameterError(
                f"expected a PIL image or a uint8 tensor (..., C, H, W), got {found}; convert it first"
            )

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:  # noqa: ARG002
        if not _is_image(inpt):
            return inpt  # boxes and masks have no pixels to hide
        if isinstance(inpt, Image.Image):
            return self._transform_pil(inpt)
        if inpt.ndim < 3:
            raise ParameterError(f"an image tensor has shape (..., C, H, W), got {tuple(inpt.shape)}")
        changed = self._direction(inpt.shape[-2], inpt.shape[-1]).apply(inpt.as_subclass(torch.Tensor))
        return tv_tensors.wrap(changed, like=inpt) if isinstance(inpt, tv_tensors.TVTensor) else changed

    def _transform_pil(self, image: Image.Image) -> Image.Image:
        mode = "RGB" if self.profile.channels == 3 else "L"
        if image.mode != mode:
            raise ParameterError(f"expected a PIL image of mode {mode}, got {image.mode}; convert it first")
        pixels: NDArray[np.uint8] = np.asarray(image)
        return Image.fromarray(self._direction(image.height, image.width).apply(pixels))

    def extra_repr(self) -> str:
        return self.profile.summary()

    def __getstate__(self) -> dict[str, Any]:
        if self._reference is None:
            raise TypeError(
                f"{type(self).__name__} holds a secret key, which is never pickled; make it with "
                f"KeyReference.of(KEY_FILE), so that worker processes load the key themselves"
            )
        return {**self.__dict__, "_loaded": None}

    @property
    def _protection(self) -> Protection:
        # Loaded when it is first used: of an error while a worker unpickles, the DataLoader says only that one died.
        if self._loaded is None:
            assert self._reference is not None  # __getstate__ sees to that
            self._loaded = Protection(self.profile, self._reference.load())
        return self._loaded


class Encrypt(_KeyedTransform):
    """Protects images as a profile says.

    Args:
        profile: of kind ``cipher`` and key scope ``dataset``.
        key: the key that it names; a :class:`~blindsight.owner.keys.KeyReference` where the transform is to be
            pickled, as for DataLoader workers that are spawned.

    Raises:
        ParameterError: another key scope; when called: not uint8, not the profile's size, or not whole blocks.
        WrongKeyError: another key.

    Example:
        >>> transform = v2.Compose([v2.Resize((224, 224)), Encrypt(profile, KeyReference.of("owner.key"))])
    """


class Decrypt(_KeyedTransform):
    """The exact inverse of :class:`Encrypt`; same arguments, same errors."""

    _inverse = True
