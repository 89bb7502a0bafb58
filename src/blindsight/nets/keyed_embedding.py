"""A patch embedding whose positions see their patches through signed in-patch permutations of one weight.

Where a cipher treats every block in its own way, as EtC does, a linear patch embedding absorbs it with a weight for
each position. All of them are one weight with its inputs permuted and signed, so that one is stored and trained, and
tables say how each position's patch has to be turned before it is multiplied: the same product, and the same gradient.

The tables are relative to the first state. They say how the blocks of an encrypted image lie to each other, openly;
see docs/encrypted-model.md.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from blindsight.errors import CorruptDataError, IncompatibleModelError
from blindsight.nets._keyed_shape import KeyedShape

__all__ = ["KeyedConv2d", "KeyedShape", "check_keyed", "keyed_layer"]


class KeyedConv2d(nn.Conv2d):
    """A non-overlapping convolution that un-permutes each patch first; it takes the place of a patch embedding's.

    With S = C * h * w samples a patch (channel, row, column), ``z[k] = variant_sign[v, k] * y[variant_index[v, k]]``
    for the patch y at a position of variant v, and the output there is ``weight . z + bias``.

    Attributes:
        weight: (D, C, h, w), in the gauge of variant 0, whose permutation is the identity.
        variant_index: int32 (V, S), permutations of 0..S-1.
        variant_sign: int8 (V, S), -1 or 1.
        position_variant: int32 (rows * cols,), 0..V-1, positions in raster order.

    Args:
        conv: the convolution whose weight and bias it takes over, not copies of them.
        shape: how large its tables are; they begin as identities.
    """

    variant_index: Tensor
    variant_sign: Tensor
    position_variant: Tensor

    def __init__(self, conv: nn.Conv2d, shape: KeyedShape) -> None:
        sizes = (conv.in_channels, conv.out_channels, conv.kernel_size)
        has_bias = conv.bias is not None or shape.bias
        # On meta: nothing is drawn, so that a seed gives the model that it gave without tables.
        super().__init__(*sizes, stride=conv.stride, bias=has_bias, device="meta", dtype=conv.weight.dtype)
        self.weight = conv.weight
        if conv.bias is not None:
            self.bias = conv.bias
        elif shape.bias:
            self.bias = nn.Parameter(torch.zeros_like(conv.weight[:, 0, 0, 0]))
        self.shape = shape
        samples = conv.in_channels * conv.kernel_size[0] * conv.kernel_size[1]
        where = conv.weight.device
        index = torch.arange(samples, dtype=torch.int32, device=where).repeat(shape.variants, 1)
        self.register_buffer("variant_index", index)
        self.register_buffer("variant_sign", torch.ones_like(index, dtype=torch.int8))
        positions = torch.zeros(shape.rows * shape.cols, dtype=torch.int32, device=where)
        self.register_buffer("position_variant", positions)

    def forward(self, x: Tensor) -> Tensor:
        """Float (N, C, rows * h, cols * w) -> (N, D, rows, cols).

        Raises:
            IncompatibleModelError: images of another size.
        """
        count, channels, height, width = x.shape
        (h, w), rows, cols = self.kernel_size, self.shape.rows, self.shape.cols
        if (height, width) != (rows * h, cols * w):
            raise IncompatibleModelError(
                f"the keyed embedding takes images of {rows * h}x{cols * w}, got {height}x{width}; "
                f"encrypt the model for the size that you need"
            )
        patches = x.reshape(count, channels, rows, h, cols, w).permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
        variant = self.position_variant.long()
        index, sign = self.variant_index[variant].long(), self.variant_sign[variant]
        turned = patches.gather(2, index.expand(count, -1, -1)) * sign
        return F.linear(turned, self.weight.flatten(1), self.bias).transpose(1, 2).unflatten(2, (rows, cols))

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, variants={self.shape.variants}, positions={self.shape.rows}x{self.shape.cols}"


def keyed_layer(model: nn.Module) -> KeyedConv2d | None:
    """The keyed embedding of a model; None where it has none."""
    return next((module for module in model.modules() if isinstance(module, KeyedConv2d)), None)


def check_keyed(layer: KeyedConv2d, origin: str) -> None:
    """Sees that tables read from a file are what they should be.

    Args:
        layer: with its tables filled.
        origin: the file, for the message.

    Raises:
        CorruptDataError: they are not.
    """
    index, sign, position = layer.variant_index, layer.variant_sign, layer.position_variant
    every = torch.arange(index.shape[1], dtype=index.dtype, device=index.device)
    whole = (
        bool((index.sort(dim=1).values == every).all())
        and bool((sign.abs() == 1).all())
        and bool(((position >= 0) & (position < layer.shape.variants)).all())
    )
    if not whole:
        raise CorruptDataError(f"{origin} holds a keyed embedding whose tables are no signed permutations; restore it")
