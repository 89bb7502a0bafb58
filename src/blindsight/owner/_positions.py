"""What a model knows of where a patch stands, and how far that can follow patches that change their places."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindsight.errors import IncompatibleModelError

__all__ = ["move_positions", "relative_position"]

_RELATIVE = re.compile(r"rel_pos|relative_position|rel_bias|attention_bias|rope|rotary|freqs", re.IGNORECASE)
_ADVICE = (
    "choose a ViT with position embeddings that are added to its tokens (such as vit_*, deit_*, or the presets here), "
    "or a scheme that leaves the blocks in their places: np, pe or bps"
)


def relative_position(model: Any) -> str | None:
    """Name of a part by which attention knows how patches lie to each other; None where there is none.

    Args:
        model: a timm model.
    """
    names = [name for name, _ in (*model.named_modules(), *model.named_parameters(), *model.named_buffers())]
    return next((name for name in names if _RELATIVE.search(name)), None)


def move_positions(model: Any, source: NDArray[np.int64], embedding: str) -> None:
    """Lets the position embeddings follow their patches, in place: row i becomes row ``source[i]``.

    Class, distillation and register tokens stand before the patches and stay. A model that has nothing positional is
    left as it is.

    Args:
        model: a timm model.
        source: int (n,), which patch comes to place i.
        embedding: name of the patch embedding, which is not looked at.

    Raises:
        IncompatibleModelError: the model knows positions in another way; the message says in which.
    """
    import torch
    from torch import nn

    what = type(model).__name__
    relative = relative_position(model)
    if relative is not None:
        raise IncompatibleModelError(
            f"the blocks change their places, and {what} has relative or rotary positions ({relative}): its attention "
            f"knows which patches are neighbours, and one that knew it of scrambled patches would tell everybody; "
            f"{_ADVICE}"
        )
    for name, module in model.named_modules():
        if name != embedding and isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d) and max(module.kernel_size) > 1:
            raise IncompatibleModelError(
                f"the blocks change their places, and {what} looks at neighbouring patches ({name} is a convolution "
                f"with a kernel of {'x'.join(map(str, module.kernel_size))}); {_ADVICE}"
            )
    table = model.state_dict().get("pos_embed")
    if table is None:
        return
    count = len(source)
    before = table.shape[1] - count if table.ndim == 3 else -1
    if not 0 <= before <= max(1, int(getattr(model, "num_prefix_tokens", 0) or 0)):
        raise IncompatibleModelError(
            f"the position embeddings of {what} have the shape {tuple(table.shape)}, and there are {count} patches; "
            f"expected (1, {count}, width), or a few more rows for class tokens; {_ADVICE}"
        )
    order = np.concatenate([np.arange(before), before + source])
    with torch.no_grad():
        model.pos_embed.copy_(model.pos_embed[:, torch.from_numpy(order).to(table.device)].clone())
