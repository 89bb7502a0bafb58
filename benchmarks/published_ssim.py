"""The published SSIM table of LE, ELE, PE and EtC against the FR, ITN and GAN attacks: what of it comes out here.

    python benchmarks/published_ssim.py fr --data CIFAR10.npz --out published-fr.json
    python benchmarks/published_ssim.py itn --data CIFAR10.npz --scheme le --out published-itn-le.json

The table is that of the code which H. Ito published for Ito, Kinoshita & Kiya, arXiv 2008.03143 (and which
attacks LE, ELE, PE and EtC on CIFAR-10, blocks of 4, one key): the size of each image's SSIM, as median and quartiles.
`PUBLISHED` was read off its figures, to about 0.003. That code's deviations from the schemes are emulated here, one at
a time, from a description; none of them is in the library.

`fr`: feature reconstruction of all test images, under ciphers of the library and under the published keys; chance
levels; how much the key matters. `itn`: a network of the published form and training, short, with and without the error
in its last step. DATA is an .npz as `benchmarks/prepare.py cifar10` writes it. Needs torch for `itn`.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from blindsight.algebra import BlockGrid
from blindsight.audit import Budget, get_attack
from blindsight.audit.metrics import ssim
from blindsight.audit.scenario import make_scenario
from blindsight.audit.threat import ProtectedSet
from blindsight.owner.ciphers.ele import ele_from_arrays
from blindsight.owner.ciphers.le import le_from_arrays

Pixels = NDArray[np.uint8]
Encrypt = Callable[[Pixels], Pixels]

SIDE, BLOCK = 32, 4
GRID = BlockGrid(SIDE, SIDE, 3, BLOCK)
#: Median and quartiles of |SSIM|, as published.
PUBLISHED: dict[str, dict[str, tuple[float, ...]]] = {
    "fr": {
        "le": (0.052, 0.027, 0.083),
        "ele": (0.025, 0.013, 0.037),
        "pe": (0.310, 0.152, 0.521),
        "etc": (0.040, 0.019, 0.068),
    },
    "gan": {
        "le": (0.658, 0.610, 0.697),
        "ele": (0.096, 0.063, 0.153),
        "pe": (0.120, 0.054, 0.217),
        "etc": (0.096, 0.063, 0.153),
    },
    "itn": {"le": (0.003,), "ele": (0.003,), "pe": (0.001,), "etc": (0.002,)},
}
#: By the published codes 0 to 5, which channel each channel is taken from; and what comes of it where a channel is
#: overwritten before it is read.
COLOURS = np.array([(0, 1, 2), (1, 0, 2), (2, 1, 0), (0, 2, 1), (2, 0, 1), (1, 2, 0)])
OVERWRITTEN = np.array([(0, 1, 2), (1, 1, 2), (2, 1, 2), (0, 2, 2), (2, 2, 2), (1, 2, 1)])


def published_le(seed: int = 0) -> Encrypt:
    """LE under the published key: one permutation, drawn from a seed, with reversal where it is above the middle."""
    return le_from_arrays(GRID, np.random.default_rng(seed).permutation(2 * GRID.block_samples)).apply


def published_ele(seed: int = 0) -> Encrypt:
    """ELE likewise: a seed for each block's key, and the block order."""
    seeds = np.random.default_rng(seed).integers(100_000, size=GRID.blocks)
    keys = np.stack([np.random.default_rng(one).permutation(2 * GRID.block_samples) for one in seeds])
    return ele_from_arrays(GRID, keys, np.random.default_rng(seed).permutation(GRID.blocks)).apply


