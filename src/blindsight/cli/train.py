"""``blindsight train``, ``evaluate`` and ``predict``: what is done with protected images."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blindsight.cli._common import AsJson, parse_size, print_json
from blindsight.errors import MissingDependencyError, OutputError

if TYPE_CHECKING:
    import numpy as np

    from blindsight.nets.runs import Run

__all__ = ["evaluate", "predict", "train"]

MODEL, LEARNING, AUGMENTATION, MACHINE = "Model and images", "Learning", "Augmentation", "Machine and output"
Run_ = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder that train wrote.", show_default=False)]
Device = Annotated[
    str | None, typer.Option(help="cpu, cuda, cuda:1, ...  \\[default: a GPU where there is one]", show_default=False)
]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads for decoding and arithmetic.", show_default=False)]


def _o(help: str, panel: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, show_default=False, **more)


def train(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="What protect wrote, or a plain ImageFolder.")],
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="Run folder to write; new or empty.")],
    model: Annotated[
        str | None,
        _o("Any timm model, or a preset such as vit_tiny_patch4_32. \\[default: vit_micro_patch4_32]", MODEL),
    ] = None,
    pretrained: Annotated[bool | None, _o("Start from timm's weights for that model.", MODEL, "--pretrained")] = None,
    checkpoint: Annotated[
        Path | None, _o("Start from this file of weights (safetensors or PyTorch).", MODEL, metavar="FILE")
    ] = None,
    img_size: Annotated[
        str | None, _o("Size that plain images are brought to: 224 or HEIGHTxWIDTH. \\[default: the model's]", MODEL)
    ] = None,
    fit: Annotated[
        str | None, _o("How plain images get there: resize, crop or pad. \\[default: resize]", MODEL)
    ] = None,
    epochs: Annotated[int | None, _o("Passes over the images. \\[default: 20]", LEARNING)] = None,
    batch_size: Annotated[int | None, _o("Images per step and device. \\[default: 128]", LEARNING)] = None,
    opt: Annotated[str | None, _o("Optimiser, any that timm knows. \\[default: adamw]", LEARNING)] = None,
    lr: Annotated[float | None, _o("Peak learning rate. \\[default: 0.001]", LEARNING)] = None,
    weight_decay: Annotated[
        float | None, _o("Not for biases, norms and position embeddings. \\[default: 0.05]", LEARNING)
    ] = None,
    momentum: Annotated[float | None, _o("For optimisers that have one. \\[default: 0.9]", LEARNING)] = None,
    opt_eps: Annotated[float | None, _o("Epsilon of the optimiser. \\[default: its own]", LEARNING)] = None,
    sched: Annotated[str | None, _o("cosine, onecycle or constant. \\[default: cosine]", LEARNING)] = None,
    warmup_epochs: Annotated[
        float | None, _o("Linear warm-up. \\[default: a tenth of the epochs, at most 5]", LEARNING)
    ] = None,
    min_lr: Annotated[float | None, _o("End of the schedule, as a part of --lr. \\[default: 0]", LEARNING)] = None,
    smoothing: Annotated[float | None, _o("Label smoothing. \\[default: 0.1]", LEARNING)] = None,
    clip_grad: Annotated[float | None, _o("Largest norm of the gradient; 0 is off. \\[default: 1]", LEARNING)] = None,
    ema: Annotated[
        float | None, _o("Decay of the weights' moving average, e.g. 0.999; 0 is off. \\[default: 0]", LEARNING)
    ] = None,
    holdout: Annotated[
        float | None, _o("Part held out for validation where there is no val split. \\[default: 0.1]", LEARNING)
    ] = None,
    seed: Annotated[int | None, _o("Of everything random. \\[default: 42]", LEARNING)] = None,
    mixup: Annotated[float | None, _o("Alpha of mixup; 0 is off. \\[default: 0]", AUGMENTATION)] = None,
    cutmix: Annotated[
        float | None, _o("Alpha of CutMix on whole encrypted blocks; 0 is off. \\[default: 0]", AUGMENTATION)
    ] = None,
    mix_prob: Annotated[float | None, _o("Part of batches to mix. \\[default: 1]", AUGMENTATION)] = None,
    reprob: Annotated[
        float | None, _o("Part of images to erase whole blocks from. \\[default: 0]", AUGMENTATION)
    ] = None,
    precision: Annotated[str | None, _o("32-true, bf16-mixed, 16-mixed or auto. \\[default: auto]", MACHINE)] = None,
    accelerator: Annotated[str | None, _o("auto, cpu, gpu or mps. \\[default: auto]", MACHINE)] = None,
    devices: Annotated[int | None, _o("Processes, one device each (DDP). \\[default: 1]", MACHINE)] = None,
    threads: Annotated[int | None, _o("Threads for decoding and arithmetic. \\[default: torch's]", MACHINE)] = None,
    cache: Annotated[
        str | None, _o("Keep decoded images in memory: ram, none or auto (below 4 GB). \\[default: auto]", MACHINE)
    ] = None,
    tensorboard: Annotated[
        bool | None, _o("Also write TensorBoard files; metrics.csv is always written.", MACHINE, "--tensorboard")
    ] = None,
    recipe: Annotated[
        Path | None, _o("JSON file of these options, or a run's recipe.json; options given here win.", MACHINE)
    ] = None,
    resume: Annotated[bool, _o("Go on with an interrupted training in RUN.", MACHINE, "--resume")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a classifier on protected images, without any key.

    DATA is a folder that protect wrote (it has profile.json), or a plain folder CLASS/IMAGE to compare with. RUN gets
    weights, configuration, profile, a model card, the recipe and metrics.csv. The best epoch on the validation images
    is kept. The images are obfuscated, not enciphered: training on them says nothing about how well they are hidden.

    Example: blindsight train protected --model vit_tiny_patch4_32 --epochs 20 --out run

    Example: blindsight train protected --model convmixer_256_8_patch4_32 --lr 0.01 --sched onecycle --out run

    After Ctrl-C: the same command with --resume.
    """
    _require_provider("training")
    from blindsight.provider.progress import TrainingProgress
    from blindsight.provider.recipe import TrainConfig

    given = {name: value for name, value in locals().items() if name in TrainConfig.model_fields and value is not None}
    if img_size is not None:
        given["img_size"] = parse_size(img_size)
    stored = out / "recipe.json"
    base = stored if resume and recipe is None and stored.is_file() else recipe
    values = TrainConfig.read(base) if base else {}
    config = TrainConfig.make({**values, **given})

    from blindsight.provider import training

    with TrainingProgress(config.epochs) as progress:
        result = training.train(data, out, config, resume=resume, progress=progress)
    if "run" not in result:
        return  # another process of a training on several devices
    if as_json:
        print_json(result)
        return
    top1 = result["val_top1"]
    accuracy = "" if top1 is None else f"top-1 {100 * top1:.2f} % on {result['val_images']:,} validation images, "
    typer.echo(f"wrote {out}: {accuracy}epoch {result['best_epoch']} of {result['epochs']}")


