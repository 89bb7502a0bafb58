"""Training on protected images: a data folder and a recipe in, a run folder out."""

import os
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from safetensors.torch import load_file

from blindsight.errors import ParameterError
from blindsight.nets.factory import create_model, takes_img_size
from blindsight.nets.first_layer import relative_change
from blindsight.nets.keyed_embedding import keyed_layer
from blindsight.nets.runs import save_run, write_atomic
from blindsight.profile import INCOMPLETE_MARKER, Profile
from blindsight.provider._guard import as_our_errors, quiet
from blindsight.provider._precision import choose_precision, on_gpu, use_plain_attention
from blindsight.provider._run_folder import CHECKPOINTS, RECIPE_NAME, check_out, prepare, recipe_text
from blindsight.provider._starting import first_weight, of_starting_run, start_from
from blindsight.provider.callbacks import BEST_NAME, LAST_NAME, EpochLog, Keeper
from blindsight.provider.classifier import Classifier
from blindsight.provider.compatibility import check_compatible
from blindsight.provider.data import ProtectedDataModule
from blindsight.provider.folders import DataFolder
from blindsight.provider.progress import TrainingProgress
from blindsight.provider.recipe import TrainConfig
from blindsight.provider.reencrypt import Reencryption

__all__ = ["RECIPE_NAME", "TrainConfig", "train"]