def published_etc(seed: int = 0, *, overwrite: bool = True, exclusive: bool = True) -> Encrypt:
    """EtC of the published steps: turn, negate half of the blocks, flip, colours, then move the blocks.

    Args:
        seed: of the key; 0 is the published one.
        overwrite: colours move inside one array, so that some blocks lose a channel or two.
        exclusive: the upper ends of the draws are left out: no block stays unturned or unflipped, and one colour order
            never occurs.
    """
    rng, more = np.random.default_rng(seed), 0 if exclusive else 1
    drawn = [
        (rng.integers(0, 3 + more), rng.integers(0, 2 + more), rng.integers(0, 5 + more)) for _ in range(GRID.blocks)
    ]
    order, negative = list(range(GRID.blocks)), [1, 0] * (GRID.blocks // 2)
    rng.shuffle(order)
    rng.shuffle(negative)
    colours = OVERWRITTEN if overwrite else COLOURS

    def encrypt(images: Pixels) -> Pixels:
        blocks = cut(images)
        for place, (turn, flip, colour) in enumerate(drawn):
            block = blocks[:, place]
            block = np.rot90(block, k=turn + 1 if turn < 3 else 0, axes=(1, 2))
            block = block if negative[place] else 255 - block
            block = np.flip(block, axis=flip + 1) if flip < 2 else block
            blocks[:, place] = block[..., colours[colour]]
        return joined(blocks[:, order])

    return encrypt


def cut(images: Pixels) -> Pixels:
    """(N, 32, 32, 3) -> (N, 64, 4, 4, 3)."""
    n, side = len(images), SIDE // BLOCK
    return images.reshape(n, side, BLOCK, side, BLOCK, 3).swapaxes(2, 3).reshape(n, -1, BLOCK, BLOCK, 3).copy()


def joined(blocks: Pixels) -> Pixels:
    n, side = len(blocks), SIDE // BLOCK
    return blocks.reshape(n, side, side, BLOCK, BLOCK, 3).swapaxes(2, 3).reshape(n, SIDE, SIDE, 3)


def library(scheme: str, seed: int = 0, **parameters: Any) -> Encrypt:
    """The library's cipher under a key of its own."""
    return lambda images: make_scenario(images, scheme, BLOCK, seed=seed, parameters=parameters).observation.images


def sizes(found: Pixels, truth: Pixels) -> dict[str, float]:
    """Median and quartiles of the size of SSIM, its mean, and the largest."""
    values = np.abs([ssim(a, b) for a, b in zip(found, truth, strict=True)])
    low, median, high = np.percentile(values, [25, 50, 75])
    named = {"median": median, "low": low, "high": high, "mean": values.mean(), "max": values.max()}
    return {name: round(float(value), 4) for name, value in named.items()}


def folded(images: Pixels) -> Pixels:
    """What the library's attack makes of them. It looks at nothing else of an observation."""
    profile = make_scenario(images[:1], "etc", BLOCK).observation.profile
    return get_attack("feature-reconstruction").run(ProtectedSet(profile=profile, images=images), Budget()).images


def chance(plain: Pixels, others: Pixels) -> dict[str, dict[str, float]]:
    mean = np.rint(others.mean(axis=0)).astype(np.uint8)
    colour = np.rint(plain.mean(axis=(1, 2), keepdims=True)).astype(np.uint8)
    thumbnail = np.rint(cut(plain).mean(axis=(2, 3), keepdims=True)).astype(np.uint8)
    guesses = {
        "black": np.zeros_like(plain),
        "another image": np.roll(plain, 1, axis=0),
        "mean image": np.broadcast_to(mean, plain.shape),
        "mean colour": np.broadcast_to(colour, plain.shape),
        "mean colour of each block": joined(np.broadcast_to(thumbnail, cut(plain).shape)),
    }
    return {name: sizes(np.ascontiguousarray(guess), plain) for name, guess in guesses.items()}


def fr(plain: Pixels, others: Pixels, asked: argparse.Namespace) -> dict[str, Any]:
    ciphers: dict[str, Encrypt] = {
        "le, published key": published_le(),
        "le, library": library("le"),
        "ele, published key": published_ele(),
        "ele, library": library("ele"),
        "pe, negation alone (as published)": library("pe", color_shuffle=False),
        "pe, library": library("pe"),
        "etc, published key and deviations": published_etc(),
        "etc, colours overwritten, else right": published_etc(exclusive=False),
        "etc, draws short, else right": published_etc(overwrite=False),
        "etc, published steps, no deviation": published_etc(overwrite=False, exclusive=False),
        "etc, library": library("etc"),
    }
    by_key: dict[str, Callable[[int], Encrypt]] = {
        "le, published form": published_le,
        "ele, published form": published_ele,
        "etc, published deviations": published_etc,
        "etc, no deviation": lambda seed: published_etc(seed, overwrite=False, exclusive=False),
    }
    few = plain[: asked.few]
    reference = [structural_similarity(a, b, channel_axis=2) for a, b in zip(folded(few[:100]), few[:100], strict=True)]
    ours = [ssim(a, b) for a, b in zip(folded(few[:100]), few[:100], strict=True)]
    medians = {
        name: [sizes(folded(of(seed)(few)), few)["median"] for seed in range(asked.keys)] for name, of in by_key.items()
    }
    return {
        "published": {
            name: {"median": median, "low": low, "high": high} for name, (median, low, high) in PUBLISHED["fr"].items()
        },
        "found": {name: sizes(folded(encrypt(plain)), plain) for name, encrypt in ciphers.items()},
        "medians under several keys": medians,
        "largest difference from skimage's SSIM of uint8": float(np.abs(np.subtract(reference, ours)).max()),
        "chance": chance(plain, others),
    }


def itn(plain: Pixels, others: Pixels, asked: argparse.Namespace) -> dict[str, Any]:
    """The published network and optimiser; with the error its output passes a logistic function in training alone."""
    scheme = asked.scheme
    parameters: dict[str, Any] = {"color_shuffle": False} if scheme == "pe" else {}
    learn_from = others[: asked.learn_from]
    own = make_scenario(learn_from, scheme, BLOCK, seed=1, key_scope="image", parameters=parameters).observation.images
    seen = make_scenario(plain, scheme, BLOCK, parameters=parameters).observation.images
    found: dict[str, Any] = {"published": {"median": PUBLISHED["itn"][scheme][0]}}
    for name, wrong in (("with the error", True), ("without it", False)):
        made, loss = _trained(own, learn_from, seen, scheme, wrong, asked)
        found[name] = sizes(made, plain) | {"loss": loss, "mean value of outputs": round(float(made.mean()), 2)}
    return found | {"chance": chance(plain, others)}


def _trained(
    own: Pixels, truth: Pixels, seen: Pixels, scheme: str, wrong: bool, asked: argparse.Namespace
) -> tuple[Pixels, float]:
    import torch

    from blindsight.audit.attacks._learning import reconstruct, to_tensor

    torch.manual_seed(asked.seed)
    rng = np.random.default_rng(asked.seed)
    network = _published_network(scheme)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    loss = torch.zeros(())
    for _ in range(asked.steps):
        chosen = rng.integers(len(own), size=128)
        made = network(to_tensor(own[chosen]))
        loss = torch.nn.functional.mse_loss(torch.sigmoid(made) if wrong else made, to_tensor(truth[chosen]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return reconstruct(network, seen, "byte"), round(float(loss.detach()), 4)


def _published_network(scheme: str) -> Any:
    """Layers of 1 x 1 for PE; for the others one block in, one block out, alike at all places. A hyperbolic tangent."""
    from torch import nn

    def layer(entering: int, leaving: int, side: int = 1) -> list[nn.Module]:
        return [nn.Conv2d(entering, leaving, side, side), nn.BatchNorm2d(leaving), nn.ReLU()]

    if scheme == "pe":
        return nn.Sequential(*layer(3, 64), *layer(64, 128), *layer(128, 256), nn.Conv2d(256, 3, 1), nn.Tanh())
    inner = [*layer(3, 48, BLOCK), *layer(48, 48), *layer(48, 512)]
    return nn.Sequential(*inner, nn.PixelShuffle(BLOCK), nn.Conv2d(32, 3, 1), nn.Tanh())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="attack")
    for name, work, images in (("fr", fr, 10_000), ("itn", itn, 500)):
        one = commands.add_parser(name)
        one.set_defaults(work=work)
        one.add_argument("--data", type=Path, required=True, help="an .npz with x and split")
        one.add_argument("--images", type=int, default=images, help="test images")
        one.add_argument("--seed", type=int, default=0)
        one.add_argument("--out", type=Path, help="where the figures go as JSON")
        if name == "fr":
            one.add_argument("--keys", type=int, default=10, help="how many keys to compare")
            one.add_argument("--few", type=int, default=500, help="images for that comparison")
        else:
            one.add_argument("--scheme", choices=sorted(PUBLISHED["itn"]), default="le")
            one.add_argument("--learn-from", type=int, default=5000, help="training images, each under its own key")
            one.add_argument("--steps", type=int, default=1000, help="of training, batches of 128")
    asked = parser.parse_args()
    with np.load(asked.data) as data:
        x, test = data["x"], data["split"] == "test"
    began = time.process_time()
    result = asked.work(x[test][: asked.images], x[~test], asked)
    settings = {name: value for name, value in vars(asked).items() if name not in ("data", "out", "work")}
    report = {"settings": settings | {"data": asked.data.name}, **result}
    report["processor seconds"] = round(time.process_time() - began, 1)
    text = json.dumps(report, indent=2)
    print(text)
    if asked.out is not None:
        asked.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
