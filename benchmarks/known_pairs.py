"""How much of a key known pairs give, and how many chosen images give all of it.

    python benchmarks/known_pairs.py --data cifar10.npz --scheme etc --size 32 --block 4 --pairs 1,2 --trials 10
    python benchmarks/known_pairs.py --data photos/ --scheme etc --size 96 --block 16 --pairs 1,2,3 --quality 50
    python benchmarks/known_pairs.py --data cifar10.npz --scheme ele --size 32 --block 4 --chosen
    python benchmarks/known_pairs.py --data cifar10.npz --scheme le --size 32 --block 4 --pairs 50,200 --regression

Each trial draws a fresh key and fresh images: K pairs, and others under the same key that are to be restored. With
--chosen the attacker has no pairs and chooses what to have encrypted; with --regression he fits a linear map to the
pairs and looks for no key. Prints a table; --out writes it as JSON, with the command that made it.

Columns: by pairs, share of the key (blocks, or samples where single ones move) that the pairs alone determine; of key,
share of its entries that are right after the images have chosen where the pairs do not; of samples, share of sample
places that are right in every held-out image; bit for bit, share of held-out images restored so; whole keys, share of
trials; SSIM and PSNR of the held-out images (100 dB where equal); seconds, of one trial.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindsight.audit import Budget, get_attack
from blindsight.audit.metrics import PSNR_CEILING, psnr, ssim
from blindsight.audit.scenario import make_scenario
from blindsight.bench.data import read_pixels
from blindsight.errors import BlindsightError
from blindsight.images import fit_image
from blindsight.owner.sources import Source, open_source
from blindsight.profile import Codec

COLUMNS = {
    "by_pairs": "by pairs",
    "key_entries": "of key",
    "samples": "of samples",
    "bit_for_bit": "bit for bit",
    "whole_keys": "whole keys",
    "ssim": "SSIM",
    "psnr": "PSNR, dB",
    "seconds": "seconds",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="plain images: a folder, a .csv or .npz file")
    parser.add_argument("--scheme", default="etc")
    parser.add_argument("--parameters", default="{}", help='of the scheme, as JSON: {"paper": true}')
    parser.add_argument("--size", type=int, default=32, help="images are cropped to squares of so many pixels")
    parser.add_argument("--block", type=int, default=4)
    parser.add_argument("--pairs", default="1,2,3", help="numbers of known pairs, with commas")
    parser.add_argument("--chosen", action="store_true", help="chosen images instead of known pairs")
    parser.add_argument("--regression", action="store_true", help="a linear map from the pairs instead of the key")
    parser.add_argument("--images", type=int, default=30, help="held-out images of a trial")
    parser.add_argument("--grey", action="store_true", help="images of one channel")
    parser.add_argument(
        "--quality", type=int, help="publish as JPEG of this quality; 4:4:4, or 4:2:0 from blocks of 16"
    )
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON to add the rows to")
    options = parser.parse_args()
    try:
        source = open_source(options.data)
        numbers = [0] if options.chosen else [int(k) for k in options.pairs.split(",")]
        rows = [measure(source, options, k, max(numbers)) for k in numbers]
    except BlindsightError as error:
        parser.error(str(error))
    print(table(rows))
    if options.out:
        kept = json.loads(options.out.read_text()) if options.out.exists() else []
        options.out.write_text(json.dumps(kept + rows, indent=1) + "\n")
    return 0


def measure(source: Source, options: argparse.Namespace, pairs: int, most: int) -> dict[str, Any]:
    """One row: the means of the trials. Rows of one command differ in nothing but the pairs."""
    trials = [trial(source, options, pairs, most, number) for number in range(options.trials)]
    command = ["python", "benchmarks/known_pairs.py", *sys.argv[1:]]
    command[command.index("--data") + 1] = source.label
    if options.out:
        command[command.index("--out") + 1] = options.out.name
    row: dict[str, Any] = {"data": source.label, "scheme": options.scheme, "size": options.size, "block": options.block}
    row |= {"quality": options.quality, "pairs": pairs, "trials": options.trials, "command": " ".join(command)}
    row |= {name: round(float(np.mean([t[name] for t in trials])), 4) for name in trials[0]}
    return row


def trial(source: Source, options: argparse.Namespace, pairs: int, most: int, number: int) -> dict[str, float]:
    """One key."""
    rng = np.random.default_rng((options.seed, number))
    plain = draw(source, options, options.images + most, rng)[: options.images + pairs]
    scenario = make_scenario(
        plain,
        options.scheme,
        options.block,
        "known-pairs" if pairs else "chosen-plaintext",
        seed=options.seed * 1000 + number,
        parameters=json.loads(options.parameters),
        codec=codec(options),
        pairs=pairs,
    )
    attack = get_attack(("linear-regression" if options.regression else "known-pairs") if pairs else "chosen-plaintext")
    lack = attack.why_not(scenario.observation)
    if lack:
        raise SystemExit(f"{options.scheme}: {lack}")
    started = time.perf_counter()
    found = attack.run(scenario.observation, Budget(seed=number))
    seconds = time.perf_counter() - started
    truth, key = scenario.truth.images, scenario.truth.key
    assert key is not None
    equal = (found.images == truth).reshape(len(truth), -1)
    result = {
        "by_pairs": float(found.facts.get("share_of_key", 0)),
        "key_entries": 0.0,
        "samples": float(equal.all(axis=0).mean()),
        "bit_for_bit": float(equal.all(axis=1).mean()),
        "whole_keys": float(found.key is not None and found.key == key),
        "ssim": float(np.mean([ssim(a, b) for a, b in zip(found.images, truth, strict=True)])),
        "psnr": float(np.mean([min(psnr(a, b), PSNR_CEILING) for a, b in zip(found.images, truth, strict=True)])),
        "seconds": seconds,
    }
    if found.key is not None:
        mine, true = found.key.as_nibbles(), key.as_nibbles()
        result["key_entries"] = float(((mine.index == true.index) & (mine.mask == true.mask)).mean())
    for name in ("ambiguous", "guessed", "consistent", "queries", "verified"):
        if name in found.facts:
            result[name] = float(found.facts[name])
    return result


def draw(source: Source, options: argparse.Namespace, count: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """So many images, none twice: uint8 (count, size, size, C)."""
    size = (options.size, options.size)
    chosen = [source.items[k] for k in rng.choice(len(source.items), count, replace=False)]
    pixels = (read_pixels(source, item) for item in chosen)
    fitted = [fit_image(image, block_size=options.block, size=size, fit="crop") for image in pixels]
    images = np.stack(fitted)
    return np.ascontiguousarray(images[..., 1:2]) if options.grey else images


def codec(options: argparse.Namespace) -> Codec:
    if options.quality is None:
        return Codec()
    subsampling = None if options.grey else "4:2:0" if options.block % 16 == 0 else "4:4:4"
    return Codec(format="jpeg", quality=options.quality, subsampling=subsampling)


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    shown = {"pairs": "K", **COLUMNS} | ({"queries": "queries"} if "queries" in rows[0] else {})
    first = rows[0]
    quality = f", JPEG {first['quality']}" if first["quality"] else ""
    lines = [f"{first['scheme']}, {first['data']}, {first['size']} px, blocks of {first['block']}{quality}"]
    lines += ["| " + " | ".join(shown.values()) + " |", "|" + " --- |" * len(shown)]
    return "\n".join(lines + ["| " + " | ".join(f"{row[name]:g}" for name in shown) + " |" for row in rows])


if __name__ == "__main__":
    sys.exit(main())
