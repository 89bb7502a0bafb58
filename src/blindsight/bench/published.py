"""Published accuracies that stand beside ours: only figures that were checked at their source. Each is typed here once.

Accuracies of EtC with isotropic networks (arXiv 2204.07707) are not among them: no source that we could reach has them.
"""

from dataclasses import dataclass

__all__ = ["MADONO", "Published", "published_top1"]


@dataclass(frozen=True)
class Published:
    """A published table.

    Attributes:
        source: where it stands.
        model: what was trained.
        top1: data set -> name of a column -> name of a row -> top-1 in percent.
    """

    source: str
    model: str
    top1: dict[str, dict[str, dict[str, float]]]


#: Rows: plain, LE, EtC with 4x4 blocks, ELE. Columns: no adaptation network, Tanaka's, Madono's.
MADONO = Published(
    source="Madono, Tanaka, Onishi & Ogawa, arXiv 2001.07761, table 3",
    model="ShakeDrop PyramidNet-110",
    top1={
        "cifar10": {
            "none": {"plain": 96.70, "le": 94.94, "etc": 85.94, "ele": 67.10},
            "le-adaptnet": {"plain": 95.64, "le": 94.49, "etc": 80.16, "ele": 48.39},
            "ele-adaptnet": {"plain": 85.32, "le": 87.28, "etc": 89.09, "ele": 83.06},
        },
        "cifar100": {
            "none": {"plain": 83.59, "le": 78.25, "etc": 61.90, "ele": 43.05},
            "le-adaptnet": {"plain": 79.13, "le": 75.48, "etc": 44.83, "ele": 7.19},
            "ele-adaptnet": {"plain": 60.36, "le": 71.30, "etc": 71.91, "ele": 62.97},
        },
    },
)


def published_top1(data: str, row: str | None, column: str | None) -> float | None:
    """The published top-1 in percent; None where there is none.

    Args:
        data: name of the data set, ``cifar10`` or ``cifar100``.
        row: what a recipe's row calls itself there.
        column: what a recipe's column calls itself there.
    """
    return MADONO.top1.get(data, {}).get(column or "", {}).get(row or "")
