"""Soft labels of a data set: how much of each class an image shows, in ``labels.csv`` beside ``profile.json``.

The header is ``image,class,weight``; an image has a row for each class of which it holds a part. ``image`` is the POSIX
path below the data set, in Unicode normal form C, ``class`` a class id, ``weight`` a decimal. The weights of an image
sum to 1. The image lies in the folder of the class of its target, the image with the largest part in it, so that a
reader who knows no soft labels finds hard ones. Of a protected set that a teacher was asked about (the command
``soft-labels``) the weights are what the teacher saw, and the folder is the image's own class.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from blindsight.errors import CorruptDataError

__all__ = ["LABELS_NAME", "label_path", "labels_csv", "read_labels", "read_weights"]

LABELS_NAME = "labels.csv"
COLUMNS = ["image", "class", "weight"]
#: How far from 1 the weights of an image may sum.
TOLERANCE = 1e-4
# A path has at most 4096 bytes on the file systems there are; csv refuses fields of more than 131072 characters.
MAX_LINE = 65_536
DECIMAL = re.compile(r"(-?)[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)


def label_path(path: PurePosixPath | str) -> str:
    """A path below the data set as it stands in ``labels.csv``: file systems differ in how they spell an umlaut."""
    return unicodedata.normalize("NFC", str(path))


def labels_csv(weights: Mapping[str, Mapping[str, float]]) -> str:
    """The text of ``labels.csv``. The same weights give the same bytes, whatever order they come in.

    Args:
        weights: image path -> class id -> weight; those of an image sum to 1.

    Returns:
        Rows sorted by path and class id. Weights are the shortest decimals that give the same float64 back.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    # Left to itself the writer leaves a carriage return in a file name bare.
    quoting = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    for image in sorted(weights):
        for name in sorted(weights[image]):
            decimal = np.format_float_positional(np.float64(weights[image][name]), trim="-")
            (quoting if "\r" in image + name else writer).writerow([label_path(image), name, decimal])
    return text.getvalue()


def read_labels(path: Path, classes: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Soft labels for a training.

    Args:
        path: a ``labels.csv``.
        classes: the class ids in index order, K of them.

    Returns:
        Image path -> float32 (K,), 0 to 1; sums to 1.

    Raises:
        CorruptDataError: see :func:`read_weights`.
    """
    index = {name: number for number, name in enumerate(classes)}
    labels = {}
    for image, weights in read_weights(path, classes).items():
        row = np.zeros(len(index), np.float32)
        for name, weight in weights.items():
            row[index[name]] = weight
        labels[image] = row
    return labels


def read_weights(path: Path, classes: Sequence[str]) -> dict[str, dict[str, float]]:
    """What ``labels.csv`` says, to be written again without loss.

    Args:
        path: a ``labels.csv``.
        classes: the class ids that there are.

    Returns:
        Image path -> class id -> weight.

    Raises:
        CorruptDataError: unreadable, another header, a row of other columns, an unknown class, a weight that is no
            number of 0 or more, a pair of image and class twice, or weights of an image that do not sum to 1.
    """
    known = frozenset(classes)
    found: dict[str, dict[str, float]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(_lines(file, path), strict=True)
            header = next(rows, [])
            if header != COLUMNS:
                raise _damaged(path, 1, f"the header is {_short(','.join(header))}, expected {','.join(COLUMNS)}")
            for row in rows:
                image, name, weight = _row(row, known, path, rows.line_num)
                weights = found.setdefault(image, {})
                if name in weights:
                    raise _damaged(path, rows.line_num, f"class {_short(name)} of {_short(image)} stands there twice")
                weights[name] = weight
    except OSError as error:
        raise CorruptDataError(f"cannot read {path}: {error.strerror or error}; copy the data set again") from None
    except UnicodeDecodeError:
        raise CorruptDataError(f"{path} is not UTF-8 text; copy the data set again") from None
    except csv.Error as error:
        raise CorruptDataError(f"{path} is damaged ({error}); copy the data set again") from None
    for image, weights in found.items():
        total = sum(weights.values())
        if abs(total - 1) > TOLERANCE:
            raise CorruptDataError(
                f"{path}: the weights of {_short(image)} sum to {total:.6g}, expected 1; copy the data set again"
            )
    return found


def _lines(file: TextIO, path: Path) -> Iterator[str]:
    """Lines of bounded length: a file without line ends must not fill the memory."""
    number = 0
    while line := file.readline(MAX_LINE):
        number += 1
        if len(line) == MAX_LINE:
            raise _damaged(path, number, f"a line of {MAX_LINE} characters or more")
        yield line


def _row(row: list[str], known: frozenset[str], path: Path, line: int) -> tuple[str, str, float]:
    if len(row) != len(COLUMNS):
        raise _damaged(path, line, f"{len(row)} columns, expected {','.join(COLUMNS)}")
    image, name, text = row
    if name not in known:
        raise _damaged(path, line, f"class {_short(name)} is none of the {len(known)} known ones")
    match = DECIMAL.fullmatch(text)
    if match is None:
        raise _damaged(path, line, f"the weight {_short(text)} is no number")
    if match[1]:
        raise _damaged(path, line, f"the weight {_short(text)} is negative")
    return label_path(image), name, float(text)


def _damaged(path: Path, line: int, what: str) -> CorruptDataError:
    return CorruptDataError(f"{path}, line {line}: {what}; copy the data set again")


def _short(text: str) -> str:
    """A name or value from a file as it may stand in a message."""
    shown = ascii(text)
    return shown if len(shown) <= 80 else shown[:77] + "..."
