"""How fast the presets train on a CPU beside timm's own layers, and what our ViTs' two choices are worth.

    python benchmarks/training.py            # Markdown tables; exits with 1 where a limit is not kept
    python benchmarks/training.py --compile  # what torch.compile is worth instead
    python benchmarks/training.py --embeddings  # what patch embeddings that know positions cost instead
    python benchmarks/training.py --digits   # trains twice on protected digits instead; needs scikit-learn

Steps: random data, one thread, images per second of process CPU time, medians of rounds in which all variants take
turns. An epoch: ``train`` on random 32x32 images in memory, beside a bare loop of the same steps. Digits:
scikit-learn's, protected with EtC in blocks of 4, one seed.
"""

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
import torch._inductor.config
from timm.models.convmixer import ConvMixer
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from blindsight.nets import create_model
from blindsight.nets.position_aware import EMBEDDINGS
from blindsight.provider._precision import choose_precision, use_plain_attention
from blindsight.provider.classifier import normalise, wants_channels_last
from blindsight.provider.evaluation import evaluate
from blindsight.provider.machine import has_bfloat16_units, machine
from blindsight.provider.training import TrainConfig, train

#: Preset: images a step, and for timm's layers (width, depth, heads), heads 0 for a ConvMixer.
PRESETS = {
    "vit_micro_patch4_32": (128, (128, 6, 4)),
    "vit_tiny_patch4_32": (128, (192, 9, 3)),
    "convmixer_128_4_patch4_32": (128, (128, 4, 0)),
    "convmixer_256_8_patch4_32": (128, (256, 8, 0)),
    "convmixer_128_4_patch16_224": (64, (128, 4, 0)),
    "vit_micro_patch16_224": (64, (128, 6, 4)),
}
PEER, FLOAT32, AUTO = "timm, float32", "ours, float32", "ours, auto"
#: Least speed of ours, as a multiple of the peer's: float32 anywhere, and auto on processors with bfloat16 units.
FLOAT32_LIMIT = 0.9
AUTO_LIMITS = {"vit_micro_patch4_32": 1.5, "convmixer_128_4_patch4_32": 1.5}
EPOCH_PRESETS = ("convmixer_128_4_patch4_32", "vit_micro_patch4_32")
CNNS = ("resnet_micro",)
#: The networks of the recipe etc-gap: preset and further arguments.
EMBEDDED: dict[str, dict[str, int]] = {
    "vit_micro_patch4_32": {"embed_dim": 96, "depth": 4, "num_heads": 3},
    "convmixer_128_4_patch4_32": {},
    "convmixer_128_4_patch4_32_apm": {},
}
EPOCH_IMAGES, EPOCH_ROUNDS, SHORT, LONG = 2000, 3, 1, 3
CLASSES = 10


def peer(preset: str) -> nn.Module:
    """The same network of timm's own classes."""
    width, depth, heads = PRESETS[preset][1]
    patch, side = (int(part.removeprefix("patch")) for part in preset.split("_")[-2:])
    if not heads:
        return ConvMixer(width, depth, kernel_size=9, patch_size=patch, num_classes=CLASSES)
    shape = {"img_size": side, "patch_size": patch, "embed_dim": width, "depth": depth, "num_heads": heads}
    return VisionTransformer(**shape, class_token=False, global_pool="avg", num_classes=CLASSES)


def stepper(network: nn.Module, side: int, batch: int, bfloat16: bool, *, compiled: bool = False) -> Callable[[], None]:
    """A function that takes one training step, with the recipe's defaults, on one random batch."""
    layout = torch.channels_last if wants_channels_last(network) else torch.contiguous_format
    network = network.train().to(memory_format=layout)
    if compiled:
        network.compile()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.05, fused=True)
    pixels = torch.randint(0, 256, (batch, 3, side, side), dtype=torch.uint8)
    labels = torch.randint(0, CLASSES, (batch,))

    def step() -> None:
        images = normalise(pixels).contiguous(memory_format=layout)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            logits = network(images)
        optimiser.zero_grad()
        nn.functional.cross_entropy(logits.float(), labels, label_smoothing=0.1).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()

    return step


