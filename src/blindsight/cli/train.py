"""``blindsight train``: a classifier from protected images and a recipe."""

from pathlib import Path
from typing import Annotated, Any

import typer

from blindsight.cli._common import AsJson, parse_settings, parse_size, print_json, require_provider
from blindsight.provider.recipes import recipe_names

__all__ = ["train"]

MODEL, LEARNING, AUGMENTATION, MACHINE = "Model and images", "Learning", "Augmentation", "Machine and output"


def _o(help: str, panel: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, show_default=False, **more)


def train(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="What protect or mix wrote, or a plain ImageFolder.")],
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="Run folder to write; new or empty.")],
    model: Annotated[
        str | None,
        _o("Any timm model, or a preset such as vit_tiny_patch4_32. \\[default: vit_micro_patch4_32]", MODEL),
    ] = None,
    model_arg: Annotated[
        list[str] | None, _o("An argument of the architecture, NAME=VALUE; may be repeated.", MODEL, "--model-arg")
    ] = None,
    pretrained: Annotated[bool | None, _o("Start from timm's weights for that model.", MODEL, "--pretrained")] = None,
    checkpoint: Annotated[
        Path | None,
        _o(
            "Start from this file of weights (safetensors or PyTorch), or from this run, such as an encrypted model; "
            "then --model is the run's.",
            MODEL,
            metavar="FILE|RUN",
        ),
    ] = None,
    img_size: Annotated[
        str | None,
        _o(
            "Size to bring plain or mixed images to: 224 or HEIGHTxWIDTH. \\[default: the data's, else the model's]",
            MODEL,
        ),
    ] = None,
    fit: Annotated[
        str | None, _o("How plain images get there: resize, crop or pad. \\[default: resize]", MODEL)
    ] = None,
    mean: Annotated[
        float | None, _o("Images are given as (x / 255 - mean) / std; 0.5 for enciphered ones. \\[default: 0.5]", MODEL)
    ] = None,
    std: Annotated[float | None, _o("See --mean; 0 and 1 give x / 255. \\[default: 0.5]", MODEL)] = None,
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
    sam: Annotated[
        float | None,
        _o("Rho of sharpness-aware minimisation, e.g. 0.05; twice the time a step; 0 is off. \\[default: 0]", LEARNING),
    ] = None,
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
    reencrypt: Annotated[
        str | None,
        _o(
            "Encrypt every image once more in every step, by random permutations of this scheme, such as etc. "
            "\\[default: off]",
            AUGMENTATION,
            metavar="SCHEME",
        ),
    ] = None,
    precision: Annotated[str | None, _o("32-true, bf16-mixed, 16-mixed or auto. \\[default: auto]", MACHINE)] = None,
    compile: Annotated[
        bool | None, _o("Compile the network first: minutes, for long trainings.", MACHINE, "--compile")
    ] = None,
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
        str | None,
        _o(
            f"{', '.join(recipe_names())}; or a JSON file of these options, or a run's recipe.json. "
            "Options given here win.",
            LEARNING,
            metavar="NAME|FILE",
        ),
    ] = None,
    resume: Annotated[bool, _o("Go on with an interrupted training in RUN.", MACHINE, "--resume")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a classifier on encrypted or mixed images, without any key.

    DATA is a folder that protect or mix wrote (it has profile.json), or a plain folder CLASS/IMAGE to compare with.
    RUN gets weights, configuration, profile, a model card, the recipe and metrics.csv. The best epoch on the validation
    images is kept; where there are none (--holdout 0), the last. The images are obfuscated, not enciphered: training on
    them says nothing about how well they are hidden.

    Example: blindsight train protected --model vit_tiny_patch4_32 --epochs 20 --out run

    Example: blindsight train mixed --recipe pbm-small --out run

    Example: blindsight train protected --model le_adaptnet --model-arg backbone=resnet18 --out run

    Example: blindsight train protected --model convmixer_256_8_patch4_32 --lr 0.01 --sched onecycle --out run

    Example: blindsight train protected --checkpoint encrypted --epochs 5 --lr 0.0003 --out tuned

    After Ctrl-C: the same command with --resume.
    """
    require_provider("training")
    from blindsight.provider.progress import TrainingProgress
    from blindsight.provider.recipe import TrainConfig

    given = {name: value for name, value in locals().items() if name in TrainConfig.model_fields and value is not None}
    if img_size is not None:
        given["img_size"] = parse_size(img_size)
    arguments = parse_settings("--model-arg", model_arg, "depth=4")
    stored = out / "recipe.json"
    base = stored if resume and recipe is None and stored.is_file() else recipe
    values = TrainConfig.read(base) if base is not None else {}
    if arguments:
        given["model_args"] = {**values.get("model_args", {}), **arguments}
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
