"""What the best attack gets out of each row of a bench: the scores.json of benchmarks/frontier.py.

    python benchmarks/frontier_scores.py frontier --data cifar10.npz --faces orl --work WORK --out scores.json

Rows are protected by the bench's own code, a subset of its training images. The attacker has what a provider has (the
protected set, its labels, its profile), public images of the same kind with labels, and no pair and no original. Every
attack of ``list_attacks()`` that applies and trains no network is run: those that need the set on ``--set`` images,
scored on the first ``--images`` of them; the others on these alone; the jigsaw of single images on ``--single``.

SSIM is against the original in RGB at its own size; reconstructions are scaled, and grey ones repeated. Pictures that
an attack finds up to a state are scored in their best one, and so are then the chances: another original, the mean
image, the mean colour, black. Where noise was added an attacker's denoising of each reconstruction is tried, too. The
best attack is the one farthest above its chance. ``shown`` is the same against what was encrypted: a crop is not the
original, and still shows what is on it.

FACES is a folder [train|test/]PERSON/PHOTOGRAPH of grey photographs, brought to the row's size, in three equal channels
unless the row is grey: a defence in colour alone gains nothing on them. As one class they go through the same code.
People are named from five other photographs each, by every descriptor and classifier that we have, the best of which
counts: photographs that the attacker holds plain, reduced as the profile says, drawn anew ``--redraws`` times; and
protected ones. ``reid_null`` is the same maximum with people dealt out at random: what choosing the best gives.

A row that OUT has is not run again. DETAILS (--details) holds every attack's figures.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.restoration import denoise_tv_chambolle

from blindsight.audit import Budget, get_attack
from blindsight.audit.attack import Attack, Reconstruction, list_attacks
from blindsight.audit.attacks.invariants import LIGHTING, descriptor, freedom_of
from blindsight.audit.estimates import Estimate, estimate
from blindsight.audit.identity import CLASSIFIERS, distances_kept, identify
from blindsight.audit.metrics import ssim
from blindsight.audit.opening import open_published
from blindsight.audit.scenario import Truth
from blindsight.audit.scoring import in_best_state
from blindsight.audit.threat import LabelledSet, Observation, ProtectedSet
from blindsight.bench.cells import cells_of
from blindsight.bench.data import BenchData, open_data, read_pixels
from blindsight.bench.prepare import prepare
from blindsight.bench.recipe import Images, Limit, Recipe, load_recipe
from blindsight.errors import BlindsightError, ParameterError
from blindsight.images import fit_image
from blindsight.owner.index import Index
from blindsight.owner.protection import Protection
from blindsight.owner.sources import open_source
from blindsight.profile import Profile

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]
FORMAT = "blindsight-frontier-scores/1"
#: SSIM from which images are restored, and slower attacks are not tried.
RESTORED = 0.98
#: Attacks that take seconds an image, and are run on fewer.
SLOW = ("jigsaw",)
#: Features of a face, at most; more are thinned out evenly.
MOST_FEATURES = 1200
#: Weight of total variation in denoising.
SMOOTH = 0.15


@dataclass(frozen=True, eq=False)
class Victim:
    """A row's published training images, as the attacker sees them, and apart from that the truth.

    Attributes:
        seen: the set with labels, and public images.
        originals: uint8 (N, H, W, 3), RGB at their own size.
        shown: the same of what was encrypted: reduced, mixed, in grey.
    """

    seen: LabelledSet
    originals: Pixels
    shown: Pixels


def rows_of(recipe: Recipe, scale: str) -> dict[str, Images]:
    """What the images of each row go through, of the rows that protect them."""
    cells = cells_of(recipe, scale)
    return {cell.row: cell.images for cell in reversed(cells) if cell.images.scheme}


def published(images: Images, data: BenchData, seed: int, work: Path) -> tuple[Profile, Pixels, Pixels, list[str]]:
    """Profile; training images as published, and as they were encrypted; the paths of their originals."""
    folders = prepare(images, data, seed, work, lambda line: print(line, file=sys.stderr))
    opened = open_published(folders.train, 1 << 30, seed=seed)
    kept = [k for k, record in enumerate(opened.records) if record.split == "train"]
    undo = Protection(opened.profile, folders.key).decrypt
    before = np.stack([undo(opened.images[k], opened.records[k].id) for k in kept])
    paths = [opened.records[k].path for k in kept]
    if images.mix:
        made = [Index(index).images() for index in (work / "images").glob(f"{images.mix.method}-*.owner")]
        origins = {record.file: record.path for records in made for record in records}
        paths = [origins[path] for path in paths]
    return opened.profile, opened.images[kept], before, paths


def victim(images: Images, data: BenchData, plain: BenchData, public: int, seed: int, work: Path) -> Victim:
    """A row's images, and as many public ones of the same data as are asked for, none of which is published."""
    profile, seen, before, paths = published(images, data, seed, work)
    items = {item.path: item for item in plain.source.items}
    used = {item.path for item in data.source.items}
    free = [item for item in plain.source.items if item.split == "train" and item.path not in used]
    chosen = [free[k] for k in np.random.default_rng(seed).permutation(len(free))[:public]]
    names = sorted({str(item.label) for item in plain.source.items})
    originals = np.stack([read_pixels(plain.source, items[path]) for path in paths])
    height, width, channels = seen.shape[1:]
    known = [
        fit_image(read_pixels(plain.source, item), block_size=1, size=(height, width), fit="resize") for item in chosen
    ]
    observation = LabelledSet(
        profile=profile,
        images=seen,
        public=np.stack([_in_channels(image, channels) for image in known]),
        labels=np.array([names.index(str(items[path].label)) for path in paths]),
        public_labels=np.array([names.index(str(item.label)) for item in chosen]),
    )
    return Victim(observation, originals, as_original(before, originals.shape))