def ours(preset: str, precision: str, *, compiled: bool = False, **arguments: Any) -> Callable[[], None]:
    side = 32 if preset in (*CNNS, *EMBEDDED) else int(preset.rsplit("_", 1)[1])
    network = create_model(preset, num_classes=CLASSES, img_size=(side, side), **arguments)
    config = TrainConfig(model=preset, accelerator="cpu", precision=precision)  # type: ignore[arg-type]
    bfloat16 = choose_precision(config, network, (side, side)) == "bf16-mixed"
    if bfloat16:
        use_plain_attention(network)
    return stepper(network, side, PRESETS.get(preset, (128,))[0], bfloat16, compiled=compiled)


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def speeds(preset: str, rounds: int) -> dict[str, float]:
    """Images per CPU second of each variant, the variants taking turns."""
    batch, side = PRESETS[preset][0], int(preset.rsplit("_", 1)[1])
    steps = {
        PEER: stepper(peer(preset), side, batch, bfloat16=False),
        FLOAT32: ours(preset, "32-true"),
        AUTO: ours(preset, "auto"),
    }
    times: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds + 1):
        for name, step in steps.items():
            seconds = cpu_seconds(step)
            if number:  # the first round warms up
                times[name].append(seconds)
    return {name: batch / float(np.median(values)) for name, values in times.items()}


def compare_steps(rounds: int) -> bool:
    """Prints the table of steps; False where a limit is not kept."""
    print(f"| preset, batch | {PEER} | {FLOAT32} | {AUTO} |\n| --- | --- | --- | --- |")
    verdicts = []
    for preset, (batch, _) in PRESETS.items():
        speed = speeds(preset, rounds)
        ratios = {name: value / speed[PEER] for name, value in speed.items()}
        cells = (f"{speed[name]:,.0f} ({ratios[name]:.2f})" for name in (FLOAT32, AUTO))
        print(f"| `{preset}`, {batch} | {speed[PEER]:,.0f} |", " | ".join(cells), "|", flush=True)
        verdicts.append((preset, FLOAT32, FLOAT32_LIMIT, ratios[FLOAT32]))
        if preset in AUTO_LIMITS and has_bfloat16_units():
            verdicts.append((preset, AUTO, AUTO_LIMITS[preset], ratios[AUTO]))
    print("\nLimits, as multiples of timm's speed:\n")
    for preset, name, limit, ratio in verdicts:
        print(f"- {preset}, {name}: at least {limit}; {ratio:.2f}: {'kept' if ratio >= limit else 'NOT KEPT'}")
    return all(ratio >= limit for *_, limit, ratio in verdicts)


def compare_compiled(rounds: int) -> None:
    """Prints the speed of a step with and without ``torch.compile``, and what the compiling takes."""
    torch._inductor.config.force_disable_caches = True
    print("| preset, batch | images a CPU second | compiled | wall seconds to the end of the first step |")
    print("| --- | --- | --- | --- |")
    for preset in (*EPOCH_PRESETS, *CNNS):
        plain, compiled = ours(preset, "auto"), ours(preset, "auto", compiled=True)
        plain()
        start = time.perf_counter()
        compiled()
        first = time.perf_counter() - start
        times = np.array([[cpu_seconds(plain), cpu_seconds(compiled)] for _ in range(rounds + 1)])[1:]
        speed = 128 / np.median(times, axis=0)
        ratio = f"{speed[1]:,.0f} ({speed[1] / speed[0]:.2f})"
        print(f"| `{preset}`, 128 | {speed[0]:,.0f} | {ratio} | {first:.0f} |", flush=True)


def compare_embeddings(rounds: int) -> None:
    """Prints images per CPU second with each kind of patch embedding, the kinds taking turns."""
    print("| network, batches of 128 |", " | ".join(EMBEDDINGS), "|\n|" + " --- |" * (len(EMBEDDINGS) + 1))
    for preset, shape in EMBEDDED.items():
        steps = [ours(preset, "auto", embedding=kind, **shape) for kind in EMBEDDINGS]
        times = np.array([[cpu_seconds(step) for step in steps] for _ in range(rounds + 1)])[1:]
        speed = 128 / np.median(times, axis=0)
        cells = " | ".join(f"{value:,.0f} ({value / speed[0]:.2f})" for value in speed)
        print(f"| `{preset}` | {cells} |", flush=True)


