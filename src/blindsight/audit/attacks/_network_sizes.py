"""The sizes that a network and its training may have; needs no torch."""

from blindsight.errors import ParameterError

__all__ = ["HEAD", "check_counts", "check_width"]

#: Width of an attention head.
HEAD = 32


def check_counts(**counts: int) -> None:
    """Refuses numbers below 1.

    Raises:
        ParameterError: naming the first.
    """
    for name, count in counts.items():
        if count < 1:
            raise ParameterError(f"{name} must be at least 1, got {count}")


def check_width(width: int) -> None:
    """Refuses a width of tokens that attention heads do not divide.

    Raises:
        ParameterError: not a multiple of :data:`HEAD`.
    """
    if width < HEAD or width % HEAD:
        raise ParameterError(f"width must be a multiple of {HEAD}, the width of an attention head, got {width}")
