"""What an attack that learns makes of protected images, beside chance and beside a case that it must solve.

    python benchmarks/learned_attacks.py --attack inverse-network --scheme le ele pe etc --data CIFAR10.npz \\
        --images 1000 --public 45000 --steps 19500 --out inverse-network.json
    python benchmarks/learned_attacks.py --attack inverse-network-pairs --scheme etc --pairs 1000 --steps 400
    python benchmarks/learned_attacks.py --attack sia-gan --scheme ele --data CIFAR10.npz --seconds 3600

All cases of a run have the same images, seed, steps and time: one for each scheme, and before them, once, the same
images under a scheme that changes nothing, of which the attack is told. An attack that does not solve that one says
nothing by failing at the others. Chance: another original of the set, the mean of the public images, and each
original's own mean colour. The file is written anew after every case.

Data: an .npz with x uint8 (N, H, W, 3), y int64 (N,) and split ("train" or "test"), as `benchmarks/prepare.py cifar10`
writes it: test images are protected, training images are public or known pairs. Without --data: crops of scikit-learn's
two photographs, one protected, the other public, with no labels.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_image

from blindsight.audit import Attack, Budget, get_attack, list_attacks
from blindsight.audit.metrics import ssim
from blindsight.audit.scenario import make_scenario

Pixels = NDArray[np.uint8]
#: So small a share of the blocks is none: what moves nothing, as a scheme that a profile can name.
KEYLESS = ("rrp", {"blocks": 1e-6, "samples": 0.0})
SOLVED = 0.6
#: Sizes of networks that attacks may be given, and what of.
SIZES = {
    "width": "of the network, or the generator",
    "depth": "its transformer layers",
    "judge_width": "channels of the discriminator's first layer",
}


@dataclass(frozen=True)
class Data:
    """Images to protect, and others that are public or become known pairs, with labels where there are any."""

    plain: Pixels
    others: Pixels
    labels: NDArray[np.int64] | None = None
    other_labels: NDArray[np.int64] | None = None


def arrays(path: Path, images: int, others: int, size: int, rng: np.random.Generator) -> Data:
    with np.load(path) as data:
        x, y, test = data["x"], data["y"].astype(np.int64), data["split"] == "test"
    chosen = rng.permutation(np.flatnonzero(test))[:images]
    other = rng.permutation(np.flatnonzero(~test))[:others]
    return Data(resized(x[chosen], size), resized(x[other], size), y[chosen], y[other])


def crops(images: int, others: int, size: int, rng: np.random.Generator) -> Data:
    def of(name: str, count: int) -> Pixels:
        photo = resized(load_sample_image(name)[None, :426, :426], 6 * size)[0]
        places = rng.integers(0, 5 * size, (count, 2))
        return np.stack([photo[y : y + size, x : x + size] for y, x in places])

    return Data(of("flower.jpg", images), of("china.jpg", others))


def resized(images: Pixels, size: int) -> Pixels:
    if images.shape[1:3] == (size, size):
        return images
    made = [np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC)) for image in images]
    return np.stack(made)


def scores(found: Pixels, truth: Pixels) -> dict[str, float]:
    """Mean SSIM with its 95 % interval over images, and the median of its size, as box plots of the literature show."""
    values = np.array([ssim(a, b) for a, b in zip(found, truth, strict=True)])
    half = 1.96 * float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    mean = float(values.mean())
    return {"mean": mean, "low": mean - half, "high": mean + half, "median_size": float(np.median(np.abs(values)))}


def chance(truth: Pixels, others: Pixels) -> dict[str, dict[str, float]]:
    mean = np.rint(others.mean(axis=0)).astype(np.uint8)
    colour = np.rint(truth.mean(axis=(1, 2), keepdims=True)).astype(np.uint8)
    return {
        "another image": scores(np.roll(truth, 1, axis=0), truth),
        "mean image": scores(np.broadcast_to(mean, truth.shape), truth),
        "mean colour": scores(np.ascontiguousarray(np.broadcast_to(colour, truth.shape)), truth),
    }


def attacked(attack: Attack, data: Data, scheme: str, parameters: dict[str, Any], asked: argparse.Namespace) -> Any:
    """Protects, attacks and compares; a dictionary for JSON."""
    threat = attack.observes.name
    pairs = threat == "known-pairs"
    more: dict[str, Any] = {"pairs": len(data.others)} if pairs else {"public": data.others}
    if threat == "labelled-set":
        # Crops have no classes: then all are of one, and the classifier is left out.
        labels = np.zeros(len(data.plain), np.int64) if data.labels is None else data.labels
        more |= {"labels": labels, "public_labels": data.other_labels}
    plain = np.concatenate([data.plain, data.others]) if pairs else data.plain
    scenario = make_scenario(
        plain, scheme, asked.block, threat, seed=asked.seed, parameters=parameters, key_scope=asked.scope, **more
    )
    budget, began = Budget(asked.seconds, asked.seed, tell), time.process_time()
    found = attack.run(scenario.observation, budget)
    spent = time.process_time() - began
    return {
        "scheme": scheme,
        "key_scope": asked.scope,
        "ssim": scores(found.images, scenario.truth.images),
        "protected_ssim": scores(scenario.observation.images, scenario.truth.images),
        "facts": found.facts,
        "seconds": round(budget.spent(), 1),
        "processor_seconds": round(spent, 1),
    }


def tell(share: float, what: str) -> None:
    print(f"{100 * share:5.1f} %  {what}", end="\r", file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    learned = [attack.name for attack in list_attacks() if attack.learns]
    parser.add_argument("--attack", choices=learned, required=True)
    parser.add_argument("--scheme", nargs="+", default=["etc"], help="registered ciphers")
    parser.add_argument("--scope", default="dataset", help="dataset, image or pool:K")
    parser.add_argument("--data", type=Path, help="an .npz; crops of bundled photographs without it")
    parser.add_argument("--size", type=int, default=32, help="side of the images")
    parser.add_argument("--block", type=int, default=4)
    parser.add_argument("--images", type=int, default=200, help="that are protected")
    parser.add_argument("--public", type=int, default=2000, help="plain images besides")
    parser.add_argument("--pairs", type=int, default=200, help="known pairs, for inverse-network-pairs")
    parser.add_argument("--steps", type=int, help="of training; the attack's own number without it")
    parser.add_argument("--batch", type=int, help="images a step; likewise")
    parser.add_argument(
        "--rate", type=float, help="Adam's learning rate, the generator's where there are two; likewise"
    )
    parser.add_argument("--judge-rate", type=float, help="the discriminator's; likewise")
    for name, of in SIZES.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, help=f"{of}; likewise")
    parser.add_argument("--seconds", type=float, help="for each case")
    parser.add_argument("--seed", type=int, default=0, help="of the key, the images and the attack")
    parser.add_argument("--out", type=Path, help="where the figures go as JSON")
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    kind: Any = type(get_attack(asked.attack))
    names = ("steps", "batch", "rate", "judge_rate", *SIZES)
    given = {name: getattr(asked, name) for name in names if getattr(asked, name) is not None}
    if unknown := [name for name in given if name not in vars(kind())]:
        sys.exit(f"{asked.attack} has no {', '.join(unknown)}")
    attack: Attack = kind(**given)
    rng = np.random.default_rng(asked.seed)
    others = asked.pairs if attack.observes.name == "known-pairs" else asked.public
    choose = crops if asked.data is None else lambda *of: arrays(asked.data, *of)
    data = choose(asked.images, others, asked.size, rng)
    levels = chance(data.plain, data.others)
    settings = {name: value for name, value in vars(asked).items() if name not in ("data", "out", "scheme")}
    settings |= vars(attack) | {"data": None if asked.data is None else asked.data.name}
    report: dict[str, Any] = {"settings": settings, "chance": levels, "schemes": {}}
    for scheme, parameters in [KEYLESS, *((scheme, {}) for scheme in asked.scheme)]:
        case = attacked(attack, data, scheme, parameters, asked)
        if parameters:
            report |= {"keyless": case, "keyless_solved": case["ssim"]["mean"] >= SOLVED}
        else:
            report["schemes"][scheme] = case
        if asked.out is not None:
            asked.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    show(report)


def show(report: dict[str, Any]) -> None:
    """Prints the report as a Markdown table and a verdict."""
    rows = {"keyless": report["keyless"]["ssim"]}
    for scheme, case in report["schemes"].items():
        rows |= {scheme: case["ssim"], f"{scheme}, as protected": case["protected_ssim"]}
    print("| SSIM of | mean | 95 % interval | median of its size |\n| --- | --- | --- | --- |")
    for name, row in (rows | report["chance"]).items():
        print(f"| {name} | {row['mean']:.3f} | {row['low']:.3f} to {row['high']:.3f} | {row['median_size']:.3f} |")
    for scheme, case in {"keyless": report["keyless"], **report["schemes"]}.items():
        print(f"\n{scheme}: {case['facts']}, {case['seconds']} s, of processor {case['processor_seconds']} s")
    verdict = "solved" if report["keyless_solved"] else "NOT solved: this run is no evidence"
    print(f"\nThe keyless case is {verdict}.")


if __name__ == "__main__":
    main()
