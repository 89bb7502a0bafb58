"""A trained model as one file that needs none of this software: ONNX, or torch's own exported program.

    OUT/model.onnx | model.pt2   takes pixels, 0 to 255, and gives logits; the normalisation is inside
    OUT/profile.json             the protection that its images must have, byte for byte the run's
    OUT/config.json              byte for byte the run's
    OUT/README.md                input, output, versions, and how it was checked

The file is checked before it gets its name: read back as its user would, and compared with the network that it came
from. A folder holds the whole of it or nothing.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from blindsight.errors import BlindsightError, MissingDependencyError, OutputError, ParameterError, UnknownNameError
from blindsight.nets.runs import CONFIG_NAME, Run, load_run, require_new, write_atomic
from blindsight.profile import INCOMPLETE_MARKER, PROFILE_NAME
from blindsight.provider import _formats
from blindsight.provider._export_card import export_card
from blindsight.provider.machine import versions
from blindsight.provider.prediction import logits_of

__all__ = ["DEFAULT_OPSET", "FILES", "TOLERANCE", "ExportReport", "export_run"]

#: The file of each format.
FILES = {"onnx": "model.onnx", "torch-export": "model.pt2"}
#: The oldest that torch writes without a conversion, so that the most runtimes read it.
DEFAULT_OPSET = 18
#: Of the largest difference of a logit, as a part of the logits' range. Rounding made about 1e-6 of it at most.
TOLERANCE = 1e-4
#: Of the batches that are compared where the batch size is free.
CHECKED = (1, 3)
CARD_NAME = "README.md"
SCRATCH = ".export"


@dataclass(frozen=True)
class ExportReport:
    """What was written, and how it was checked.

    Attributes:
        out: the folder.
        format: ``onnx`` or ``torch-export``.
        file: name of the model's file in it.
        bytes: size of that file and of the weights beside it.
        opset: of the ONNX operators; None for torch.export.
        batch_size: images at a time; None where it is free.
        input_shape: (N, C, H, W) of ``images``, uint8; N is None where it is free.
        output_shape: (N, K) of ``logits``, float32.
        images: random images that the file was compared with torch on.
        difference: the largest of a logit, as a part of the range of torch's logits (see :func:`export_run`).
        same_top1: for how many of the images the largest logit is the same.
        versions: of what the file was made and checked with.
    """

    out: Path
    format: str
    file: str
    bytes: int
    opset: int | None
    batch_size: int | None
    input_shape: tuple[int | None, int, int, int]
    output_shape: tuple[int | None, int]
    images: int
    difference: float
    same_top1: int
    versions: dict[str, str]

    @property
    def checked(self) -> str:
        """One line for people."""
        reader = f"onnxruntime {self.versions['onnxruntime']}" if self.format == "onnx" else "torch.export.load"
        return (
            f"read back by {reader}; on {self.images} random images the logits differ from torch's by at most "
            f"{self.difference:.1e} of their range, the same top-1 for {self.same_top1} of {self.images}"
        )

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "out": str(self.out),
            "format": self.format,
            "file": self.file,
            "bytes": self.bytes,
            "opset": self.opset,
            "batch_size": self.batch_size,
            "input": {"name": _formats.INPUT, "dtype": "uint8", "shape": list(self.input_shape)},
            "output": {"name": _formats.OUTPUT, "dtype": "float32", "shape": list(self.output_shape)},
            "checked_images": self.images,
            "difference": self.difference,
            "tolerance": TOLERANCE,
            "same_top1": self.same_top1,
            "versions": self.versions,
        }


def export_run(
    run: Path, out: Path, format: str = "onnx", *, batch_size: int | None = None, opset: int | None = None
) -> ExportReport:
    """Writes the model of a run folder as a file for other software.

    The file takes ``images``, uint8 (N, C, H, W), and gives ``logits``, float32 (N, K). It is then read back and given
    random images, in batches of 1 and 3 where the batch size is free, else in two batches of that size. No logit may
    differ from torch's by more than :data:`TOLERANCE` of the range of all of torch's logits (where there is one class,
    of the largest of them).

    Args:
        run: the run folder; its model may be of any kind, encrypted or not.
        out: the folder to write; new or empty.
        format: ``onnx`` or ``torch-export``.
        batch_size: images at a time; None leaves it free.
        opset: of the ONNX operators; None takes :data:`DEFAULT_OPSET`.

    Raises:
        OutputError: ``out`` is not empty or cannot be written, or ``run`` is no finished run folder.
        CorruptDataError: the run is damaged, or its weights give no finite numbers.
        UnknownNameError: no such format, or the run's architecture is unknown.
        ParameterError: a batch size or opset that cannot work.
        MissingDependencyError: the extra ``export`` is not installed; only ONNX needs it.
        BlindsightError: the network cannot be exported, or the file gives other logits; nothing is left in ``out``.
    """
    if format not in FILES:
        raise UnknownNameError.of("format", format, list(FILES))
    if batch_size is not None and batch_size < 1:
        raise ParameterError(f"batch_size is {batch_size}; give 1 or more, or leave it out for batches of any size")
    if format != "onnx" and opset is not None:
        raise ParameterError(f"an opset belongs to the format onnx, not to {format}; leave --opset out")
    if opset is None and format == "onnx":
        opset = DEFAULT_OPSET
    made_with = _versions(format)
    require_new(out)
    loaded = load_run(run)
    with _begun(out) as scratch:
        path = scratch / FILES[format]
        program = _formats.trace(loaded, batch_size)
        if opset is not None:
            _formats.write_onnx(program, loaded, path, opset, batch_size)
            answer = _formats.open_onnx(path)
        else:
            _formats.write_torch(program, loaded, path)
            answer = _formats.open_torch(path)
        images, difference, same_top1 = _compare(loaded, answer, batch_size)
        if not difference <= TOLERANCE:
            raise BlindsightError(
                f"the {format} file gives other logits than torch: they differ by {difference:.2g} of their range, at "
                f"most {TOLERANCE:g} is allowed; try the other --format, or another --opset"
            )
        report = ExportReport(
            out=out,
            format=format,
            file=path.name,
            bytes=sum(file.stat().st_size for file in scratch.iterdir()),
            opset=opset,
            batch_size=batch_size,
            input_shape=(batch_size, loaded.profile.channels, *loaded.size),
            output_shape=(batch_size, len(loaded.profile.classes)),
            images=images,
            difference=difference,
            same_top1=same_top1,
            versions=made_with,
        )
        for file in scratch.iterdir():
            file.replace(out / file.name)
        for name in (PROFILE_NAME, CONFIG_NAME):
            write_atomic(out / name, (run / name).read_bytes())
        write_atomic(out / CARD_NAME, export_card(loaded, report))
    return report


def _versions(format: str) -> dict[str, str]:
    """Of what a format is made and checked with.

    Raises:
        MissingDependencyError: one of it is not installed.
    """
    found = {name: text for name, text in versions().items() if name in ("blindsight", "torch", "timm")}
    if format == "onnx":
        for package in ("onnx", "onnxscript", "onnxruntime"):
            if find_spec(package) is None:
                raise MissingDependencyError.of(package, "export", "export to ONNX")
            found[package] = version(package)
    return found


@contextmanager
def _begun(out: Path) -> Iterator[Path]:
    """A folder for unfinished files inside ``out``, which is left whole, or else as it was found."""
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    scratch = out / SCRATCH
    try:
        scratch.mkdir(parents=True)
    except OSError as error:
        raise OutputError(f"cannot make {out}: {error.strerror or error}") from None
    try:
        write_atomic(out / INCOMPLETE_MARKER, "An export into this folder has not finished. Remove it.\n")
        yield scratch
        scratch.rmdir()
        (out / INCOMPLETE_MARKER).unlink()
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        for file in out.iterdir():  # the folder was empty, and the scratch folder kept it ours
            file.unlink()
        for folder in made:
            folder.rmdir()
        raise


@torch.inference_mode()
def _compare(run: Run, answer: _formats.Answer, batch_size: int | None) -> tuple[int, float, int]:
    """(number of images, largest difference, images with the same top-1) of a file's logits and torch's."""
    rng = np.random.default_rng(0)
    batches = [
        rng.integers(0, 256, (count, run.profile.channels, *run.size), np.uint8)
        for count in (CHECKED if batch_size is None else (batch_size, batch_size))
    ]
    expected = np.concatenate([logits_of(run, torch.from_numpy(batch)).numpy() for batch in batches])
    found = np.concatenate([answer(batch) for batch in batches])
    span = np.ptp(expected) if expected.shape[1] > 1 else np.abs(expected).max()
    difference = float(np.abs(found - expected).max() / (span or 1.0))
    return len(expected), difference, int((found.argmax(1) == expected.argmax(1)).sum())
