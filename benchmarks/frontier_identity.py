"""People named from protected photographs under a bench's row: a part of benchmarks/frontier_scores.py."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from frontier_rows import Labels, Pixels, published
from numpy.typing import NDArray

from blindsight.audit.attacks.invariants import LIGHTING, descriptor, freedom_of
from blindsight.audit.identity import CLASSIFIERS, distances_kept, identify
from blindsight.bench.data import BenchData
from blindsight.bench.row import Images
from blindsight.profile import Profile

#: Features of a face, at most; more are thinned out evenly.
MOST_FEATURES = 1200


def identified(
    images: Images, faces: BenchData, people: Labels, redraws: int, seed: int, work: Path, splits: int
) -> dict[str, Any]:
    """How often people are named, by everything that we have: the best, the same under a null, and all figures."""

    def made(what: Images, draw: int) -> tuple[Profile, Pixels, Pixels]:
        profile, seen, before, paths = published(what, faces, draw, work)
        order = np.argsort([int(path.rpartition("/")[2]) for path in paths])
        return profile, seen[order], before[order]

    profile, probes, shown = made(images, seed)
    drawn = any(text.startswith(("crop", "jitter", "noise")) for text in images.reductions)
    # Nobody mixes the photographs that they hold.
    alone = images.model_copy(update={"mix": None})
    galleries = [made(alone, seed + 1000 + k)[1:] for k in range(redraws if drawn else 1)]
    dealt = np.random.default_rng(seed).permutation(people)
    figures: dict[str, Any] = {}
    null = 0.0
    pairs: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
    for name, describe in _descriptors(profile, probes.shape[3]).items():
        asked = describe(probes)
        pairs[f"{name}; protected gallery"] = asked, asked
        if not name.startswith("distances"):
            pairs[f"{name}; plain gallery, reduced anew"] = np.stack([describe(x) for x, _ in galleries]), asked
    if profile.key_scope == "dataset":  # queries, which nobody mixes, give the key away
        asked, *known = (_thinned(distances_kept(x, profile)) for x in (shown, *(x for _, x in galleries)))
        pairs["pixels, with the key; plain gallery, reduced anew"] = np.stack(known), asked
    for name, (known, asked) in pairs.items():
        for classifier in CLASSIFIERS:
            found, nothing = (
                identify(known, asked, of, splits=splits, classifier=classifier, seed=seed) for of in (people, dealt)
            )
            figures[f"{name}; {classifier}"] = asdict(found.top1)
            null = max(null, nothing.top1.mean)
    best = max(figures, key=lambda name: figures[name]["mean"])
    chance = 1 / len(np.unique(people))
    return {"reid": figures[best]["mean"], "reid_chance": chance, "reid_null": null, "by": best, "figures": figures}


def _descriptors(profile: Profile, channels: int) -> dict[str, Callable[[Pixels], NDArray[np.float32]]]:
    """Name -> images (N, H, W, C) -> (N, D)."""

    found: dict[str, Callable[[Pixels], NDArray[np.float32]]] = {}
    whole = freedom_of(profile).inside == "turns"
    for light in LIGHTING if whole else LIGHTING[:1]:
        found[f"invariants, light {light}"] = lambda x, light=light: _thinned(descriptor(x, profile, lighting=light))
    if whole and channels == 3:  # faces are grey here: three draws of noise are averaged
        grey = "invariants of the channels' mean"
        found[grey] = lambda x: _thinned(descriptor(np.rint(x.mean(3, keepdims=True)).astype(np.uint8), profile))
    if profile.key_scope != "image":
        found["distances"] = lambda x: _thinned(distances_kept(x, profile))
    return found


def _thinned(values: NDArray[np.float32]) -> NDArray[np.float32]:
    if values.shape[1] <= MOST_FEATURES:
        return values
    return values[:, np.sort(np.random.default_rng(0).permutation(values.shape[1])[:MOST_FEATURES])]
