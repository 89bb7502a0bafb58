"""What can be inferred without a key, and what mixed sets give back: the figures of the audit, one command each.

    python benchmarks/inference_attacks.py candidates --data cifar10.npz --scheme etc --block 4 --quality 50
    python benchmarks/inference_attacks.py identity --faces orl --block 8
    python benchmarks/inference_attacks.py pbm --data cifar10.npz --block 4 --images 60 --labels 0 3
    python benchmarks/inference_attacks.py instahide --data cifar10.npz --images 50 --views 30 --members 2
    python benchmarks/inference_attacks.py membership --run RUN --protected PROTECTED

DATA is an .npz file with images x, uint8 (N, H, W, C), and labels y; FACES a folder PERSON/PHOTOGRAPH; RUN a run folder
and PROTECTED the folder it was trained on, with a train and a test split. Prints JSON.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.optimize import linear_sum_assignment

from blindsight.audit import Budget, get_attack
from blindsight.audit.attacks.invariants import LIGHTING, descriptor
from blindsight.audit.estimates import Estimate, estimate
from blindsight.audit.identity import CLASSIFIERS, distances_kept, identify
from blindsight.audit.membership import infer_membership
from blindsight.audit.metrics import correlation, ssim
from blindsight.audit.mixed_scenario import make_mixed_scenario
from blindsight.audit.scenario import make_scenario
from blindsight.audit.threat import LabelledSet
from blindsight.errors import ParameterError
from blindsight.nets.runs import load_run
from blindsight.profile import Codec

Pixels = NDArray[np.uint8]


def share(values: Any) -> dict[str, float]:
    """Mean and 95 % interval over images."""
    found = estimate([float(value) for value in values])
    assert found is not None
    return {"mean": found.mean, "low": found.low, "high": found.high, "n": found.n}


def candidates(args: argparse.Namespace) -> dict[str, Any]:
    gallery = np.load(args.data)["x"][: args.gallery]
    probes = gallery[np.random.default_rng(1).permutation(len(gallery))[: args.probes]]
    codec = Codec(format="jpeg", quality=args.quality, subsampling="4:4:4") if args.quality else Codec()
    scenario = make_scenario(
        probes, args.scheme, args.block, "candidates", candidates=gallery, key_scope=args.scope, codec=codec
    )
    found = get_attack("candidate-confirmation").run(scenario.observation, Budget())
    right = (found.images == scenario.truth.images).all(axis=(1, 2, 3))
    return {"top1": share(right), "chance": 1 / len(gallery), **found.facts}


def identity(args: argparse.Namespace) -> dict[str, Any]:
    files = sorted(path for path in args.faces.rglob("*") if path.suffix.lower() in (".png", ".jpg", ".pgm"))
    opened = [Image.open(file).convert("L").resize((args.size, args.size), Image.Resampling.BILINEAR) for file in files]
    photos = np.stack([np.asarray(image)[:, :, None] for image in opened])
    people = np.unique([file.parent.name for file in files], return_inverse=True)[1]
    fixed = make_scenario(photos, args.scheme, args.block).observation
    own = make_scenario(photos, args.scheme, args.block, key_scope="image").observation
    pairs = {
        "plain pixels": (distances_kept(photos, fixed.profile),) * 2,
        "fixed key, protected pixels": (distances_kept(fixed.images, fixed.profile),) * 2,
        "keys per image, protected pixels (null)": (distances_kept(own.images, own.profile),) * 2,
    }
    for lighting in LIGHTING if args.scheme == "etc" else LIGHTING[:1]:
        plain, protected = (descriptor(x, own.profile, lighting=lighting) for x in (photos, own.images))
        pairs[f"invariants, light {lighting}, plain probes"] = plain, plain
        pairs[f"invariants, light {lighting}, keys per image, plain gallery"] = plain, protected
    found: dict[str, Any] = {}
    for name, (gallery, probes) in pairs.items():
        for classifier in CLASSIFIERS:
            one = identify(gallery, probes, people, classifier=classifier)
            found[f"{name}, {classifier}"] = [one.top1.mean, one.top1.low, one.top1.high]
            found["chance"] = one.chance
    return found


def pbm(args: argparse.Namespace) -> dict[str, Any]:
    data = np.load(args.data)
    rows = np.concatenate([np.flatnonzero(data["y"] == label)[: args.images] for label in args.labels])
    scenario = make_mixed_scenario(data["x"][rows], data["y"][rows], "pbm", args.block, probability=args.probability)
    seen, truth = scenario.observation.images, scenario.truth.images
    found = get_attack("label-clusters").run(scenario.observation, Budget())
    of = scenario.truth.labels
    assert of is not None

    def cut(images: Pixels) -> Pixels:
        n, h, w, c = images.shape
        m = args.block
        return images.reshape(n, h // m, m, w // m, m, c).swapaxes(2, 3).reshape(n, -1, m * m * c)

    visible, ours = ((cut(x) == cut(truth)).all(axis=2) for x in (seen, found.images))
    anywhere = np.zeros_like(visible)
    for label in args.labels:
        mine = of == label
        anywhere[mine] = (cut(seen[mine])[None] == cut(truth[mine])[:, None]).all(axis=3).any(axis=1)
    hidden = ~visible & anywhere
    return {
        "own blocks, mixed image as it is": share(visible.mean(axis=1)),
        "own blocks published anywhere in the class": share(anywhere.mean(axis=1)),
        "own blocks recovered": share(ours.mean(axis=1)),
        "of those visible, kept": float(ours[visible].mean()),
        "of those elsewhere, fetched": float(ours[hidden].mean()),
        "ssim as it is": share(ssim(a, b) for a, b in zip(seen, truth, strict=True)),
        "ssim recovered": share(ssim(a, b) for a, b in zip(found.images, truth, strict=True)),
        "ssim of another original": share(ssim(a, b) for a, b in zip(np.roll(truth, 1, axis=0), truth, strict=True)),
        **found.facts,
    }


def instahide(args: argparse.Namespace) -> dict[str, Any]:
    plain = np.load(args.data)["x"][: args.images]
    options = {} if args.method == "mixup" else {"sources": args.members - 1}
    public = np.load(args.data)["x"][-1000:]
    scenario = make_mixed_scenario(
        plain, np.zeros(len(plain), np.int64), args.method, views=args.views, partners="any", public=public, **options
    )
    found = get_attack("instahide").run(scenario.observation, Budget(seed=args.seed))
    # Each original found, beside the one it is nearest to, one to one: what a person who looks at them would say.
    distinct = np.unique(found.images, axis=0)
    table = np.array([[correlation(a, b) for b in plain] for a in distinct])
    mine, theirs = linear_sum_assignment(-table)
    other = np.random.default_rng(0).permutation(len(theirs))
    return {
        "ssim of encodings' targets": share(
            ssim(a, b) for a, b in zip(found.images, scenario.truth.images, strict=True)
        ),
        "originals: correlation": share(table[mine, theirs]),
        "originals: correlation above .9": float((table[mine, theirs] > 0.9).sum() / len(plain)),
        "originals: ssim": share(ssim(distinct[a], plain[b]) for a, b in zip(mine, theirs, strict=True)),
        "chance: ssim of one original with another": share(
            ssim(plain[a], plain[b]) for a, b in zip(theirs, theirs[other], strict=True) if a != b
        ),
        "chance: correlation, best one-to-one match of other images": share(_matched_by_chance(public, plain)),
        **found.facts,
    }


def _matched_by_chance(others: Pixels, plain: Pixels) -> NDArray[np.float64]:
    table = np.array([[correlation(a, b) for b in plain] for a in others[: len(plain)]])
    return table[linear_sum_assignment(-table)]


def membership(args: argparse.Namespace) -> dict[str, Any]:
    from blindsight.provider.data import ProtectedFolder
    from blindsight.provider.evaluation import require_suitable
    from blindsight.provider.folders import DataFolder, stratified_holdout

    run, folder = load_run(args.run), DataFolder.open(args.protected)
    require_suitable(run.profile, folder.profile)
    if folder.profile.kind != run.profile.kind or not {"train", "test"} <= set(folder.splits):
        raise ParameterError(f"{args.protected} is not the set of the run, with a train and a test split")
    recipe = json.loads((args.run / "recipe.json").read_text())["config"]

    def drawn(split: str) -> LabelledSet:
        files, labels = folder.files(split, run.profile.classes)
        rows = list(range(len(files)))
        if split == "train" and "val" not in folder.splits:  # what was held out for validation is no member
            rows = stratified_holdout(labels, recipe["holdout"], recipe["seed"])[0]
        rows = np.random.default_rng([args.seed, len(split)]).permutation(rows)[: args.images].tolist()
        chosen = [files[row] for row in rows], [labels[row] for row in rows]
        read = ProtectedFolder(*chosen, folder.profile, run.size, cache="none")
        images = np.stack([read.read(number) for number in range(len(rows))])
        return LabelledSet(profile=folder.profile, images=images, labels=np.array(chosen[1], np.int64))

    found = infer_membership(run, drawn("train"), drawn("test"), seed=args.seed)

    def interval(one: Estimate) -> list[float]:
        return [round(value, 4) for value in (one.mean, one.low, one.high)]

    return {
        "attacks": {s.attack: {"accuracy": interval(s.accuracy), "auc": interval(s.auc)} for s in found.scores},
        "chance": found.chance,
        "known of each kind": found.known,
        "model right on members": found.right_members,
        "model right on others": found.right_others,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)

    def command(name: str, work: Any) -> argparse.ArgumentParser:
        one = commands.add_parser(name)
        one.set_defaults(work=work)
        return one

    one = command("candidates", candidates)
    one.add_argument("--data", type=Path, required=True)
    one.add_argument("--scheme", default="etc")
    one.add_argument("--block", type=int, default=4)
    one.add_argument("--scope", default="image")
    one.add_argument("--quality", type=int, default=0, help="of JPEG; 0 is PNG")
    one.add_argument("--gallery", type=int, default=6102)
    one.add_argument("--probes", type=int, default=300)
    one = command("identity", identity)
    one.add_argument("--faces", type=Path, required=True)
    one.add_argument("--scheme", default="etc")
    one.add_argument("--block", type=int, default=8)
    one.add_argument("--size", type=int, default=64)
    one = command("pbm", pbm)
    one.add_argument("--data", type=Path, required=True)
    one.add_argument("--block", type=int, default=8)
    one.add_argument("--images", type=int, default=60, help="of each class")
    one.add_argument("--labels", type=int, nargs="+", default=[0, 3])
    one.add_argument("--probability", type=float, default=0.5)
    one = command("instahide", instahide)
    one.add_argument("--data", type=Path, required=True)
    one.add_argument("--method", choices=("instahide", "mixup"), default="instahide")
    one.add_argument("--images", type=int, default=50)
    one.add_argument("--views", type=int, default=30)
    one.add_argument("--members", type=int, default=2)
    one.add_argument("--seed", type=int, default=0)
    one = command("membership", membership)
    one.add_argument("--run", type=Path, required=True, help="run folder, as train writes it")
    one.add_argument("--protected", type=Path, required=True, help="the folder that it was trained on")
    one.add_argument("--images", type=int, default=2000, help="of each split, at most; half are known")
    one.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    began, worked = time.perf_counter(), time.process_time()
    result = args.work(args)
    spent = {"seconds": time.perf_counter() - began, "processor_seconds": time.process_time() - worked}
    asked = {
        key: str(value) for key, value in vars(args).items() if key not in ("work", "data", "faces", "run", "protected")
    }
    print(json.dumps({"asked": asked, **result} | {name: round(value, 1) for name, value in spent.items()}, indent=1))


if __name__ == "__main__":
    main()