def _in_channels(image: Pixels, channels: int) -> Pixels:
    return image if channels == 3 else np.asarray(Image.fromarray(image).convert("L"))[:, :, None]


def as_original(images: Pixels, shape: tuple[int, ...]) -> Pixels:
    """Images scaled to the size of originals (N, H, W, 3), grey ones repeated."""
    if images.shape[1:] == shape[1:]:
        return images
    rgb = np.broadcast_to(images, (*images.shape[:3], 3)).copy()
    size = (shape[2], shape[1])
    return np.stack([np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)) for image in rgb])


class Judge:
    """Scores reconstructions of the first images of a victim, and knows their chance levels.

    Args:
        of: the victim.
        count: of its first images.
    """

    def __init__(self, of: Victim, count: int) -> None:
        self._of, self._count, self._chances = of, count, dict[tuple[int, bool], tuple[float, str]]()

    def score(self, found: Reconstruction, count: int) -> dict[str, Any]:
        """Mean SSIM of the first images, as picked and, where found up to a state, in the best one; chances; excess."""
        truth = self._of.originals[:count]
        images = as_original(found.images[:count], truth.shape)
        best = self._best(images, truth) if found.symmetric else images
        top = _estimate(_ssims(best, truth))
        chance, guess = self.chance(count, found.symmetric)
        shown = self._of.shown[:count]
        return {
            "n": count,
            "pick": float(_ssims(images, truth).mean()),
            "in_best_state": found.symmetric,
            "ssim": top.mean,
            "low": top.low,
            "high": top.high,
            "chance": chance,
            "chance_is": guess,
            "shown": float(_ssims(self._best(images, shown) if found.symmetric else images, shown).mean()),
        }

    def chance(self, count: int, turned: bool) -> tuple[float, str]:
        """The most alike of the guesses, and which it is; each in its best state where pictures are."""
        if (count, turned) not in self._chances:
            truth, public = self._of.originals[:count], self._of.seen.public
            assert public is not None
            others = np.roll(self._of.originals[: max(count, 2)], 1, axis=0)[:count]
            mean = as_original(np.rint(public.mean(axis=0, keepdims=True)).astype(np.uint8), truth.shape)
            colour = np.rint(truth.mean(axis=(1, 2), keepdims=True)).astype(np.uint8)
            guesses = {
                "another original": others,
                "mean image": np.broadcast_to(mean, truth.shape),
                "mean colour": np.broadcast_to(colour, truth.shape),
                "black": np.zeros_like(truth),
            }
            levels = [
                (float(_ssims(self._best(made, truth) if turned else made, truth).mean()), name)
                for name, made in guesses.items()
            ]
            self._chances[count, turned] = max(levels)
        return self._chances[count, turned]

    def _best(self, images: Pixels, truth: Pixels) -> Pixels:
        seen = ProtectedSet(profile=self._of.seen.profile.model_copy(update={"block_size": 1}), images=images)
        return in_best_state(Reconstruction(images, symmetric=True), Truth(truth), seen).images


