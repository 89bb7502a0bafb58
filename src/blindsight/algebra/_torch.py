"""Signed permutations on torch tensors; imported only where a tensor came in."""

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from blindsight.algebra.permutation import SignedPermutation

__all__ = ["apply_tensor", "gather"]


def apply_tensor(permutation: "SignedPermutation", images: torch.Tensor) -> torch.Tensor:
    """Applies a signed permutation to uint8 tensors (..., C, H, W) on any device.

    On the CPU the block kernels do the work; elsewhere one gather through flat tables kept on the device.
    """
    height, width, channels = permutation.shape
    fits = images.shape[-3:] == (channels, height, width)
    permutation._check(images.dtype == torch.uint8, images.dtype, tuple(images.shape), fits, "C, H, W")
    if images.device.type == "cpu":
        array = images.detach().reshape(-1, channels, height, width).permute(0, 2, 3, 1).contiguous().numpy()
        result = torch.from_numpy(permutation._apply_batch(array)).permute(0, 3, 1, 2)
        return result.reshape(images.shape).contiguous()
    return gather(permutation, images)


def gather(permutation: "SignedPermutation", images: torch.Tensor) -> torch.Tensor:
    """One gather through flat tables on the tensor's own device."""
    height, width, channels = permutation.shape
    index, mask = _tables(permutation, images.device)
    flat = images.reshape(-1, channels * height * width)
    if permutation.sample == "byte":
        return (flat.index_select(1, index) ^ mask).reshape(images.shape)
    nibbles = torch.stack([flat & 15, flat >> 4], -1).flatten(1).index_select(1, index) ^ mask
    halves = nibbles.unflatten(1, (flat.shape[1], 2))
    return (halves[..., 0] | (halves[..., 1] << 4)).reshape(images.shape)


def _tables(permutation: "SignedPermutation", device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Flat index and mask in channel-first order, on the device, built once."""
    cached = permutation._device_tables.get(str(device))
    if cached is not None:
        return cached  # type: ignore[no-any-return]
    height, width, channels = permutation.shape
    parts = 2 if permutation.sample == "nibble" else 1
    # order[i]: which channel-last sample stands at channel-first place i; place is its inverse.
    last = np.arange(height * width * channels * parts).reshape(height, width, channels, parts)
    order = last.transpose(2, 0, 1, 3).reshape(-1)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    index = torch.from_numpy(place[permutation.index[order]]).to(device)
    mask = torch.from_numpy(permutation.mask[order].copy()).to(device)
    permutation._device_tables[str(device)] = (index, mask)
    return index, mask