def evaluate(
    run: Run_,
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Labelled images with the run's protection.")],
    split: Annotated[
        str | None, typer.Option(help="train, val or test. \\[default: test, else val, else all]", show_default=False)
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

    DATA must have the protection and the key that the run was trained with; classes are matched by id. A run on mixed
    images is measured on plain ones. The interval beside top-1 is Wilson's, 95 %.

    Example: blindsight evaluate run protected --split test --out run/test.json
    """
    _require_provider("evaluation")
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
    _require_provider("prediction")
    import numpy as np
    import torch

    from blindsight.nets.runs import load_run
    from blindsight.provider import prediction

    if threads:
        torch.set_num_threads(threads)
    loaded = load_run(run)
    pixels = _encrypted(loaded, images, key) if key is not None else _given(loaded, images)
    names = _names(index)
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


def _require_provider(purpose: str) -> None:
    """Sees that the extra is installed, and prepares for importing torch, which must not have happened yet."""
    for package in ("torch", "torchvision", "timm", "lightning", "safetensors"):
        if find_spec(package) is None:
            raise MissingDependencyError.of(package, "provider", purpose)
    from blindsight.provider.machine import share_processors

    share_processors()


def _encrypted(run: "Run", images: list[Path], key: Path) -> "list[np.ndarray]":
    """The owner's way: plain files, encrypted in memory."""
    from blindsight.errors import ParameterError

    if run.profile.kind != "cipher":
        raise ParameterError(f"the run was trained on {run.profile.kind} images: no key is needed; leave --key out")
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


def _names(index: Path | None) -> dict[str, str]:
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
        table.add_row(row["id"], str(row["support"]), _percent(row["recall"]), _percent(row["precision"]))
    console.print(table)
    if len(result["classes"]) <= 12:
        short = [row["id"][:8] for row in result["classes"]]
        matrix = Table("true \\ predicted", *short, title="confusion matrix")
        for name, counts in zip(short, result["confusion"], strict=True):
            matrix.add_row(name, *[str(n) if n else "·" for n in counts])
        console.print(matrix)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"