def _ssims(a: Pixels, b: Pixels) -> NDArray[np.float64]:
    return np.array([ssim(p, q) for p, q in zip(a, b, strict=True)])


def _estimate(values: Any) -> Estimate:
    found = estimate(list(map(float, values)))
    assert found is not None
    return found


def attacked(of: Victim, names: list[str], images: int, single: int, seconds: float | None) -> dict[str, Any]:
    """Attack -> figures, or the reason that it was not run; of all that apply and train no network."""
    seen, found = of.seen, dict[str, Any]()
    judge = Judge(of, images)
    few = LabelledSet(**{**_fields(seen), "images": seen.images[:images], "labels": seen.labels[:images]})
    fewer = LabelledSet(**{**_fields(seen), "images": seen.images[:single], "labels": seen.labels[:single]})
    attacks = [get_attack(name) for name in names] if names else [each for each in list_attacks() if not each.learns]
    published = Reconstruction(few.images)
    found["as published"] = judge.score(published, images)
    # Those that need the whole set first: where one key is found from it, nothing is left to do.
    for attack in sorted(attacks, key=lambda each: (each.name in SLOW, not issubclass(each.observes, ProtectedSet))):
        pooled = issubclass(attack.observes, ProtectedSet)
        given: Observation = fewer if attack.name in SLOW else seen if pooled else few
        if reason := attack.why_not(given):
            found[attack.name] = {"not_run": reason}
            continue
        if max((each.get("ssim", 0.0) for each in found.values()), default=0.0) >= RESTORED:
            found[attack.name] = {"not_run": "images were restored by another attack"}
            continue
        for name, made in _tried(attack, given, seconds):
            spent = made.facts.pop("seconds") if "seconds" in made.facts else None
            count = min(images, int(made.facts.get("solved", len(made.images))), len(made.images))
            found[name] = judge.score(made, count) | {"cpu_seconds": spent, "facts": made.facts}
    return found


def _fields(seen: LabelledSet) -> dict[str, Any]:
    names = ("profile", "images", "public", "labels", "public_labels")
    return {name: getattr(seen, name) for name in names}


def _tried(attack: Attack, given: Observation, seconds: float | None) -> Iterator[tuple[str, Reconstruction]]:
    """What an attack finds, and where noise was added the same without what looks like noise."""
    began = time.process_time()
    made = attack.run(given, Budget(seconds))
    facts = made.facts | {"seconds": round(time.process_time() - began, 1)}
    yield attack.name, Reconstruction(made.images, made.key, made.symmetric, facts)
    if any(text.startswith("noise") for text in given.profile.reductions):
        smooth = np.stack([denoise_tv_chambolle(image / 255.0, SMOOTH, channel_axis=2) for image in made.images])
        yield (
            f"{attack.name}, denoised",
            Reconstruction(np.rint(255 * smooth).astype(np.uint8), None, made.symmetric, dict(made.facts)),
        )


