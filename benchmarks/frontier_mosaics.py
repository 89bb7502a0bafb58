"""What the mean of a frontier hides of a mixed row: single originals, under the id of any mosaic of their class.

    python benchmarks/frontier_mosaics.py fixed-pbm-tiles --data cifar10.npz --work WORK

The attacker has the key (from queries, which nobody mixes) and takes the mosaics apart with ``label-clusters``, as
``frontier_scores.py`` does. An original is looked for under its own id, and under every id of its class: the most alike
of up to ``--looked`` pictures. Chance: the most alike of as many public images of the class. Prints JSON.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from frontier_rows import rows_of, victim
from frontier_scores import mosaics
from numpy.typing import NDArray

from blindsight.audit.metrics import ssim
from blindsight.bench.data import open_data
from blindsight.bench.recipe import Limit, load_recipe

Pixels = NDArray[np.uint8]
#: SSIM from which a person would say that it is the same picture.
SEEN = 0.5


def described(values: list[float]) -> dict[str, float]:
    found = np.array(values)
    return {"mean": float(found.mean()), "share above 0.5": float((found > SEEN).mean()), "largest": float(found.max())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", help="of the recipe frontier, one that mixes")
    parser.add_argument("--data", required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder for what is protected")
    parser.add_argument("--set", type=int, default=700, help="images that are mixed and published")
    parser.add_argument("--images", type=int, default=40, help="of them, originals that are looked for")
    parser.add_argument("--looked", type=int, default=60, help="pictures of a class, at most")
    args = parser.parse_args()
    row = rows_of(load_recipe("frontier"), "cpu")[args.row]
    if row.mix is None:
        parser.error(f"{args.row} mixes nothing")
    plain, data = open_data(args.data, args.work, Limit()), open_data(args.data, args.work, Limit(train=args.set))
    of = victim(row, data, plain, 1000, 1, args.work)
    labels, public, public_labels = of.seen.labels, of.seen.public, of.seen.public_labels
    assert public is not None
    assert public_labels is not None

    def nearest(pictures: Pixels, classes: NDArray[np.int64], k: int) -> float:
        return max(ssim(picture, of.originals[k]) for picture in pictures[classes == labels[k]][: args.looked])

    each = range(args.images)
    report: dict[str, Any] = {"asked": {"row": args.row, "set": args.set, "images": args.images, "looked": args.looked}}
    report["chance, any id of the class"] = described([nearest(public, public_labels, k) for k in each])
    for name, found in mosaics(of, row.mix, None):
        if "denoised" in name:
            continue
        report[f"{name}, own id"] = described([ssim(found.images[k], of.originals[k]) for k in each])
        report[f"{name}, any id of the class"] = described([nearest(found.images, labels, k) for k in each])
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