def random_folder(folder: Path) -> Path:
    """An ImageFolder of random 32x32 images."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for number in range(EPOCH_IMAGES):
        path = folder / str(number % CLASSES) / f"{number:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(path)
    return folder


def compare_epochs() -> None:
    """Prints how much of an epoch of ``train`` is steps; what a run costs once drops out in the difference."""
    print(f"\n| preset, {EPOCH_IMAGES:,} images | steps alone | epoch of `train` | arithmetic | once a run |")
    print("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        data = random_folder(work / "data")
        for preset in EPOCH_PRESETS:
            step, batch = ours(preset, "auto"), PRESETS[preset][0]
            steps = EPOCH_IMAGES // batch

            def training(epochs: int, out: Path, preset: str = preset, batch: int = batch) -> float:
                options = {"model": preset, "epochs": epochs, "batch_size": batch, "holdout": 0.0}
                config = TrainConfig.make({**options, "accelerator": "cpu", "threads": 1})
                return cpu_seconds(lambda: train(data, out, config))

            def bare(step: Callable[[], None] = step, steps: int = steps) -> None:
                for _ in range(steps):
                    step()

            training(1, work / f"{preset}-warm")
            rows = []
            for number in range(EPOCH_ROUNDS):
                alone = cpu_seconds(bare)
                short = training(SHORT, work / f"{preset}-{number}-short")
                long = training(LONG, work / f"{preset}-{number}-long")
                epoch = (long - short) / (LONG - SHORT)
                rows.append((alone, epoch, short - SHORT * epoch))
            alone, epoch, once = np.median(rows, axis=0)
            cells = f"{alone:.2f} s | {epoch:.2f} s | {100 * alone / epoch:.0f} % | {once:.2f} s"
            print(f"| `{preset}` | {cells} |", flush=True)


def protected_digits(work: Path) -> Path:
    """scikit-learn's digits at 32x32, every fifth a test image, protected with EtC in blocks of 4 under a fixed key."""
    from PIL import Image
    from sklearn.datasets import load_digits

    from blindsight.owner.keys import SecretKey
    from blindsight.owner.protect import ProtectOptions, protect
    from blindsight.owner.sources import open_source

    scans, labels = load_digits(return_X_y=True)
    grey = [Image.fromarray((scan.reshape(8, 8) * (255 / 16)).astype(np.uint8)) for scan in scans]
    images = np.stack([np.asarray(g.resize((32, 32), Image.Resampling.BICUBIC).convert("RGB")) for g in grey])
    split = np.where(np.arange(len(labels)) % 5 == 0, "test", "train")
    np.savez(work / "digits.npz", x=images, y=labels, split=split)
    source, key = open_source(work / "digits.npz"), SecretKey(bytes(range(32)))
    protect(source, work / "protected", key, ProtectOptions(scheme="etc", block_size=4))
    return work / "protected"


def compare_digits(epochs: int, seed: int) -> None:
    """Prints the accuracy of vit_micro_patch4_32 as timm builds it and as we do."""
    from safetensors.torch import save_file

    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        data = protected_digits(work)
        torch.manual_seed(seed)
        shape = {"img_size": 32, "patch_size": 4, "embed_dim": 128, "depth": 6, "num_heads": 4}
        save_file(VisionTransformer(**shape, num_classes=CLASSES).state_dict(), work / "timm.safetensors")
        as_timm = {"checkpoint": work / "timm.safetensors", "model_args": {"class_token": True, "global_pool": "token"}}
        variants = {"class token, position embeddings of 0.02 (timm)": as_timm, "mean of tokens, 0.5 (ours)": {}}
        print(f"| vit_micro_patch4_32, {epochs} epochs | top-1 on 360 test images | CPU seconds |\n| --- | --- | --- |")
        for number, (label, options) in enumerate(variants.items()):
            common = {"model": "vit_micro_patch4_32", "epochs": epochs, "batch_size": 64, "seed": seed}
            config = TrainConfig.make({**common, "accelerator": "cpu", "threads": 1, **options})
            result = train(data, work / str(number), config)
            top1 = evaluate(work / str(number), data)["top1"]
            print(f"| {label} | {100 * top1:.1f} % | {result['cpu_seconds']:.0f} |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="of steps")
    parser.add_argument("--compile", action="store_true", help="what torch.compile is worth instead")
    parser.add_argument("--embeddings", action="store_true", help="what embeddings that know positions cost instead")
    parser.add_argument("--digits", action="store_true", help="the accuracy on protected digits instead of speed")
    parser.add_argument("--epochs", type=int, default=12, help="of the trainings on digits")
    parser.add_argument("--seed", type=int, default=42, help="of the trainings on digits")
    options = parser.parse_args()
    torch.set_num_threads(1)
    facts = machine()
    units = "with" if has_bfloat16_units() else "without"
    print(f"{facts['processor']}, {facts['cores']} cores, {units} bfloat16 units; one thread.")
    print(f"Python {platform.python_version()}, torch {torch.__version__.split('+')[0]}, timm {timm.__version__}.\n")
    if options.digits:
        compare_digits(options.epochs, options.seed)
        return 0
    if options.compile:
        compare_compiled(options.rounds)
        return 0
    if options.embeddings:
        compare_embeddings(options.rounds)
        return 0
    kept = compare_steps(options.rounds)
    compare_epochs()
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