def faces_data(folder: Path, side: int, work: Path) -> tuple[BenchData, Labels]:
    """Photographs of people as bench data of one class, and who is on each, by number."""
    source = open_source(folder)
    items = [item for item in source.items if item.label is not None]
    if len({item.label for item in items}) < 2:
        raise ParameterError(f"{folder} is no folder [train|test/]PERSON/PHOTOGRAPH of two people or more")
    photos = [fit_image(read_pixels(source, item), block_size=1, size=(side, side), fit="resize") for item in items]
    path = work / f"faces-{side}.npz"
    work.mkdir(parents=True, exist_ok=True)
    # The bench wants a test image.
    split = np.array(["train"] * len(photos) + ["test"])
    x = np.stack([*photos, photos[0]])
    np.savez(path, x=x, y=np.zeros(len(x), np.int64), classes=np.array(["face"]), split=split)
    return open_data(str(path), work, Limit()), np.unique([str(item.label) for item in items], return_inverse=True)[1]


def identified(
    images: Images, faces: BenchData, people: Labels, redraws: int, seed: int, work: Path, splits: int
) -> dict[str, Any]:
    """How often people are named, by everything that we have: the best, the same under a null, and all figures."""

    def made(what: Images, draw: int) -> tuple[Profile, Pixels]:
        profile, seen, _, paths = published(what, faces, draw, work)
        order = np.argsort([int(path.rpartition("/")[2]) for path in paths])
        return profile, seen[order]

    profile, probes = made(images, seed)
    drawn = any(text.startswith(("crop", "jitter", "noise")) for text in images.reductions)
    # Nobody mixes the photographs that they hold.
    alone = images.model_copy(update={"mix": None})
    galleries = [made(alone, seed + 1000 + k)[1] for k in range(redraws if drawn else 1)]
    dealt = np.random.default_rng(seed).permutation(people)
    figures: dict[str, Any] = {}
    null = 0.0
    for name, describe in _descriptors(profile, probes.shape[3]).items():
        asked = describe(probes)
        pairs = {"protected gallery": asked}
        if not name.startswith("distances"):
            pairs["plain gallery, reduced anew"] = np.stack([describe(gallery) for gallery in galleries])
        for against, known in pairs.items():
            for classifier in CLASSIFIERS:
                found = identify(known, asked, people, splits=splits, classifier=classifier, seed=seed)
                figures[f"{name}; {against}; {classifier}"] = asdict(found.top1)
                null = max(
                    null, identify(known, asked, dealt, splits=splits, classifier=classifier, seed=seed).top1.mean
                )
    best = max(figures, key=lambda name: figures[name]["mean"])
    chance = 1 / len(np.unique(people))
    return {"reid": figures[best]["mean"], "reid_chance": chance, "reid_null": null, "by": best, "figures": figures}


def _descriptors(profile: Profile, channels: int) -> dict[str, Callable[[Pixels], NDArray[np.float32]]]:
    """Name -> images (N, H, W, C) -> (N, D)."""

    def thinned(values: NDArray[np.float32]) -> NDArray[np.float32]:
        if values.shape[1] <= MOST_FEATURES:
            return values
        return values[:, np.sort(np.random.default_rng(0).permutation(values.shape[1])[:MOST_FEATURES])]

    found: dict[str, Callable[[Pixels], NDArray[np.float32]]] = {}
    whole = freedom_of(profile).inside == "turns"
    for light in LIGHTING if whole else LIGHTING[:1]:
        found[f"invariants, light {light}"] = lambda x, light=light: thinned(descriptor(x, profile, lighting=light))
    if whole and channels == 3:  # faces are grey here: three draws of noise are averaged
        grey = "invariants of the channels' mean"
        found[grey] = lambda x: thinned(descriptor(np.rint(x.mean(3, keepdims=True)).astype(np.uint8), profile))
    if profile.key_scope != "image":
        found["distances"] = lambda x: thinned(distances_kept(x, profile))
    return found


@cache
def _opened(data: str, work: Path, train: int | None = None, test: int | None = None) -> BenchData:
    return open_data(data, work, Limit(train=train, test=test))


