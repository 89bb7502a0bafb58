"""The two forms that a model leaves in, written from one graph and read back: ONNX and torch.export.

Both are made of what ``torch.export`` traces, ONNX by ``torch.onnx.export(dynamo=True)``: one way through the network
for both, and a refusal where the network's way depends on the size of the batch. Torch's older exporter, by
TorchScript, writes whatever branch its example took.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from blindsight.errors import BlindsightError, OutputError, ParameterError
from blindsight.nets.runs import Run
from blindsight.profile import PROFILE_NAME
from blindsight.provider._guard import quiet
from blindsight.provider.classifier import normalise

__all__ = ["INPUT", "OUTPUT", "Answer", "open_onnx", "open_torch", "trace", "write_onnx", "write_torch"]

LOGGERS = ("torch", "torch.onnx", "onnxscript", "onnx_ir")
INPUT, OUTPUT, BATCH = "images", "logits", "batch"

#: uint8 (N, C, H, W) -> float32 (N, K), by a file that was written.
Answer = Callable[[np.ndarray], np.ndarray]


class _Served(nn.Module):
    """What a server needs: pixels in, logits out, with the normalisation between that the network was trained with."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.network = run.model
        self.mean, self.std = run.normalisation

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(normalise(images, self.mean, self.std))
        return logits.float()


def trace(run: Run, batch_size: int | None) -> torch.export.ExportedProgram:
    """The graph of a run's network, uint8 (N, C, H, W) -> float32 (N, K), without any path of this machine.

    Args:
        run: its model is on the CPU.
        batch_size: N; None leaves it free.

    Raises:
        BlindsightError: torch cannot trace the network.
    """
    # Torch takes a size of 0 or 1 for a constant, so that is no example of any size.
    example = torch.zeros((batch_size or 2, run.profile.channels, *run.size), dtype=torch.uint8)
    shapes = None if batch_size else {INPUT: {0: torch.export.Dim(BATCH)}}
    way_out = "" if batch_size else "; a fixed --batch-size may be possible"
    with quiet(*LOGGERS), _said_clearly(run, "torch.export", way_out):
        program = torch.export.export(_Served(run).eval(), (example,), dynamic_shapes=shapes)
    # Each node remembers the lines of source that it came from, by their path.
    for part in program.graph_module.modules():
        if isinstance(part, torch.fx.GraphModule):
            for node in part.graph.nodes:
                node.meta.pop("stack_trace", None)
                node.meta.pop("from_node", None)
    return program


def write_torch(program: torch.export.ExportedProgram, run: Run, path: Path) -> None:
    """Writes a file for ``torch.export.load``, with the profile among its extra files.

    Raises:
        OutputError: no space left.
    """
    buffer = io.BytesIO()  # torch's own writer does not say why the disk refused
    torch.export.save(program, buffer, extra_files={PROFILE_NAME: run.profile.to_json()})
    with _on_disk(path):
        path.write_bytes(buffer.getbuffer())


def open_torch(path: Path) -> Answer:
    """Reads a file of :func:`write_torch` as its user would."""
    network = torch.export.load(path).module()

    @torch.inference_mode()
    def answer(images: np.ndarray) -> np.ndarray:
        logits: np.ndarray = network(torch.from_numpy(images)).numpy()
        return logits

    return answer


def write_onnx(program: torch.export.ExportedProgram, run: Run, path: Path, opset: int, batch_size: int | None) -> None:
    """Writes an ONNX file, with the profile in its metadata; beyond 2 GB the weights go to ``<name>.data`` beside it.

    Raises:
        ParameterError: the operators of that opset cannot express the network.
        BlindsightError: torch cannot translate the graph.
        OutputError: no space left.
    """
    with quiet(*LOGGERS), _said_clearly(run, "ONNX"):
        made = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=opset,
            input_names=[INPUT],
            output_names=[OUTPUT],
            # The program knows which sizes are free; here that one gets its name.
            dynamic_shapes=None if batch_size else {INPUT: {0: BATCH}},
            verbose=False,
        )
    assert made is not None
    model = made.model
    # Torch keeps to an opset of its own, with a line in its log, where a conversion fails.
    if model.opset_imports[""] != opset:
        raise ParameterError(
            f"{run.config['architecture']} cannot be written in opset {opset}: torch {torch.__version__} does not "
            f"convert it from {model.opset_imports['']}; choose another --opset, or none"
        )
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
    model.metadata_props["blindsight.profile"] = run.profile.to_json()
    with _on_disk(path):
        made.save(path, external_data=False)


def open_onnx(path: Path) -> Answer:
    """Reads an ONNX file as its user would: onnxruntime, on the CPU.

    Raises:
        ParameterError: the installed onnxruntime does not run it, as with an opset that it does not know yet.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ParameterError(
            f"onnxruntime {onnxruntime.__version__} does not run the file ({_first_line(error)}); choose a lower "
            f"--opset, or update onnxruntime"
        ) from error

    def answer(images: np.ndarray) -> np.ndarray:
        logits: np.ndarray = session.run([OUTPUT], {INPUT: images})[0]
        return logits

    return answer


@contextmanager
def _said_clearly(run: Run, form: str, way_out: str = "") -> Iterator[None]:
    """Turns what torch says of a network that it cannot export into one line."""
    try:
        yield
    except Exception as error:
        raise BlindsightError(
            f"{run.config['architecture']} cannot be exported to {form}: {_first_line(error)}{way_out}"
        ) from error


@contextmanager
def _on_disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write {path.name}: {error.strerror or error}; free some space or choose --out"
        ) from None


def _first_line(error: Exception) -> str:
    """The cause of an exporter's error: the first line of the innermost one."""
    inner: BaseException = error
    while inner.__cause__ is not None:
        inner = inner.__cause__
    text = str(inner).strip()
    return text.splitlines()[0][:200] if text else type(inner).__name__
