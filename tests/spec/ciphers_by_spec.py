"""spec/keys.md and spec/ciphers.md in plain Python, written from their text alone: the proof that the text is enough.

An image is a list of rows, a row a list of pixels, a pixel a list of bytes.
"""

import hashlib
import hmac
import math
import struct
from collections.abc import Iterator

Image = list[list[list[int]]]

COLORS = ("RGB", "RBG", "GRB", "GBR", "BRG", "BGR")


# --- keys.md ----------------------------------------------------------------------------------------------------------


def subkey(master: bytes, *path: str) -> bytes:
    fields = [field.encode("utf-8") for field in ("blindsight/v1", *path)]
    info = b"".join(len(field).to_bytes(2, "big") + field for field in fields)
    return hmac.digest(master, info + b"\x01", hashlib.sha256)


def chacha20(key: bytes) -> Iterator[int]:
    """The words of RFC 8439's key stream, nonce and first counter 0."""
    counter = 0
    while True:
        start = [*struct.unpack("<4I", b"expand 32-byte k"), *struct.unpack("<8I", key), counter, 0, 0, 0]
        state = list(start)
        for _ in range(10):
            for a, b, c, d in (
                *((i, i + 4, i + 8, i + 12) for i in range(4)),
                *((i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4) for i in range(4)),
            ):
                for x, y, z, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                    state[x] = (state[x] + state[y]) % 2**32
                    mixed = state[z] ^ state[x]
                    state[z] = (mixed << turn | mixed >> (32 - turn)) % 2**32
        yield from ((x + y) % 2**32 for x, y in zip(state, start, strict=True))
        counter += 1


class Stream:
    def __init__(self, master: bytes, *path: str) -> None:
        self.words = chacha20(subkey(master, *path))

    def below(self, n: int) -> int:
        limit = 2**32 // n * n
        return next(x for x in self.words if x < limit) % n

    def permutation(self, n: int) -> list[int]:
        a = list(range(n))
        for i in range(n - 1, 0, -1):
            j = self.below(i + 1)
            a[i], a[j] = a[j], a[i]
        return a

    def uniform(self) -> float:
        return next(self.words) / 2**32


# --- ciphers.md, section 1 --------------------------------------------------------------------------------------------


