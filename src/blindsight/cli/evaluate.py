"""``blindsight evaluate`` and ``predict``: what a trained model is worth, and what it says."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blindsight.cli._common import AsJson, print_json, require_provider
from blindsight.errors import OutputError

if TYPE_CHECKING:
    import numpy as np

    from blindsight.nets.runs import Run

__all__ = ["evaluate", "names_of", "predict"]

Run_ = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder that train wrote.", show_default=False)]
Device = Annotated[
    str | None, typer.Option(help="cpu, cuda, cuda:1, ...  \\[default: a GPU where there is one]", show_default=False)
]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads for decoding and arithmetic.", show_default=False)]


def evaluate(
    run: Run_,
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Labelled images with the run's protection.")],
    split: Annotated[
        str | None, typer.Option(help="train, val or test. \\[default: test, else val, else all]", show_default=False)
    ] = None,
    index: Annotated[
        Path | None,
        typer.Option(
            "--index",
            help="The owner's index (OUT.owner): names for opaque class ids, by which plain DATA is matched.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Also write the JSON object here.", show_default=False)
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images at a time.")] = 256,
    device: Device = None,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Measure a run: top-1, top-5, confusion matrix, recall and precision of each class.

    A run on mixed or plain images is measured on plain ones; where its classes are opaque, --index says which folder is
    which. For a run on encrypted images DATA must have the same protection and key; classes are matched by id. The
    interval beside top-1 is Wilson's, 95 %.

    Example: blindsight evaluate run protected --split test --out run/test.json

    Example: blindsight evaluate run faces --split test --index mixed.owner
    """
    require_provider("evaluation")
    import json

    import torch

    from blindsight.cli._common import progress_bar
    from blindsight.nets.runs import load_run, write_atomic
    from blindsight.provider import evaluation

    if threads:
        torch.set_num_threads(threads)
    loaded = load_run(run)
    with progress_bar("evaluating") as update:
        result = evaluation.evaluate(
            loaded,
            data,
            split=split,
            names=names_of(index) if index is not None else None,
            batch_size=batch_size,
            device=device,
            threads=threads,
            progress=lambda _what, done, total: update(done, total),
        )
    if out is not None:
        write_atomic(out, json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    if as_json:
        print_json(result)
    else:
        _print_evaluation(result)


def predict(
    run: Run_,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.", show_default=False)],
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            help="Key file, or - for standard input: the images are plain and are encrypted here first. "
            "Without it they must be protected already: BLINDSIGHT_KEY_FILE is not looked at here.",
            show_default=False,
        ),
    ] = None,
    index: Annotated[
        Path | None,
        typer.Option("--index", help="The owner's index (OUT.owner): names for opaque class ids.", show_default=False),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Classes to show for each image.")] = 5,
    device: Device = None,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Classify images.

    The owner gives --key and plain images: each is fitted and encrypted as the run's profile says, in memory only.
    The provider gives protected images and no key. Runs on plain or mixed images take plain images.

    Example: blindsight predict run photo.jpg other.png --key owner.key --index protected.owner

    Example: blindsight predict run protected/test/3/*.png --top 1 --json
    """
    require_provider("prediction")
    import numpy as np
    import torch

    from blindsight.nets.runs import load_run
    from blindsight.provider import prediction

    if threads:
        torch.set_num_threads(threads)
    loaded = load_run(run)
    pixels = _encrypted(loaded, images, key) if key is not None else _given(loaded, images)
    names = names_of(index)
    probabilities = prediction.predict(loaded, np.stack(pixels), device=device)
    classes = loaded.profile.classes
    answers = []
    for path, row in zip(images, probabilities, strict=True):
        best = np.argsort(-row, kind="stable")[:top]
        found = [{"class": classes[k], "name": names.get(classes[k]), "probability": float(row[k])} for k in best]
        answers.append({"image": str(path), "predictions": found})
    if as_json:
        print_json({"run": str(run), "images": answers})
        return
    for answer in answers:
        typer.echo(answer["image"])
        for entry in answer["predictions"]:  # type: ignore[union-attr]
            typer.echo(f"  {100 * entry['probability']:6.2f} %  {entry['name'] or entry['class']}")  # type: ignore[index]


def _encrypted(run: "Run", images: list[Path], key: Path) -> "list[np.ndarray]":
    """The owner's way: plain files, encrypted in memory."""
    from blindsight.errors import ParameterError

    if run.profile.kind != "cipher":
        trained = "mixed" if run.profile.kind == "mix" else run.profile.kind
        raise ParameterError(
            f"the run takes plain images (it was trained on {trained} ones): no key is needed; leave --key out"
        )
    from blindsight.owner.keyfile import load_keyset
    from blindsight.owner.protect import encrypt_query

    assert run.profile.key_id is not None
    secret = load_keyset(key).get(run.profile.key_id)
    return [encrypt_query(path, run.profile, secret) for path in images]


def _given(run: "Run", images: list[Path]) -> "list[np.ndarray]":
    """The provider's way: protected files as they are; plain ones fitted, where the run takes plain images."""
    from blindsight.errors import ProfileMismatchError
    from blindsight.images import fit_image, read_image, read_protected

    profile = run.profile
    if profile.kind != "cipher":
        plain = [read_image(p, channels=profile.channels, background=profile.background) for p in images]
        return [fit_image(pixels, block_size=1, size=run.size, fit=profile.fit or "resize") for pixels in plain]
    pixels = []
    for path in images:
        image = read_protected(path, channels=profile.channels)
        if image.shape[:2] != run.size:
            raise ProfileMismatchError(
                f"{path} is {image.shape[0]}x{image.shape[1]} and the run takes protected images of "
                f"{run.size[0]}x{run.size[1]}; if it is a plain image, give --key"
            )
        pixels.append(image)
    return pixels


def names_of(index: Path | None) -> dict[str, str]:
    """Class id -> class name, from the owner's index; nothing where there is none."""
    if index is None:
        return {}
    if not index.is_dir():
        raise OutputError(f"{index} is not a folder; give the owner's index, by default the protected folder + .owner")
    from blindsight.owner.index import class_names

    return class_names(index)


def _print_evaluation(result: dict[str, Any]) -> None:
    """Tables on standard output: classes, and the confusion matrix where it is small enough to read."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    low, high = result["top1_interval"]
    console.print(
        f"top-1 {100 * result['top1']:.2f} % (95 % interval {100 * low:.2f} to {100 * high:.2f}) "
        f"on {result['n']:,} images; chance {100 * result['chance']:.2f} %",
        highlight=False,
    )
    if result["top5"] is not None:
        console.print(f"top-5 {100 * result['top5']:.2f} %", highlight=False)
    table = Table("class", "images", "recall", "precision", title="per class")
    for row in result["classes"]:
        table.add_row(
            row.get("name", row["id"]), str(row["support"]), _percent(row["recall"]), _percent(row["precision"])
        )
    console.print(table)
    if len(result["classes"]) <= 12:
        short = [row.get("name", row["id"])[:8] for row in result["classes"]]
        matrix = Table("true \\ predicted", *short, title="confusion matrix")
        for name, counts in zip(short, result["confusion"], strict=True):
            matrix.add_row(name, *[str(n) if n else "·" for n in counts])
        console.print(matrix)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"
