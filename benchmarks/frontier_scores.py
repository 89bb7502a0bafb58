"""What the best attack gets out of each row of a bench: the scores.json of benchmarks/frontier.py.

    python benchmarks/frontier_scores.py frontier --data cifar10.npz --faces orl --work WORK --out scores.json

Rows are protected by the bench's own code, a subset of its training images. The attacker has what a provider has (the
protected set, its labels, its profile), public images of the same kind with labels, and no pair and no original. Every
attack of ``list_attacks()`` that applies and trains no network is run: those that need the set on ``--set`` images,
scored on the first ``--images`` of them; the others on these alone; the jigsaw of single images on ``--single``.

SSIM is against the original in RGB at its own size; reconstructions are scaled, and grey ones repeated. Pictures that
an attack finds up to a state are scored in their best one, and so are then the chances: another original, the mean
image, the mean colour, black. Where noise was added or images were mixed, each reconstruction is tried without what
looks like noise, too. A mixed set under one key is attacked by who has the key, from queries, which nobody mixes: they
are images of the row without mixing. The best attack is the one farthest above its chance. ``shown`` is the same
against what was encrypted: a crop is not the original, and still shows what is on it.

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
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from frontier_identity import identified
from frontier_rows import Victim, as_original, faces_data, rows_of, victim
from numpy.typing import NDArray
from skimage.restoration import denoise_tv_chambolle

from blindsight.audit import Budget, get_attack
from blindsight.audit.attack import Attack, Reconstruction, list_attacks
from blindsight.audit.estimates import Estimate, estimate
from blindsight.audit.metrics import ssim
from blindsight.audit.scenario import Truth
from blindsight.audit.scoring import in_best_state
from blindsight.audit.threat import LabelledSet, ProtectedSet
from blindsight.bench.data import BenchData, open_data
from blindsight.bench.recipe import Limit, load_recipe
from blindsight.bench.row import Images, Mix
from blindsight.errors import BlindsightError, ParameterError
from blindsight.profile import Profile

Pixels = NDArray[np.uint8]
Values = NDArray[np.float64]
FORMAT = "blindsight-frontier-scores/1"
#: Options that figures depend on, and that are written beside them.
SETTINGS = ("scale", "set", "images", "single", "public", "seconds", "side", "redraws", "splits", "seed")
#: SSIM from which images are restored, and slower attacks are not tried.
RESTORED = 0.98
#: Attacks that take seconds an image, and are run on fewer.
SLOW = ("jigsaw",)
#: Weight of total variation in denoising.
SMOOTH = 0.15


class Judge:
    """Scores reconstructions of the first images of a victim, and knows their chance levels.

    Args:
        of: the victim.
        count: of its first images.
    """

    def __init__(self, of: Victim, count: int) -> None:
        self._of, self._count, self._chances = of, count, dict[tuple[int, bool], tuple[str, Values]]()

    def score(self, found: Reconstruction, count: int) -> dict[str, Any]:
        """Mean SSIM of the first images, as picked and, where found up to a state, in the best one; chances; excess."""
        truth = self._of.originals[:count]
        images = as_original(found.images[:count], truth.shape)
        best = self._best(images, truth) if found.symmetric else images
        reached = _ssims(best, truth)
        guess, chance = self._chance(count, found.symmetric)
        top, excess = _estimate(reached), _estimate(reached - chance)
        shown = self._of.shown[:count]
        return {
            "n": count,
            "pick": float(_ssims(images, truth).mean()),
            "in_best_state": found.symmetric,
            "ssim": top.mean,
            "low": top.low,
            "high": top.high,
            "chance": float(chance.mean()),
            "chance_is": guess,
            "excess": [excess.mean, excess.low, excess.high],
            "shown": float(_ssims(self._best(images, shown) if found.symmetric else images, shown).mean()),
        }

    def _chance(self, count: int, turned: bool) -> tuple[str, Values]:
        """The guess that is most alike, and how alike to each; guesses in their best state where pictures are."""
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
            levels = {
                name: _ssims(self._best(made, truth) if turned else made, truth) for name, made in guesses.items()
            }
            self._chances[count, turned] = max(levels.items(), key=lambda level: float(level[1].mean()))
        return self._chances[count, turned]

    def _best(self, images: Pixels, truth: Pixels) -> Pixels:
        seen = ProtectedSet(profile=self._of.seen.profile.model_copy(update={"block_size": 1}), images=images)
        return in_best_state(Reconstruction(images, symmetric=True), Truth(truth), seen).images


def _ssims(a: Pixels, b: Pixels) -> Values:
    return np.array([ssim(p, q) for p, q in zip(a, b, strict=True)])


def _estimate(values: Values) -> Estimate:
    found = estimate(values.tolist())
    assert found is not None
    return found


def attacked(
    of: Victim, mix: Mix | None, names: list[str], images: int, single: int, seconds: float | None
) -> dict[str, Any]:
    """Attack -> figures, or the reason that it was not run; of all that apply and train no network."""
    seen, found = of.seen, dict[str, Any]()
    judge = Judge(of, images)
    few = LabelledSet(**{**_fields(seen), "images": seen.images[:images], "labels": seen.labels[:images]})
    fewer = LabelledSet(**{**_fields(seen), "images": seen.images[:single], "labels": seen.labels[:single]})
    attacks = [get_attack(name) for name in names] if names else [each for each in list_attacks() if not each.learns]
    found["as published"] = judge.score(Reconstruction(few.images), images)
    # Those that need the whole set first: where one key is found from it, nothing is left to do.
    for attack in sorted(attacks, key=lambda each: (each.name in SLOW, not issubclass(each.observes, ProtectedSet))):
        pooled = issubclass(attack.observes, ProtectedSet)
        given = fewer if attack.name in SLOW else seen if pooled else few
        if reason := attack.why_not(given):
            found[attack.name] = {"not_run": reason}
            continue
        if max((each.get("ssim", 0.0) for each in found.values()), default=0.0) >= RESTORED:
            found[attack.name] = {"not_run": "images were restored by another attack"}
            continue
        for name, made in _tried(attack, given, mix, seconds):
            count = min(images, int(made.facts.get("solved", len(made.images))), len(made.images))
            found[name] = judge.score(made, count) | {"facts": made.facts}
    if mix and seen.profile.key_scope == "dataset":
        for name, made in mosaics(of, mix, seconds):
            found[name] = judge.score(made, images) | {"facts": made.facts}
    return found


def _fields(seen: LabelledSet) -> dict[str, Any]:
    names = ("profile", "images", "public", "labels", "public_labels")
    return {name: getattr(seen, name) for name in names}


def _tried(
    attack: Attack, given: LabelledSet, mix: Mix | None, seconds: float | None
) -> Iterator[tuple[str, Reconstruction]]:
    """What an attack finds, and where images were mixed or noise was added the same without what looks like it."""
    began = time.process_time()
    made = attack.run(given, Budget(seconds))
    facts = made.facts | {"seconds": round(time.process_time() - began, 1)}
    yield attack.name, Reconstruction(made.images, made.key, made.symmetric, facts)
    if mix or any(text.startswith("noise") for text in given.profile.reductions):
        smooth = _smooth(made.images)
        yield f"{attack.name}, denoised", Reconstruction(smooth, None, made.symmetric, dict(made.facts))


def mosaics(of: Victim, mix: Mix, seconds: float | None) -> Iterator[tuple[str, Reconstruction]]:
    """What a key gives of a mixed set: for whoever found it from queries, which nobody mixes."""
    name, mosaics = "key from queries", of.shown
    yield name, Reconstruction(mosaics)
    yield f"{name}, denoised", Reconstruction(_smooth(mosaics))
    if mix.method != "pbm":
        return
    began = time.process_time()
    attack, block = get_attack("label-clusters"), "{}x{}".format(*mix.block)
    # How they were mixed is taken to be known.
    parameters = {"block": block, "probability": mix.probability, "sources": mix.sources or 10}
    profile = Profile(kind="mix", scheme="pbm", parameters=parameters)
    made = attack.run(LabelledSet(profile=profile, images=mosaics, labels=of.seen.labels), Budget(seconds))
    facts = made.facts | {"seconds": round(time.process_time() - began, 1)}
    yield f"{name}, then {attack.name}", Reconstruction(made.images, facts=facts)
    yield f"{name}, then {attack.name}, denoised", Reconstruction(_smooth(made.images))


def _smooth(images: Pixels) -> Pixels:
    """Images without what looks like noise."""
    smooth = [denoise_tv_chambolle(image / 255.0, SMOOTH, channel_axis=2) for image in images]
    return np.rint(255 * np.stack(smooth)).astype(np.uint8)


@cache
def _opened(data: str, work: Path, train: int | None = None, test: int | None = None) -> BenchData:
    return open_data(data, work, Limit(train=train, test=test))


def scored(images: Images, args: argparse.Namespace) -> dict[str, Any]:
    """All figures of a row."""
    began, work = time.process_time(), args.work
    found: dict[str, Any] = {"images": images.summary()}
    if images.mix:
        found["only"] = "training images"  # what is asked about is not mixed
    plain = _opened(args.data, work)
    data = _opened(args.data, work, args.set, args.test)
    of = victim(images, data, plain, args.public, args.seed, work)
    found["attacks"] = attacked(of, images.mix, args.attack, args.images, args.single, args.seconds)
    if args.faces:
        faces, people = faces_data(args.faces, args.side, work)
        found["identity"] = identified(images, faces, people, args.redraws, args.seed, work, args.splits)
    return found | {"cpu_seconds": round(time.process_time() - began, 1)}


def judged(found: dict[str, Any]) -> dict[str, Any]:
    """The same, with the attack that is farthest above its chance."""
    tried = {key: value for key, value in found["attacks"].items() if "ssim" in value}
    best = max(tried, key=lambda key: tried[key]["ssim"] - tried[key]["chance"])
    return found | {"best": best, "ssim": tried[best]["ssim"], "ssim_chance": tried[best]["chance"]}


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """What benchmarks/frontier.py reads of a row."""
    short = {"ssim": found["ssim"], "ssim_chance": found["ssim_chance"], "attack": found["best"]}
    known = found.get("identity", {})
    short |= {field: known[field] for field in ("reid", "reid_chance") if field in known}
    return short | ({"only": found["only"]} if "only" in found else {})


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
    parser.add_argument("--add", action="store_true", help="attacks on rows that OUT and DETAILS have, beside theirs")
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
            if args.add and row in scores and row not in details.get("rows", {}):
                parser.error(f"--add needs --details with the figures of {row} so far")
            if row in scores and not args.add:
                continue
            found = scored(rows[row], args)
            if row in scores:
                before = details["rows"][row]
                found = before | {"attacks": before["attacks"] | found["attacks"]}
            found = judged(found)
            settings = {name: getattr(args, name) for name in SETTINGS}
            added = {"added": settings} if row in scores else {"settings": settings}
            held = details.get("rows", {}) | {row: found | added}
            details = {"format": FORMAT, "rows": held}
            scores[row] = summary(found)
            print(row, scores[row], file=sys.stderr, flush=True)
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
