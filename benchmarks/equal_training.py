"""Fine-tuning a plain model on plain images against its encrypted twin on encrypted ones, in single precision.

    python benchmarks/equal_training.py

A small ViT learns the even digits of scikit-learn, on plain images. Then it is fine-tuned on all digits in four ways,
with the same seed and the same images in the same order: plain on plain images; encrypted with shf, and with etc, on
images protected with the same key; and, to compare with, the plain weights as they are on images protected with etc, as
one would without encrypting the model. Writes results/equal-training.json, .png and .md.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timm.optim import create_optimizer_v2

from blindsight.demo.pictures import load_digits
from blindsight.nets import create_model
from blindsight.owner.keys import SecretKey
from blindsight.owner.model_cipher import encrypt_model
from blindsight.owner.protection import Protection
from blindsight.profile import Profile
from blindsight.provider.classifier import normalise
from blindsight.provider.machine import machine

RESULTS = Path(__file__).parents[1] / "results"
MODEL, ARGUMENTS = "vit_micro_patch4_32", {"embed_dim": 64, "depth": 3, "num_heads": 4}
BATCH, TRAIN = 32, 1347
KEY = SecretKey(bytes(range(32)))  # a benchmark's, no secret


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=120, help="of fine-tuning, and of the training before it")
    steps = parser.parse_args().steps
    started = time.process_time()
    torch.set_num_threads(1)
    pixels, labels = load_digits()
    even = np.flatnonzero(labels[:TRAIN] % 2 == 0)
    torch.manual_seed(0)
    start = create_model(MODEL, num_classes=10, **ARGUMENTS)
    steps_of(start, pixels[even], labels[even], steps, 2e-3)

    profiles = {scheme: profile_of(scheme) for scheme in ("shf", "etc")}
    hidden = {name: protected(pixels, profile) for name, profile in profiles.items()}
    ways = {
        "plain model, plain images": (encrypted_or_not(start, None), pixels),
        "encrypted model, images with shf": (encrypted_or_not(start, profiles["shf"]), hidden["shf"]),
        "encrypted model, images with etc": (encrypted_or_not(start, profiles["etc"]), hidden["etc"]),
        "plain model, images with etc": (encrypted_or_not(start, None), hidden["etc"]),
    }
    curves: dict[str, Any] = {}
    for name, (model, images) in ways.items():
        losses = steps_of(model, images[:TRAIN], labels[:TRAIN], steps, 5e-4)
        curves[name] = {"losses": losses, "top1": accuracy(model, images[TRAIN:], labels[TRAIN:])}
        print(f"{name}: last losses {np.mean(losses[-10:]):.4f}, top-1 {100 * curves[name]['top1']:.2f} %", flush=True)
    wanted = np.array(curves["plain model, plain images"]["losses"])
    for curve in curves.values():
        curve["largest_difference"] = float(np.abs(np.array(curve["losses"]) - wanted).max() / wanted.max())
    seconds = time.process_time() - started
    write(
        curves,
        {"machine": machine(), "torch": torch.__version__.split("+")[0], "steps": steps, "cpu_seconds": round(seconds)},
    )


def profile_of(scheme: str) -> Profile:
    facts = {"kind": "cipher", "scheme": scheme, "block_size": 4, "size": (32, 32), "key_scope": "dataset"}
    parameters = {"negation": True} if scheme == "shf" else {}
    return Profile.model_validate({**facts, "parameters": parameters, "key_id": KEY.id})


def protected(pixels: np.ndarray, profile: Profile) -> np.ndarray:
    return np.asarray(Protection(profile, KEY).permutation(32, 32).apply(pixels))


def encrypted_or_not(start: Any, profile: Profile | None) -> Any:
    model = create_model(MODEL, num_classes=10, **ARGUMENTS)
    model.load_state_dict(start.state_dict())
    return model if profile is None else encrypt_model(model, profile, KEY)


def tensor(pixels: np.ndarray) -> torch.Tensor:
    return normalise(torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))))


def steps_of(model: Any, pixels: np.ndarray, labels: np.ndarray, steps: int, rate: float) -> list[float]:
    """Losses of AdamW steps with weight decay and clipping; the same order of images for every model."""
    images, targets = tensor(pixels), torch.from_numpy(labels)
    random = np.random.default_rng(0)
    optimiser = create_optimizer_v2(model.train(), opt="adamw", lr=rate, weight_decay=0.05)
    losses = []
    for _ in range(steps):
        rows = torch.from_numpy(random.choice(len(images), BATCH, replace=False))
        loss = torch.nn.functional.cross_entropy(model(images[rows]), targets[rows], label_smoothing=0.1)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
    return losses


@torch.inference_mode()
def accuracy(model: Any, pixels: np.ndarray, labels: np.ndarray) -> float:
    return float((model.eval()(tensor(pixels)).argmax(1).numpy() == labels).mean())


def write(curves: dict[str, Any], facts: dict[str, Any]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "equal-training.json").write_text(json.dumps({**facts, "curves": curves}, indent=1) + "\n")
    figure, axes = plt.subplots(figsize=(7, 4))
    for (name, curve), style in zip(curves.items(), ("-", "--", ":", "-"), strict=True):
        axes.plot(curve["losses"], style, linewidth=2.5 if style == ":" else 1.5, label=name)
    axes.set(xlabel="step of fine-tuning", ylabel="training loss", title="scikit-learn digits, small ViT, float32")
    axes.legend()
    figure.tight_layout()
    figure.savefig(RESULTS / "equal-training.png", dpi=120)
    rows = "\n".join(
        f"| {name} | {np.mean(c['losses'][-10:]):.4f} | {100 * c['top1']:.2f} % | {c['largest_difference']:.1g} |"
        for name, c in curves.items()
    )
    what = f"{MODEL}, {ARGUMENTS['embed_dim']} wide, {ARGUMENTS['depth']} deep"
    where = f"{facts['cpu_seconds']} s of processor time on {facts['machine']['processor']}, torch {facts['torch']}"
    (RESULTS / "equal-training.md").write_text(
        f"""# Fine-tuning an encrypted model

A small ViT ({what}) is trained on the plain even digits of scikit-learn for {facts["steps"]} steps,
then fine-tuned on all ten digits for as many steps of AdamW (batches of {BATCH}, weight decay 0.05) in float32, in four
ways; the same seed, images and order. {TRAIN:,} training and {1797 - TRAIN} test images.

| fine-tuned | loss, last 10 steps | top-1 on test images | largest difference from the plain losses |
| --- | --- | --- | --- |
{rows}

![Training losses](equal-training.png)

The difference is a part of the largest plain loss. An encrypted model makes the plain model's steps up to rounding; in
float64 `tests/owner/test_equal_training.py` holds them to 1e-6. The last row is what the same images do to weights that
were not encrypted.

One seed. `python benchmarks/equal_training.py`: {where}.
"""
    )


if __name__ == "__main__":
    main()
