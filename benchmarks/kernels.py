"""What moving an image's blocks costs: the kernels beside a flat gather (the peer) and a copy (the floor).

    python benchmarks/kernels.py            # a Markdown table; exits with 1 where a limit is not kept

One thread, blocks of 16, RGB. Times are medians of process CPU time, so that other people's work on the machine counts
little; all variants take turns in every round, on three images in turn.
"""

import os
import platform
import sys
import time
from collections.abc import Callable
from itertools import cycle

import numba
import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import SignedPermutation, kernels
from blindsight.owner.ciphers import create_cipher
from blindsight.owner.keys import SecretKey

KEY = SecretKey(bytes(range(32)))
SIZES = {"224x224": (224, 224), "512x512": (512, 512), "1248x1664 (2 MP)": (1248, 1664)}
BLOCK = 16
ROUNDS = 15
COPY, TAKE = "copy (the floor)", "flat np.take and XOR (the peer)"
FORMS = {
    "etc": "EtC: block tables",
    "shf": "SHF: one tile for all blocks",
    "pe": "PE: a tile for each block",
}
#: Largest share of np.take's time that the numba kernels may take; 224x224 is left out, where calls count.
#: PE reads three bytes of tables for each byte of the image.
LIMITS = {"etc": 0.6, "shf": 0.6, "pe": 0.7}
LIMITED_SIZES = ("512x512", "1248x1664 (2 MP)")


def flat_take(permutation: SignedPermutation) -> "Work":
    """The fastest gather through flat tables that NumPy has."""
    index, mask = permutation.index, permutation.mask
    return lambda image: np.take(image.reshape(-1), index, mode="clip") ^ mask


def on(backend: kernels.Backend, permutation: SignedPermutation) -> "Work":
    def work(image: NDArray[np.uint8]) -> object:
        with kernels.use(backend):
            return permutation.apply(image)

    return work


Work = Callable[[NDArray[np.uint8]], object]


def variants(height: int, width: int) -> dict[str, Work]:
    ciphers = {scheme: create_cipher(scheme, BLOCK).compile(KEY, height, width) for scheme in FORMS}
    buffer = np.empty((height, width, 3), np.uint8)
    made: dict[str, Work] = {COPY: lambda image: np.copyto(buffer, image)}
    made[TAKE] = flat_take(ciphers["etc"])
    for scheme, label in FORMS.items():
        made |= {f"{label}, {backend}": on(backend, ciphers[scheme]) for backend in ("numba", "numpy")}
    return made


def milliseconds(works: dict[str, Work], height: int, width: int) -> dict[str, float]:
    """Median time of each variant, taken in turns."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (height, width, 3), np.uint8) for _ in range(3)]
    repeats = {}
    for name, work in works.items():
        work(images[0])
        start = time.perf_counter()
        work(images[1])
        repeats[name] = max(len(images), int(2e-3 / (time.perf_counter() - start)))
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            turn = cycle(images)
            work(next(turn))  # what the variant before left in caches and allocator is not this one's cost
            start = time.process_time()
            for _ in range(repeats[name]):
                work(next(turn))
            times[name].append((time.process_time() - start) / repeats[name])
    return {name: float(np.median(values)) * 1e3 for name, values in times.items()}


def processor() -> str:
    """Model and number of cores, nothing else of the machine."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            model = next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or "unknown processor"
    return f"{model}, {os.cpu_count()} cores"


def main() -> int:
    print(f"{processor()}; Python {platform.python_version()}, NumPy {np.__version__}, numba {numba.__version__}.")
    print(f"Blocks of {BLOCK}, RGB; CPU ms an image, and in brackets its share of np.take's.\n")
    measured = {size: milliseconds(variants(*shape), *shape) for size, shape in SIZES.items()}
    print("| kernel |", " | ".join(SIZES), "|\n| --- |" + " --- |" * len(SIZES))
    for name in measured["224x224"]:
        cells = (f"{times[name]:.3f} ({times[name] / times[TAKE]:.2f})" for times in measured.values())
        print(f"| {name} |", " | ".join(cells), "|")
    kept = True
    print("\nLimits for numba, as shares of np.take's time:\n")
    for scheme, limit in LIMITS.items():
        shares = [measured[size][f"{FORMS[scheme]}, numba"] / measured[size][TAKE] for size in LIMITED_SIZES]
        verdict = "kept" if max(shares) <= limit else "EXCEEDED"
        kept = kept and verdict == "kept"
        places = " and ".join(f"{share:.2f} at {size}" for share, size in zip(shares, LIMITED_SIZES, strict=True))
        print(f"- {scheme}: at most {limit}; {places}: {verdict}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