def train(
    data: Path,
    out: Path,
    config: TrainConfig | None = None,
    *,
    resume: bool = False,
    progress: TrainingProgress | None = None,
) -> dict[str, Any]:
    """Trains a classifier and writes a run folder.

    Args:
        data: what ``protect`` wrote, or a plain ImageFolder.
        out: the run folder; must be new or empty unless ``resume``.
        config: the recipe; defaults where None.
        resume: go on from ``out/checkpoints/last.ckpt``, to the same result as an uninterrupted training.
        progress: where to report; None is silent.

    Returns:
        What was trained and measured; JSON values. With several devices only the first process's result is whole.

    Raises:
        OutputError: ``out`` is not empty, was finished before, or the disk is full.
        IncompatibleModelError: the network does not fit the images.
        ParameterError: a choice that cannot work, or one that differs from what is resumed.
        CorruptDataError: the data or the checkpoint is damaged.
        BlindsightError: the loss diverged, or the training was interrupted (the message says how to go on).
    """
    config = of_starting_run(config or TrainConfig(), out if resume else None)
    wall, cpu = time.perf_counter(), time.process_time()
    # DDP starts this very program again for the other ranks; they find the folder that the first has made.
    first = int(os.environ.get("LOCAL_RANK", "0")) == 0
    if first:
        check_out(out, resume)
    else:
        progress = None
    if config.threads:
        torch.set_num_threads(config.threads)
    size = config.img_size or _size_of(data, config)
    module = ProtectedDataModule(
        data,
        batch_size=config.batch_size,
        size=size,
        fit=config.fit,
        holdout=config.holdout,
        seed=config.seed,
        cache=config.cache,
        threads=config.threads,
        progress=progress.reading if progress else None,
    )
    profile = module.profile
    # Whoever resumes has the weights in the checkpoint, and perhaps no longer the file that they began as.
    begin = not (resume and (out / CHECKPOINTS / LAST_NAME).exists())
    torch.manual_seed(config.seed)
    network = create_model(
        config.model,
        num_classes=len(profile.classes),
        in_chans=profile.channels,
        img_size=module.size,
        pretrained=config.pretrained and begin,
        checkpoint=config.checkpoint if begin else None,
        **config.model_args,
    )
    run_start = config.checkpoint if begin and config.checkpoint is not None and config.checkpoint.is_dir() else None
    start = start_from(run_start, network, profile, module.size) if run_start is not None else None
    keyed = keyed_layer(network)
    if config.reencrypt and keyed is not None and keyed.shape.variants > 1:
        raise ParameterError(
            f"reencrypt '{config.reencrypt}' turns the blocks anew in every step, and the first layer holds a table of "
            f"how they are turned; leave one of the two out"
        )
    # What tells later how far an attacker's knowledge of the first weights goes.
    weight = first_weight(network) if begin and (config.pretrained or config.checkpoint is not None) else None
    cautions = check_compatible(
        network,
        profile,
        module.size,
        name=config.model,
        # An encrypted run takes 0.5 and 0.5, whatever its architecture's weights began with.
        pretrained=(config.pretrained or config.checkpoint is not None) and (start is None or start.kind != "cipher"),
        mean=config.mean,
        std=config.std,
    )
    reencryption = Reencryption(config.reencrypt, profile) if config.reencrypt else None
    fingerprint = module.fingerprint() if first else ""
    if first:
        prepare(out, config, profile, fingerprint, resume)
    module.setup("fit")
    if module.held_out and profile.views > 1:
        cautions.append(
            f"the data holds {profile.views} views of every image and has no val split: the held-out images have "
            "siblings among the training images, so the validation accuracy is too high; give the data a val split"
        )
    if progress:
        for caution in cautions:
            progress.note(f"warning: {caution}")
        progress.note(_headline(config, profile, module, network))
    result = _fit(out, config, module, network, reencryption, resume, progress)
    if not first:
        return result
    summary = {
        "run": str(out),
        "model": config.model,
        "parameters": sum(p.numel() for p in network.parameters()),
        "classes": len(profile.classes),
        "train_images": len(module.dataset("train")),
        "val_images": len(module.dataset("val")),
        **result,
        "wall_seconds": round(time.perf_counter() - wall, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "warnings": cautions,
    }
    _finish(out, config, profile, module.size, fingerprint, network, summary, weight)
    return summary


def _size_of(data: Path, config: TrainConfig) -> tuple[int, int] | None:
    """The recipe's or the model's own size, for data that may be brought to any and states none; else None."""
    import timm

    from blindsight.nets import factory  # noqa: F401  (registers the presets)

    profile = DataFolder.open(data).profile
    if profile.kind == "cipher" or profile.size is not None:
        return None
    if config.default_size is not None or profile.kind == "mix":
        return config.default_size
    cfg = timm.get_pretrained_cfg(config.model.split(".")[0])
    return (int(cfg.input_size[1]), int(cfg.input_size[2])) if cfg else None


def _headline(config: TrainConfig, profile: Profile, module: ProtectedDataModule, network: torch.nn.Module) -> str:
    millions = sum(p.numel() for p in network.parameters()) / 1e6
    text = (
        f"{config.model} ({millions:.2f} M parameters) on {len(module.dataset('train')):,} images of "
        f"{len(profile.classes)} classes, {profile.summary()}; {len(module.dataset('val')):,} for validation"
    )
    if profile.kind == "cipher":
        text += "\nThe images are hidden from view, not enciphered: the protection is visual obfuscation."
    elif profile.kind == "mix":
        text += (
            "\nThe images are made of pieces of private ones: mixing obscures whose they are, and hides nothing else."
        )
    return text


def _fit(
    out: Path,
    config: TrainConfig,
    module: ProtectedDataModule,
    network: torch.nn.Module,
    reencryption: Reencryption | None,
    resume: bool,
    progress: TrainingProgress | None,
) -> dict[str, Any]:
    profile = module.profile
    block = (profile.block_size or 1) if profile.kind == "cipher" else 1
    world = config.devices
    images = len(module.dataset("train")) // world
    steps = max(1, images // config.batch_size if images >= config.batch_size else 1)
    precision = choose_precision(config, network, module.size)
    if precision == "bf16-mixed" and not on_gpu(config):
        use_plain_attention(network)
    classifier = Classifier(network, config, len(profile.classes), block, steps * config.epochs, reencryption)
    if config.compile:
        classifier.model.compile()  # in place: names and files of the weights stay
    log, keeper = EpochLog(out, progress), Keeper(out / CHECKPOINTS)
    last = out / CHECKPOINTS / LAST_NAME
    with quiet("lightning.pytorch", "lightning.fabric", "lightning"):
        trainer = pl.Trainer(
            accelerator=config.accelerator,
            devices=config.devices,
            strategy="ddp" if config.devices > 1 else "auto",
            precision=precision,
            max_epochs=config.epochs,
            deterministic="warn" if config.deterministic else None,
            callbacks=[log, keeper],
            logger=_tensorboard(out) if config.tensorboard else False,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=out,
        )
        with as_our_errors(out, last, log, keeper):
            trainer.fit(classifier, module, ckpt_path=last if resume and last.exists() else None, **_trusting(trainer))
    return {
        "epochs": config.epochs,
        "best_epoch": keeper.best_epoch,
        "val_top1": keeper.best_top1 if keeper.best_top1 >= 0 else None,
        "train_loss": log.rows[-1]["train_loss"] if log.rows else None,
        "images_per_second": log.rows[-1]["images_per_second"] if log.rows else None,
        "precision": str(trainer.precision),
        "device": trainer.accelerator.__class__.__name__.removesuffix("Accelerator").lower(),
    }


def _trusting(trainer: pl.Trainer) -> dict[str, Any]:
    """Lightning before 2.6 has no ``weights_only``; our checkpoint holds plain values and tensors only."""
    import inspect

    return {"weights_only": True} if "weights_only" in inspect.signature(trainer.fit).parameters else {}


def _tensorboard(out: Path) -> Any:
    from lightning.pytorch.loggers import TensorBoardLogger

    return TensorBoardLogger(save_dir=out, name="tensorboard", version="")


def _finish(
    out: Path,
    config: TrainConfig,
    profile: Profile,
    size: tuple[int, int],
    fingerprint: str,
    network: torch.nn.Module,
    summary: dict[str, Any],
    before: torch.Tensor | None,
) -> None:
    """Puts the best weights in place; the run folder is whole once the marker is gone."""
    network.cpu().load_state_dict(load_file(out / CHECKPOINTS / BEST_NAME))
    if before is not None:
        now = first_weight(network)
        assert now is not None
        summary["first_layer_change"] = relative_change(before, now)
    arguments: dict[str, Any] = dict(config.model_args)
    if takes_img_size(config.model, config.model_args):
        arguments["img_size"] = list(size)
    names = ("val_top1", "best_epoch", "epochs", "train_images", "val_images", "parameters")
    save_run(
        out,
        network,
        profile,
        architecture=config.model.split(".")[0],
        size=size,
        model_args=arguments,
        mean=config.mean,
        std=config.std,
        results={name: summary[name] for name in names if summary[name] is not None},
    )
    write_atomic(out / RECIPE_NAME, recipe_text(config, fingerprint, summary))
    (out / INCOMPLETE_MARKER).unlink(missing_ok=True)
