"""What the ciphertext-only attacks on pixels and 4-bit halves give back, beside chance, against the number of images.

    python benchmarks/pixel_attacks.py --attack nibble-statistics --scheme le --data cifar10.npz --images 1,2,5,20

A trial draws fresh images and a fresh key. SSIM is the mean over the first ``--scored`` images of a trial, then over
trials; "pick" is what the attack chose, "best" the best of the global states (8 orientations where samples move, a
negation, 6 colour orders) where the attack says that it cannot tell them apart. Where no sample leaves its pixel, "of
48" is the best of six colour orders times a sign for each colour, nan elsewhere. Chance is the SSIM of another image of
the data, of the mean image, and of each image's own mean colour. Where the truth has one key, "key" is the share of its
samples that the recovered key has right in the state picked; "exact" the share of trials whose scored images came back
bit for bit in the best one.
"""

import argparse
import json
import time
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindsight.audit import Budget, get_attack
from blindsight.audit.attacks._layout import layout_of
from blindsight.audit.global_states import global_states, in_state
from blindsight.audit.metrics import ssim
from blindsight.audit.scenario import make_scenario

Pixels = NDArray[np.uint8]


def load(path: str) -> Pixels:
    """uint8 (N, H, W, C): a NumPy archive with an array ``x``, or scikit-learn's photographs cut to 32x32."""
    if path != "photographs":
        return np.asarray(np.load(path)["x"], np.uint8)
    from sklearn.datasets import load_sample_image

    photos = [np.asarray(load_sample_image(f"{name}.jpg")) for name in ("china", "flower")]
    halves = [photo[: photo.shape[0] // 2 * 2 : 2, : photo.shape[1] // 2 * 2 : 2] for photo in photos]
    crops = [p[y : y + 32, x : x + 32] for p in halves for y in range(0, 180, 16) for x in range(0, 280, 16)]
    return np.random.default_rng(0).permutation(np.stack(crops))


def mean_ssim(truth: Pixels, found: Pixels) -> float:
    return float(np.mean([ssim(a, b) for a, b in zip(truth, found, strict=True)]))


def best_of_pixel_states(truth: Pixels, found: Pixels, bound: float) -> float:
    """The best SSIM of 6 colour orders times a sign for each colour; at least ``bound``, that of some of them."""
    scores = [bound]
    for order in permutations(range(truth.shape[3])):
        for signs in product((0, 255), repeat=truth.shape[3]):
            state = found[..., list(order)] ^ np.array(signs, np.uint8)
            # SSIM takes time: a state that is farther than the average image is none.
            if np.square(state.astype(np.float32) - truth).mean() < truth.var(dtype=np.float64):
                scores.append(mean_ssim(truth, state))
    return max(scores)


def chance(truth: Pixels, others: Pixels, rng: np.random.Generator) -> dict[str, float]:
    mean = others.mean(0).round().astype(np.uint8)
    color = np.broadcast_to(truth.mean((1, 2), keepdims=True).round(), truth.shape).astype(np.uint8)
    return {
        "random": mean_ssim(truth, others[rng.integers(len(others), size=len(truth))]),
        "mean_image": mean_ssim(truth, np.broadcast_to(mean, truth.shape)),
        "mean_color": mean_ssim(truth, color),
    }


def trial(options: argparse.Namespace, images: Pixels, public: Pixels, count: int, number: int) -> dict[str, Any]:
    rng = np.random.default_rng((options.seed, count, number))
    plain = images[rng.choice(len(images), count, replace=False)]
    scenario = make_scenario(
        plain,
        options.scheme,
        options.block,
        seed=options.seed * 1000 + number,
        parameters=json.loads(options.parameters),
        key_scope=options.key_scope,
        public=public,
    )
    attack = get_attack(options.attack)
    reason = attack.why_not(scenario.observation)
    if reason:
        raise SystemExit(f"{options.attack} cannot be tried here: {reason}")
    began = time.perf_counter()
    found = attack.run(scenario.observation, Budget(options.seconds, seed=number))
    took = time.perf_counter() - began
    scored = slice(0, min(count, options.scored))
    truth = plain[scored]
    layout = layout_of(scenario.observation)
    in_place = layout is not None and not layout.moves and layout.sample == "byte" and layout.shuffles != "all"
    tried = global_states(plain.shape, oriented=not in_place) if found.symmetric else [(0, 0, 0)]
    scores = {state: mean_ssim(truth, in_state(found.images[scored], state)) for state in tried}
    best = max(scores, key=lambda state: scores[state])
    row = {
        "pick": mean_ssim(truth, found.images[scored]),
        "best": scores[best],
        "pick_is_best": float(scores[(0, 0, 0)] >= scores[best] - 1e-9),
        "exact": float(np.array_equal(in_state(found.images[scored], best), truth)),
        "seconds": took,
        **chance(truth, images, rng),
        **{name: value for name, value in found.facts.items() if isinstance(value, int | float)},
    }
    if in_place:
        row["of_48"] = best_of_pixel_states(truth, found.images[scored], scores[best])
    if found.key is not None and scenario.truth.key is not None:
        a, b = found.key.as_nibbles(), scenario.truth.key.as_nibbles()
        row["key"] = float(np.mean((a.index == b.index) & (a.mask == b.mask)))
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attack", required=True, help="its name, e.g. nibble-statistics")
    parser.add_argument("--scheme", required=True, help="a registered cipher, e.g. le")
    parser.add_argument("--parameters", default="{}", help="of the scheme, as JSON")
    parser.add_argument("--key-scope", default="dataset", help="dataset, image or pool:K")
    parser.add_argument("--data", default="photographs", help="an .npz with an array x (N, H, W, 3), or photographs")
    parser.add_argument("--size", type=int, help="crop to this many pixels; default: as they are")
    parser.add_argument("--block", type=int, default=4)
    parser.add_argument("--images", default="1,5,10", help="how many images share the key: a list")
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--public", type=int, default=2000, help="public images, the last ones of the data")
    parser.add_argument("--scored", type=int, default=20, help="at most so many images of a trial are scored")
    parser.add_argument("--seconds", type=float, help="time budget of a trial")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write all trials here, as JSON")
    options = parser.parse_args()

    data = load(options.data)
    if options.size:
        data = data[:, : options.size, : options.size]
    held = min(options.public, len(data) // 2)
    images, public = data[:-held], data[-held:]
    print(
        "| N | trials | pick | best | of 48 | sd | pick is best | exact | key | random | mean image | mean colour | s |"
    )
    print("|" + "---|" * 13)
    everything: dict[str, list[dict[str, Any]]] = {}
    for count in (int(part) for part in options.images.split(",")):
        rows = [trial(options, images, public, count, number) for number in range(options.trials)]
        everything[str(count)] = rows
        mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        print(
            f"| {count} | {len(rows)} | {mean['pick']:.3f} | {mean['best']:.3f} | "
            f"{mean.get('of_48', float('nan')):.3f} | "
            f"{np.std([row['best'] for row in rows]):.3f} | {mean['pick_is_best']:.2f} | {mean['exact']:.2f} | "
            f"{mean.get('key', float('nan')):.3f} | {mean['random']:.3f} | {mean['mean_image']:.3f} | "
            f"{mean['mean_color']:.3f} | {mean['seconds']:.1f} |",
            flush=True,
        )
    if options.out:
        settings = {name: str(value) for name, value in vars(options).items()}
        settings["data"], settings["out"] = Path(options.data).name, options.out.name
        options.out.write_text(json.dumps({"settings": settings, "trials": everything}, indent=1) + "\n")


if __name__ == "__main__":
    main()
