"""``blindsight export``: a trained model for software that is not ours."""

from pathlib import Path
from typing import Annotated

import typer

from blindsight.cli._common import AsJson, print_json, require_provider
from blindsight.errors import BlindsightError

__all__ = ["export"]


def export(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Run folder that train or encrypt-model wrote.", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Folder to write; new or empty.", show_default=False)
    ],
    format: Annotated[str, typer.Option("--format", help="onnx, or torch-export for torch.export.load.")] = "onnx",
    batch_size: Annotated[
        int | None,
        typer.Option(help="Fix the number of images at a time. \\[default: any number]", show_default=False),
    ] = None,
    opset: Annotated[
        int | None,
        typer.Option(help="Version of the ONNX operators, such as 20. \\[default: 18]", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a run's model as ONNX or torch.export, for a server without this software.

    The file takes pixels as they are, uint8 (N, C, H, W), and gives logits, float32 (N, K); the normalisation is
    inside. profile.json goes with it: it says which images the model takes, and which class each
    logit is. The file is read back and compared with torch on random images; one that differs is not kept.

    No key is needed, and none is in the file: images must come protected, as they come to predict.

    Example: blindsight export run --out served

    Example: blindsight export run --format torch-export --batch-size 32 --out served
    """
    require_provider("export")
    from blindsight.provider.export import export_run

    try:
        report = export_run(run, out, format, batch_size=batch_size, opset=opset)
    except KeyboardInterrupt:
        raise BlindsightError(f"export interrupted; nothing was left in {out}") from None
    if as_json:
        print_json(report.as_json())
        return
    size = f"{report.bytes / 1e6:.1f} MB" + ("" if report.opset is None else f", opset {report.opset}")
    taken, given = (
        ", ".join("N" if n is None else str(n) for n in s) for s in (report.input_shape, report.output_shape)
    )
    typer.echo(f"wrote {out / report.file} ({size}): images uint8 ({taken}) -> logits float32 ({given})")
    typer.echo(f"  {report.checked}")
