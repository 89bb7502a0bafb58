"""How fast the small CNNs train on a CPU beside the networks that they stand in for.

    python benchmarks/cnn.py

Training steps on random data, one thread, batches of 32, images per second of process CPU time: the median of rounds in
which all variants of a row take turns. Images of 64 pixels, and of 80 for Inception, whose original takes no less than
75.
"""

import argparse

import numpy as np
import torch
from training import cpu_seconds, stepper

from blindsight.nets import create_model
from blindsight.provider.machine import machine

PAIRS = {
    "resnet_micro": ("resnet50", 64),
    "vgg_micro": ("vgg16", 64),
    "inception_micro": ("inception_v3", 80),
    "densenet_micro": ("densenet121", 64),
}
BATCH, CLASSES = 32, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    print(f"{machine()}, torch {torch.__version__}\n")
    print("| preset, image | float32 | bfloat16 | stands in for | float32 | bfloat16 |\n|" + " --- |" * 6)
    for preset, (full, side) in PAIRS.items():
        variants = [(name, bfloat16) for name in (preset, full) for bfloat16 in (False, True)]
        steps = [stepper(create_model(n, num_classes=CLASSES), side, BATCH, bfloat16) for n, bfloat16 in variants]
        for step in steps:
            step()  # the first one is slower
        times = np.median([[cpu_seconds(step) for step in steps] for _ in range(rounds)], axis=0)
        small, small_bf16, large, large_bf16 = (f"{BATCH / seconds:,.0f}" for seconds in times)
        print(f"| `{preset}`, {side} | {small} | {small_bf16} | `{full}` | {large} | {large_bf16} |", flush=True)


if __name__ == "__main__":
    main()