def scored(name: str, images: Images, args: argparse.Namespace) -> dict[str, Any]:
    """All figures of a row."""
    began, work = time.process_time(), args.work
    found: dict[str, Any] = {"images": images.summary()}
    plain = _opened(args.data, work)
    data = _opened(args.data, work, args.set, args.test)
    of = victim(images, data, plain, args.public, args.seed, work)
    found["attacks"] = attacked(of, args.attack, args.images, args.single, args.seconds)
    tried = {key: value for key, value in found["attacks"].items() if "ssim" in value}
    best = max(tried, key=lambda key: tried[key]["ssim"] - tried[key]["chance"])
    found |= {"best": best, "ssim": tried[best]["ssim"], "ssim_chance": tried[best]["chance"]}
    print(f"{name}: {best}, SSIM {found['ssim']:.3f}, chance {found['ssim_chance']:.3f}", file=sys.stderr, flush=True)
    if args.faces:
        faces, people = faces_data(args.faces, args.side, work)
        found["identity"] = identified(images, faces, people, args.redraws, args.seed, work, args.splits)
        print(f"{name}: named {found['identity']['reid']:.3f}", file=sys.stderr, flush=True)
    return found | {"cpu_seconds": round(time.process_time() - began, 1)}


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """What benchmarks/frontier.py reads of a row."""
    short = {"ssim": found["ssim"], "ssim_chance": found["ssim_chance"], "attack": found["best"]}
    known = found.get("identity", {})
    return short | {field: known[field] for field in ("reid", "reid_chance") if field in known}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="name of a recipe, or its file")
    parser.add_argument("--scale", default="cpu")
    parser.add_argument("--data", required=True, help="plain images with classes, as for bench run")
    parser.add_argument("--faces", type=Path, help="folder of people's photographs; without it nobody is named")
    parser.add_argument("--work", type=Path, required=True, help="protected images go here")
    parser.add_argument("--out", type=Path, required=True, help="scores.json; rows in it are not run again")
    parser.add_argument("--details", type=Path, help="JSON of all figures")
    parser.add_argument("--rows", nargs="+", default=[], help="which, in this order; all protected ones else")
    parser.add_argument("--attack", action="append", default=[], help="these attacks alone")
    parser.add_argument("--set", type=int, default=1000, help="published images")
    parser.add_argument("--test", type=int, default=10, help=argparse.SUPPRESS)
    parser.add_argument("--images", type=int, default=60, help="attacked images that are scored")
    parser.add_argument("--single", type=int, default=10, help="of them those that slow attacks are run on")
    parser.add_argument("--public", type=int, default=1500, help="public images")
    parser.add_argument("--seconds", type=float, help="budget an attack; no limit by default")
    parser.add_argument("--side", type=int, default=32, help="of faces, in pixels")
    parser.add_argument("--redraws", type=int, default=3, help="of random reductions of the attacker's photographs")
    parser.add_argument("--splits", type=int, default=5, help="of the photographs into gallery and probes")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(arguments)
    try:
        rows = rows_of(load_recipe(args.recipe), args.scale)
        unknown = [row for row in args.rows if row not in rows]
        if unknown:
            parser.error(f"no row '{unknown[0]}' with a scheme in {args.recipe}; there are {', '.join(rows)}")
        scores, details = _read(args.out), _read(args.details) if args.details else {}
        for row in args.rows or rows:
            if row in scores:
                continue
            found = scored(row, rows[row], args)
            scores[row] = summary(found)
            about = {"format": FORMAT, "rows": details.get("rows", {}) | {row: found}}
            settings = {
                name: getattr(args, name)
                for name in (
                    "scale",
                    "set",
                    "images",
                    "single",
                    "public",
                    "seconds",
                    "side",
                    "redraws",
                    "splits",
                    "seed",
                )
            }
            details = about | {"settings": settings}
            _write(args.out, scores)
            if args.details:
                _write(args.details, details)
    except BlindsightError as error:
        parser.error(str(error))
    return 0


def _read(path: Path) -> dict[str, Any]:
    try:
        held = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ParameterError(f"{path} cannot be read ({error}); mend it or name another file") from None
    if not isinstance(held, dict):
        raise ParameterError(f"{path} is no JSON object of rows; name another file")
    return held


def _write(path: Path, values: dict[str, Any]) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(values, indent=1, sort_keys=True) + "\n")
    temporary.replace(path)


if __name__ == "__main__":
    sys.exit(main())
