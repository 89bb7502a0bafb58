"""The door to the Adversarial Robustness Toolbox (ART), which is optional: the extra ``art``.

ART makes a folder ``.art`` with an empty ``data`` in the home directory when it is imported, so it is imported only
when one of its attacks is run.
"""

from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING, Any

from blindsight.errors import MissingDependencyError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["art_classifier", "require_art"]

_PACKAGE = "adversarial-robustness-toolbox"


def require_art(purpose: str) -> None:
    """Sees that ART is there.

    Raises:
        MissingDependencyError: it is not.
    """
    try:
        distribution(_PACKAGE)  # not the module's name, art, for another package has it too
    except PackageNotFoundError:
        raise MissingDependencyError.of(_PACKAGE, "art", purpose) from None


def art_classifier(model: "nn.Module", shape: tuple[int, ...], classes: int, **more: Any) -> Any:
    """A model as ART's ``PyTorchClassifier`` on the CPU, with log-probabilities for outputs.

    Args:
        model: float inputs (N, ``*shape``) -> logits (N, ``classes``).
        shape: of one input.
        classes: how many outputs.
        more: arguments of ``PyTorchClassifier``.
    """
    from art.estimators.classification import PyTorchClassifier
    from torch import nn

    # The cross-entropy of log-probabilities is that of the logits, so ART's losses are right too.
    whole = nn.Sequential(model, nn.LogSoftmax(dim=1)).eval()
    return PyTorchClassifier(
        whole, loss=nn.CrossEntropyLoss(), input_shape=shape, nb_classes=classes, device_type="cpu", **more
    )
