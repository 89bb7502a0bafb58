"""What LE and ELE cost: the nibble kernels beside a gather through flat tables of nibbles (the peer).

    python benchmarks/nibbles.py            # a Markdown table; exits with 1 where the limit is not kept

One thread, blocks of 4, RGB, images one by one; measured as in kernels.py. Flat tables of nibbles can be gathered in
two ways, by nibbles (take the image apart, gather, put it together) or by bytes (gather a byte for each half, shift,
merge); the peer is the faster one. Compiling from the key is measured too, and beside it what drawing ELE's
permutations one by one would take.
"""

import platform
import sys
import time
from collections.abc import Callable

import numba
import numpy as np
from kernels import COPY, Work, milliseconds, on, processor
from numpy.typing import NDArray

from blindsight.algebra import SignedPermutation
from blindsight.owner.ciphers import create_cipher
from blindsight.owner.keys import SecretKey

KEY = SecretKey(bytes(range(32)))
SIZES = (32, 224)
BLOCK = 4
SCHEMES = {"le": "LE: one table for all blocks", "ele": "ELE: a table for each block"}
BY_NIBBLES, BY_BYTES = "flat np.take of nibbles", "flat np.take of bytes, twice"
#: Largest share of the peer's time that the numba kernel may take at 224x224; at 32x32 calls count. ELE reads five
#: bytes of tables for each byte of the image.
LIMITS = {"le": 0.6, "ele": 0.85}
LIMITED_SIZE = 224


def take_nibbles(permutation: SignedPermutation) -> Work:
    index, mask = permutation.index, permutation.mask

    def work(image: NDArray[np.uint8]) -> object:
        flat = image.reshape(-1)
        halves = np.empty((flat.size, 2), np.uint8)
        np.bitwise_and(flat, 15, out=halves[:, 0])
        np.right_shift(flat, 4, out=halves[:, 1])
        taken = np.take(halves.reshape(-1), index, mode="clip") ^ mask
        return taken[::2] | (taken[1::2] << np.uint8(4))

    return work


def take_bytes(permutation: SignedPermutation) -> Work:
    place, shift = permutation.index >> 1, ((permutation.index & 1) * 4).astype(np.uint8)
    low, high = np.ascontiguousarray(place[::2]), np.ascontiguousarray(place[1::2])
    low_shift, high_shift = np.ascontiguousarray(shift[::2]), np.ascontiguousarray(shift[1::2])
    mask = permutation.mask[::2] | (permutation.mask[1::2] << np.uint8(4))

    def work(image: NDArray[np.uint8]) -> object:
        flat = image.reshape(-1)
        lows = (np.take(flat, low, mode="clip") >> low_shift) & 15
        highs = np.take(flat, high, mode="clip") >> high_shift
        return (lows | (highs << np.uint8(4))) ^ mask

    return work


def variants(side: int) -> dict[str, Work]:
    ciphers = {scheme: create_cipher(scheme, BLOCK).compile(KEY, side, side) for scheme in SCHEMES}
    buffer = np.empty((side, side, 3), np.uint8)
    made: dict[str, Work] = {COPY: lambda image: np.copyto(buffer, image)}
    made |= {BY_NIBBLES: take_nibbles(ciphers["ele"]), BY_BYTES: take_bytes(ciphers["ele"])}
    image = np.random.default_rng(1).integers(0, 256, (side, side, 3), np.uint8)
    for work in (made[BY_NIBBLES], made[BY_BYTES]):
        assert np.array_equal(np.reshape(work(image), image.shape), ciphers["ele"].apply(image))
    for scheme, label in SCHEMES.items():
        made |= {f"{label}, {backend}": on(backend, ciphers[scheme]) for backend in ("numba", "numpy")}
    return made


def median_ms(work: Callable[[int], object], rounds: int = 9) -> float:
    times = []
    for number in range(rounds):
        start = time.process_time()
        work(number)
        times.append(time.process_time() - start)
    return float(np.median(times)) * 1e3


def compiling(side: int) -> dict[str, float]:
    """Milliseconds from key to tables, another key each time."""
    made = {}
    for scheme in SCHEMES:
        cipher = create_cipher(scheme, BLOCK)
        made[f"{scheme}, from the key"] = median_ms(lambda n, c=cipher: c.compile(KEY, side, side, str(n)))
    count, halves = (side // BLOCK) ** 2, 2 * BLOCK * BLOCK * 3
    made["ele's permutations alone, together"] = median_ms(
        lambda n: KEY.stream("together", str(n)).permutations(count, halves)
    )

    def one_by_one(number: int) -> object:
        stream = KEY.stream("together", str(number))
        return [stream.permutation(halves) for _ in range(count)]

    made["ele's permutations alone, one by one"] = median_ms(one_by_one, 3)
    return made


def main() -> int:
    print(f"{processor()}; Python {platform.python_version()}, NumPy {np.__version__}, numba {numba.__version__}.")
    print(f"Blocks of {BLOCK}, RGB; images a second on one core, and in brackets the share of the peer's time.\n")
    measured = {side: milliseconds(variants(side), side, side) for side in SIZES}
    peers = {side: min(times[BY_NIBBLES], times[BY_BYTES]) for side, times in measured.items()}
    print("| kernel |", " | ".join(f"{side}x{side}" for side in SIZES), "|\n| --- |" + " --- |" * len(SIZES))
    for name in measured[SIZES[0]]:
        cells = (f"{1e3 / times[name]:,.0f} ({times[name] / peers[side]:.2f})" for side, times in measured.items())
        print(f"| {name} |", " | ".join(cells), "|")
    print("\n| from key to tables, ms |", " | ".join(f"{side}x{side}" for side in SIZES), "|")
    print("| --- |" + " --- |" * len(SIZES))
    compiled = {side: compiling(side) for side in SIZES}
    for name in compiled[SIZES[0]]:
        print(f"| {name} |", " | ".join(f"{times[name]:.2f}" for times in compiled.values()), "|")
    kept = True
    print(f"\nLimits for numba at {LIMITED_SIZE}x{LIMITED_SIZE}, as shares of the peer's time:\n")
    for scheme, limit in LIMITS.items():
        share = measured[LIMITED_SIZE][f"{SCHEMES[scheme]}, numba"] / peers[LIMITED_SIZE]
        kept = kept and share <= limit
        print(f"- {scheme}: at most {limit}; {share:.2f}: {'kept' if share <= limit else 'EXCEEDED'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
