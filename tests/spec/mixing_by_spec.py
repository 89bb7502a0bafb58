"""spec/mixing.md in plain Python, written from its text alone: the proof that the text is enough.

An image is a list of bytes, row by row, channel last.
"""

import base64
import hashlib
import hmac
import json
import math
from collections.abc import Iterator

from ciphers_by_spec import Stream, chacha20, subkey


class Draws(Stream):
    def __init__(self, master: bytes, *path: str) -> None:
        super().__init__(master, "mix", *path)

    def uniform(self) -> float:
        return next(self.words) / 2**32

    def beta(self, alpha: float) -> int:
        while True:
            u, v = self.uniform(), self.uniform()
            if alpha < 1:
                x, y = u ** (1 / alpha), v ** (1 / alpha)
                if not 0 < x + y <= 1:
                    continue
                lam = x / (x + y)
            else:
                if v >= (4 * u * (1 - u)) ** (alpha - 1):
                    continue
                lam = u
            return round(65536 * max(lam, 1 - lam))

    def simplex(self, count: int) -> list[int]:
        while True:
            e = [-math.log((next(self.words) + 1) / 2**32) for _ in range(count)]
            e = sorted((value / sum(e) for value in e), reverse=True)
            if e[0] <= 0.65:
                rest = [math.floor(65536 * value) for value in e[1:]]
                return [65536 - sum(rest), *rest]


def targets(master: bytes, method: str, label: str, name: str, count: int, wanted: int | None) -> list[tuple[int, int]]:
    """(number in the class, view) of every target, sorted by them."""
    rounds, rest = divmod(count if wanted is None else wanted, count)
    chosen = [(number, view) for number in range(count) for view in range(rounds)]
    if rest:
        order = Draws(master, method, "targets", label, name, str(count)).permutation(count)
        chosen += [(number, rounds) for number in order[:rest]]
    return sorted(chosen)


def identifier(
    master: bytes, case: dict, label: str, path: str, view: int, size: tuple[int, int], paths: list[str]
) -> str:
    own = {"pbm": ("block", "probability"), "mixup": ("alpha",), "cutmix": ("alpha",), "instahide": ()}[case["method"]]
    written = {name: case[name] for name in ("sources", "partners", "include_target", "replacement", *own)}
    if "block" in written:
        written["block"] = "x".join(map(str, case["block"]))
    parameters = ",".join(f'"{name}":{json.dumps(written[name])}' for name in sorted(written))
    inputs = hashlib.sha256("\n".join(sorted(paths)).encode()).hexdigest()
    settings = (
        '{"background":"#ffffff","channels":3,"codec":{"format":"png","quality":null,"subsampling":null},"fit":"resize",'
        f'"inputs":"{inputs}","opaque_classes":false,"parameters":{{{parameters}}},"size":[{size[0]},{size[1]}],'
        f'"targets":{"null" if case["targets"] is None else case["targets"]}}}'
    )
    fields = (label, path, str(view), case["method"], settings)
    message = b"".join(len(field.encode()).to_bytes(2, "big") + field.encode() for field in fields)
    digest = hmac.digest(subkey(master, "mixed-id"), message, "sha256")[:16]
    return base64.b32encode(digest).decode().lower().rstrip("=")


def donors(master: bytes, method: str, identifier: str, pool: list[int], wanted: int, replacement: bool) -> list[int]:
    draws = Draws(master, method, "donors", identifier)
    found: list[int] = []
    while len(found) < wanted:
        image = pool[draws.below(len(pool))]
        if replacement or image not in found:
            found.append(image)
    return found


def mixed(master: bytes, case: dict, identifier: str, images: list[bytes], size: tuple[int, int]) -> bytes:
    """The target and its donors, mixed."""
    height, width = size
    draw = {
        "pbm": lambda: blocks(master, case, identifier, images, height, width),
        "mixup": lambda: blend(images, pair(Draws(master, "mixup", "weights", identifier).beta(case["alpha"]))),
        "cutmix": lambda: box(master, case, identifier, images, height, width),
        "instahide": lambda: signs(
            master, identifier, blend(images, Draws(master, "instahide", "weights", identifier).simplex(len(images)))
        ),
    }
    return bytes(draw[case["method"]]())


def pair(weight: int) -> list[int]:
    return [weight, 65536 - weight]


def blend(images: list[bytes], weights: list[int]) -> list[int]:
    return [
        (sum(w * v for w, v in zip(weights, values, strict=True)) + 32768) // 65536
        for values in zip(*images, strict=True)
    ]


def place(i: int, width: int) -> tuple[int, int]:
    return i // 3 // width, i // 3 % width


def blocks(master: bytes, case: dict, identifier: str, images: list[bytes], height: int, width: int) -> list[int]:
    tall, wide = case["block"]
    draws = Draws(master, "pbm", "blocks", f"{tall}x{wide}", f"{height}x{width}", identifier)
    columns = width // wide
    count = height // tall * columns
    u = [draws.uniform() for _ in range(count)]
    k = [draws.below(len(images) - 1) for _ in range(count)]
    result = []
    for i in range(len(images[0])):
        row, column = place(i, width)
        block = row // tall * columns + column // wide
        result.append(images[0 if u[block] >= case["probability"] else k[block] + 1][i])
    return result


def box(master: bytes, case: dict, identifier: str, images: list[bytes], height: int, width: int) -> list[int]:
    draws = Draws(master, "cutmix", "box", identifier)
    s = math.sqrt(1 - draws.beta(case["alpha"]) / 65536)
    y, x = draws.below(height), draws.below(width)
    a, b = math.floor(height * s) // 2, math.floor(width * s) // 2
    result = []
    for i in range(len(images[0])):
        row, column = place(i, width)
        inside = max(y - a, 0) <= row < min(y + a, height) and max(x - b, 0) <= column < min(x + b, width)
        result.append(images[inside][i])
    return result


def signs(master: bytes, identifier: str, image: list[int]) -> list[int]:
    bits = bits_of(chacha20(subkey(master, "mix", "instahide", "signs", identifier)))
    return [value ^ (255 * next(bits)) for value in image]


def bits_of(words: Iterator[int]) -> Iterator[int]:
    for word in words:
        yield from (word >> i & 1 for i in range(32))
