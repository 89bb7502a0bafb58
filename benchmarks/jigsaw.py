"""How many protected images give an EtC key away: the jigsaw attacks, with a fresh key and subset each trial.

    python benchmarks/jigsaw.py --data cifar10.npz --size 32 --block 4 --images 1 5 10 20 --trials 10 --out jigsaw.json

Prints a Markdown table: Dc (share of blocks in their place and state), in brackets the share of trials in which the
whole key was found, Nc, Lc and SSIM, all up to the 96 states of the whole image; how often the attack itself chose the
right one of them, left and right apart (``--public``); and processor seconds. ``--control`` swaps in keys per image or
noise images, which the attack must fail on.
"""

import argparse
import json
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.metrics import structural_similarity

from blindsight.algebra import BlockPermutation
from blindsight.audit.attack import Budget
from blindsight.audit.attacks.dataset_jigsaw import DatasetJigsaw
from blindsight.audit.block_scores import score_blocks
from blindsight.audit.global_states import global_states, in_state
from blindsight.audit.scenario import make_scenario
from blindsight.profile import Codec

Pixels = NDArray[np.uint8]


def read_images(data: Path, size: int, count: int, seed: int, crop: bool, gray: bool) -> Pixels:
    """``count`` images of a side, drawn at random: uint8 (count, size, size, C).

    Args:
        data: an .npz with ``x`` (N, H, W, 3), or a folder of image files.
        crop: cut the middle out; else resize, bilinear.
    """
    rng = np.random.default_rng((seed, 77))
    found: list[Pixels] = []
    if data.suffix == ".npz":
        images = _held(data)
        candidates: Any = (Image.fromarray(images[i]) for i in rng.permutation(len(images)))
    else:
        files = sorted(file for file in data.rglob("*") if file.suffix.lower() in (".jpg", ".jpeg", ".png"))
        candidates = (Image.open(files[i]) for i in rng.permutation(len(files)))
    for image in candidates:
        if crop and min(image.size) < size:
            continue
        image = image.convert("L" if gray else "RGB")
        if crop:
            left, top = (image.width - size) // 2, (image.height - size) // 2
            image = image.crop((left, top, left + size, top + size))
        elif image.size != (size, size):
            image = image.resize((size, size), Image.Resampling.BILINEAR)
        found.append(np.asarray(image).reshape(size, size, -1))
        if len(found) == count:
            return np.stack(found)
    sys.exit(f"{data} has {len(found)} images of at least {size} pixels, {count} are needed")


@cache
def _held(data: Path) -> Pixels:
    with np.load(data) as held:
        images: Pixels = held["x"]
    return images


def ssim(images: Pixels, truth: Pixels) -> float:
    return float(np.mean([structural_similarity(a, b, channel_axis=2) for a, b in zip(images, truth, strict=True)]))


def trial(plain: Pixels, count: int, options: argparse.Namespace, number: int) -> dict[str, Any]:
    if options.control == "noise":
        plain = np.random.default_rng((options.seed, number)).integers(0, 256, plain.shape, np.uint8)
    public = plain[count:] if options.public else None
    scope = "image" if options.control == "keys" else "dataset"
    codec = Codec(format="jpeg", quality=options.jpeg, subsampling="4:4:4") if options.jpeg else None
    seed = options.seed * 1_000_003 + number * 1009 + count
    cipher: dict[str, Any] = {"scheme": "etc"}
    if options.upright:
        cipher = {"scheme": "rrp", "parameters": {"blocks": 1.0, "samples": 0.0}}
    made = make_scenario(
        plain[:count], block=options.block, seed=seed, public=public, key_scope=scope, codec=codec, **cipher
    )
    began = time.process_time()
    found = DatasetJigsaw().run(made.observation, Budget(options.seconds, seed=seed))
    seconds = time.process_time() - began
    key = found.key
    # With keys per image there is none to compare with but that of the first.
    alone = make_scenario(plain[:1], block=options.block, seed=seed, **cipher).truth.key
    truth = made.truth.key if made.truth.key is not None else alone
    assert isinstance(key, BlockPermutation)
    assert isinstance(truth, BlockPermutation)
    scores = score_blocks(key, truth)
    states = global_states(plain.shape)
    few = slice(0, 20)
    results = [in_state(found.images[few], state) for state in states]
    distance = [np.square(result.astype(np.float32) - made.truth.images[few]).mean() for result in results]
    best = int(np.argmin(distance))
    return {
        "direct": scores.direct,
        "exact": float(scores.exact),
        "placed": scores.placed,
        "neighbour": scores.neighbour,
        "largest": scores.largest,
        "ssim": ssim(results[best], made.truth.images[few]),
        # As it is, or the mirror image.
        "right_state": float(states[best] in ((0, 0, 0), (1, 0, 0))),
        "seconds": seconds,
        "join_cost": float(found.facts["join_cost"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="an .npz with x (N, H, W, 3), or a folder")
    parser.add_argument("--size", type=int, required=True, help="side of the images in pixels")
    parser.add_argument("--block", type=int, required=True, help="side of the blocks in pixels")
    parser.add_argument("--images", type=int, nargs="+", required=True, help="images under one key")
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, help="wall clock for each attack")
    parser.add_argument("--public", type=int, default=0, help="plain images that the attacker has besides")
    parser.add_argument("--crop", action="store_true", help="cut the middle out instead of resizing")
    parser.add_argument("--gray", action="store_true", help="make the images gray")
    parser.add_argument("--jpeg", type=int, help="publish as JPEG of this quality, 4:4:4")
    parser.add_argument("--control", choices=("keys", "noise"), help="keys per image, or noise images")
    parser.add_argument("--upright", action="store_true", help="blocks only change places: what a start model leaves")
    parser.add_argument("--out", type=Path, help="all trials as JSON")
    options = parser.parse_args()
    print("| images | trials | Dc (exact) | placed | Nc | Lc | SSIM | state right | s |\n|" + " --- |" * 9)
    cells = []
    for count in options.images:
        results = []
        for number in range(options.trials):
            drawn = options.seed * 100_003 + number * 101 + count
            plain = read_images(options.data, options.size, count + options.public, drawn, options.crop, options.gray)
            results.append(trial(plain, count, options, number))
        mean = {name: float(np.mean([result[name] for result in results])) for name in results[0]}
        print(
            f"| {count} | {len(results)} | {mean['direct']:.3f} ({mean['exact']:.2f}) | {mean['placed']:.3f} "
            f"| {mean['neighbour']:.3f} | {mean['largest']:.3f} | {mean['ssim']:.3f} | {mean['right_state']:.2f} "
            f"| {mean['seconds']:.2f} |",
            flush=True,
        )
        cells.append({"images": count, "mean": mean, "trials": results})
    if options.out:
        settings = {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()}
        settings["data"], settings["out"] = options.data.name, options.out.name
        options.out.write_text(json.dumps({"settings": settings, "cells": cells}, indent=1) + "\n")


if __name__ == "__main__":
    main()