def blocks_of(image: Image, m: int) -> list[Image]:
    rows, cols = len(image) // m, len(image[0]) // m
    return [
        [line[i % cols * m : i % cols * m + m] for line in image[i // cols * m : i // cols * m + m]]
        for i in range(rows * cols)
    ]


def image_of(blocks: list[Image], cols: int) -> Image:
    m = len(blocks[0])
    return [
        [pixel for block in blocks[top : top + cols] for pixel in block[line]]
        for top in range(0, len(blocks), cols)
        for line in range(m)
    ]


def samples_of(block: Image) -> list[int]:
    return [value for line in block for pixel in line for value in pixel]


def halves_of(samples: list[int]) -> list[int]:
    return [value % 16 for value in samples] + [value // 16 for value in samples]


def samples_of_halves(halves: list[int]) -> list[int]:
    size = len(halves) // 2
    return [halves[s] + 16 * halves[size + s] for s in range(size)]


def block_of(samples: list[int], m: int, c: int) -> Image:
    pixels = [samples[p * c : p * c + c] for p in range(m * m)]
    return [pixels[y * m : y * m + m] for y in range(m)]


# --- sections 2 to 4 --------------------------------------------------------------------------------------------------


def steps_of(scheme: str, parameters: dict[str, bool | float | str]) -> list[tuple[str, bool]]:
    """(step, shared)."""
    if scheme in ("le", "ele"):
        shared = scheme == "le"
        inside = ("nibble-shuffle-tied",) if parameters["paper"] else ("nibble-reverse", "nibble-shuffle")
        return [(name, shared) for name in inside] + ([] if shared else [("block-scramble", False)])
    if scheme == "bps":
        return [("pixel-shuffle", False)] + ([("block-scramble", False)] if parameters["scramble"] else [])
    if scheme == "rrp":
        steps = [("block-scramble", parameters["blocks"], False), ("pixel-shuffle", parameters["samples"], True)]
        return [(name if share == 1 else f"{name}-part", shared) for name, share, shared in steps if share != 0]
    if scheme == "steps-part":
        return [("pixel-shuffle-part", False)]
    if scheme == "etc":
        names = ("block-scramble", "block-rotate-flip", "negative-positive-block", "color-shuffle-block")
        return [(name, False) for name in names]
    if scheme == "pe":
        shuffle = [("color-shuffle-pixel", False)] if parameters["color_shuffle"] else []
        return [("negative-positive-pixel", False), *shuffle]
    if scheme == "np":
        per_pixel = parameters["per"] == "pixel"
        return [("negative-positive-pixel", True) if per_pixel else ("negative-positive-block", False)]
    if scheme == "shf":
        negation = [("negative-positive-pixel", True)] if parameters["negation"] else []
        return [("block-scramble", False), ("pixel-shuffle", True), *negation]
    assert scheme == "steps-each"
    return [("pixel-shuffle", False), ("block-scramble", False), ("negative-positive-pixel", False)]


def encrypt(
    image: Image, master: bytes, scheme: str, parameters: dict[str, bool | float | str], m: int, scope: list[str]
) -> Image:
    rows, cols, c = len(image) // m, len(image[0]) // m, len(image[0][0])
    for step, shared in steps_of(scheme, parameters):
        geometry = f"block={m},channels={c}"
        if not shared:
            geometry = f"grid={rows}x{cols},{geometry}"
        stream = Stream(master, scheme, step, geometry, *scope)
        share = parameters.get("blocks" if step.startswith("block") else "samples", 0.4)
        image = image_of(apply(step, shared, share, stream, blocks_of(image, m), m, c), cols)
    return image


def part(stream: Stream, count: int, share: float) -> list[int]:
    moving = math.floor(share * count + 1 / 2)
    e = sorted(stream.permutation(count)[:moving])
    k = stream.permutation(moving)
    order = list(range(count))
    for a in range(moving):
        order[e[a]] = e[k[a]]
    return order


def apply(step: str, shared: bool, share: float, stream: Stream, blocks: list[Image], m: int, c: int) -> list[Image]:
    n, size = len(blocks), m * m * c
    every = range(n)
    if step == "block-scramble-part":
        k = part(stream, n, share)
        return [blocks[k[i]] for i in every]
    if step.startswith("nibble"):
        return nibble_step(step, shared, stream, blocks, m, c)
    if step == "block-scramble":
        k = stream.permutation(n)
        return [blocks[k[i]] for i in every]
    if step == "block-rotate-flip":
        return [oriented(block, stream.below(8)) for block in blocks]
    if step == "negative-positive-block":
        return [masked(block, [stream.below(2)] * size, m, c) for block in blocks]
    if step == "negative-positive-pixel":
        once = [stream.below(2) for _ in range(size)] if shared else []
        return [masked(block, once or [stream.below(2) for _ in range(size)], m, c) for block in blocks]
    if step in ("pixel-shuffle", "pixel-shuffle-part"):

        def draw() -> list[int]:
            return stream.permutation(size) if step == "pixel-shuffle" else part(stream, size, share)

        orders = [draw()] * n if shared else [draw() for _ in every]
        return [block_of([samples_of(blocks[i])[j] for j in orders[i]], m, c) for i in every]
    if c == 1:
        return blocks
    if step == "color-shuffle-block":
        orders = [[stream.below(6)] * m * m for _ in every]
    else:
        assert step == "color-shuffle-pixel"
        orders = [[stream.below(6) for _ in range(m * m)] for _ in every]
    return [recolored(block, order) for block, order in zip(blocks, orders, strict=True)]


def nibble_step(step: str, shared: bool, stream: Stream, blocks: list[Image], m: int, c: int) -> list[Image]:
    size = m * m * c

    def draw() -> list[int]:
        if step == "nibble-reverse":
            return [stream.below(2) for _ in range(2 * size)]
        return stream.permutation(2 * size)

    keys = [draw()] * len(blocks) if shared else [draw() for _ in blocks]
    result = []
    for block, k in zip(blocks, keys, strict=True):
        before = halves_of(samples_of(block))
        if step == "nibble-reverse":
            after = [value ^ (15 * bit) for value, bit in zip(before, k, strict=True)]
        else:
            after = [before[k[h]] for h in range(2 * size)]
        if step == "nibble-shuffle-tied":
            after = [v ^ 15 if (k[h] > size) != (k[k[h]] > size) else v for h, v in enumerate(after)]
        result.append(block_of(samples_of_halves(after), m, c))
    return result


def recolored(block: Image, order: list[int]) -> Image:
    m = len(block)
    names = [[COLORS[order[y * m + x]] for x in range(m)] for y in range(m)]
    return [[[block[y][x]["RGB".index(name)] for name in names[y][x]] for x in range(m)] for y in range(m)]


def masked(block: Image, bits: list[int], m: int, c: int) -> Image:
    return block_of([value ^ (255 * bit) for value, bit in zip(samples_of(block), bits, strict=True)], m, c)


def oriented(b: Image, code: int) -> Image:
    last = len(b) - 1
    place = {
        0: lambda r, c: b[r][c],
        1: lambda r, c: b[r][last - c],
        2: lambda r, c: b[last - r][c],
        3: lambda r, c: b[last - r][last - c],
        4: lambda r, c: b[c][r],
        5: lambda r, c: b[last - c][r],
        6: lambda r, c: b[c][last - r],
        7: lambda r, c: b[last - c][last - r],
    }[code]
    return [[place(r, c) for c in range(last + 1)] for r in range(last + 1)]


# --- sections 5 and 6 -------------------------------------------------------------------------------------------------


def pool_element(master: bytes, size: int, image_id: str) -> str:
    return f"pool:{Stream(master, 'key-pool', str(size), image_id).below(size)}"


def view(master: bytes, identifier: str, height: int, width: int) -> tuple[list[int], bool]:
    """Box (left, top, w, h) and flip."""
    stream = Stream(master, "views", "crop-flip", identifier)
    u = [stream.uniform() for _ in range(41)]
    box = [0, 0, width, height]
    for t in range(10):
        area = height * width * (0.25 + u[1 + 4 * t] * 0.75)
        ratio = math.exp(math.log(3 / 4) + u[2 + 4 * t] * (math.log(4 / 3) - math.log(3 / 4)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            box = [math.floor(u[3 + 4 * t] * (width - w + 1)), math.floor(u[4 + 4 * t] * (height - h + 1)), w, h]
            break
    return box, u[0] < 0.5
