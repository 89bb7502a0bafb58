"""What a pool of keys is worth: images sorted by key and solved together, beside each image solved alone.

    python benchmarks/pools.py --data cifar10.npz --block 4 --pool 8 --images 200 --alone 10 --out pools.json

Prints a Markdown table: keys found and images sorted; blocks that came back bit for bit, images that did so whole, and
SSIM, each image in its own best of the 96 states of a whole image, over the first ``--scored`` images; the same for the
first ``--alone`` of them, each solved by itself; processor seconds.
``--control`` swaps in keys per image or noise images: nothing may be sorted.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from jigsaw import read_images, ssim
from numpy.typing import NDArray

from blindsight.audit import Budget, get_attack
from blindsight.audit.global_states import best_states, in_state
from blindsight.audit.scenario import make_scenario
from blindsight.audit.threat import Observation

Pixels = NDArray[np.uint8]


def blocks_right(found: Pixels, truth: Pixels, block: int) -> float:
    same = (found == truth).all(3)
    n, height, width = same.shape
    return float(same.reshape(n, height // block, block, width // block, block).all((2, 4)).mean())


def measured(name: str, observation: Observation, truth: Pixels, block: int, seconds: float | None) -> dict[str, Any]:
    began = time.process_time()
    found = get_attack(name).run(observation, Budget(seconds, seed=1))
    took = time.process_time() - began
    mine = found.images[: len(truth)]
    states = best_states(mine, truth, shared=False)
    best = np.concatenate([in_state(image[None], state) for image, state in zip(mine, states, strict=True)])
    return {
        "attack": name,
        "scored": len(truth),
        "blocks_right": blocks_right(best, truth, block),
        "whole": float((best == truth).all((1, 2, 3)).mean()),
        "ssim": ssim(best, truth),
        "seconds": took,
        "facts": found.facts,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="an .npz with x (N, H, W, 3), or a folder")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--block", type=int, default=4)
    parser.add_argument("--pool", type=int, required=True, help="keys in the pool")
    parser.add_argument("--images", type=int, required=True)
    parser.add_argument("--scored", type=int, default=50, help="images that are scored, at most")
    parser.add_argument("--alone", type=int, default=10, help="images that are solved alone besides")
    parser.add_argument("--trials", type=int, default=1)
    parser.add_argument("--seconds", type=float, help="wall clock for each attack")
    parser.add_argument("--control", choices=("keys", "noise"), help="keys per image, or noise images")
    parser.add_argument("--out", type=Path, help="all trials as JSON")
    options = parser.parse_args()
    print(
        "| attack | images | scored | keys found | sorted | blocks right | whole images | SSIM | s |\n|" + " --- |" * 9
    )
    trials = []
    for number in range(options.trials):
        plain = read_images(options.data, options.size, options.images, number, False, False)
        if options.control == "noise":
            plain = np.random.default_rng(number).integers(0, 256, plain.shape, np.uint8)
        scope = "image" if options.control == "keys" else f"pool:{options.pool}"
        made = make_scenario(plain, "etc", options.block, seed=number, key_scope=scope)
        few = plain[: options.scored]
        rows = [measured("pool-jigsaw", made.observation, few, options.block, options.seconds)]
        if options.alone:
            alone = make_scenario(plain[: options.alone], "etc", options.block, seed=number, key_scope=scope)
            rows.append(measured("jigsaw", alone.observation, plain[: options.alone], options.block, options.seconds))
        for row in rows:
            facts = row["facts"]
            print(
                f"| {row['attack']} | {options.images} | {row['scored']} | {facts.get('keys_found', '')} "
                f"| {facts.get('images_sorted', '')} | {row['blocks_right']:.3f} | {row['whole']:.2f} "
                f"| {row['ssim']:.3f} | {row['seconds']:.1f} |",
                flush=True,
            )
        trials.append(rows)
    if options.out:
        settings = {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()}
        settings["data"], settings["out"] = options.data.name, options.out.name
        options.out.write_text(json.dumps({"settings": settings, "trials": trials}, indent=1) + "\n")


if __name__ == "__main__":
    main()
