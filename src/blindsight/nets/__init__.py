"""Network modules and run folders, which both sides read.

Importing this package registers the presets in timm where torch and timm are asked for, not before: ``create_model``
and ``list_presets`` import them when called, and :mod:`blindsight.nets.runs` stays light.
"""

from pathlib import Path
from typing import Any

__all__ = ["create_model", "list_presets"]


def create_model(
    name: str,
    *,
    num_classes: int,
    in_chans: int = 3,
    img_size: tuple[int, int] | None = None,
    pretrained: bool = False,
    checkpoint: Path | None = None,
    **model_args: Any,
) -> Any:
    """See :func:`blindsight.nets.factory.create_model`; imported on the first call, since it brings torch."""
    from blindsight.nets import factory

    return factory.create_model(
        name,
        num_classes=num_classes,
        in_chans=in_chans,
        img_size=img_size,
        pretrained=pretrained,
        checkpoint=checkpoint,
        **model_args,
    )


def list_presets() -> list[str]:
    """Names of the presets of this package, sorted; timm's own models come besides."""
    from blindsight.nets import factory

    return factory.list_presets()
