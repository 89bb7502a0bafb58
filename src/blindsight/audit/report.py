"""The audit of a protected set: attacks by threat model, scored where the owner grants the truth, and the report."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindsight import __version__
from blindsight.audit._report_files import report_folder, write_report
from blindsight.audit.attack import Attack, list_attacks
from blindsight.audit.audit_page import render_audit
from blindsight.audit.audit_verdict import verdict_on
from blindsight.audit.cases import ALWAYS, Case, choose_threats, one_by_one
from blindsight.audit.judging import Judging, judge_cases
from blindsight.audit.keyspace import KeySpace, key_space
from blindsight.audit.mixing_verdict import Verdict
from blindsight.audit.opening import Published, open_published, originals_of
from blindsight.audit.plain_images import public_images
from blindsight.audit.results import ThreatResult
from blindsight.audit.scenario import Truth, publisher
from blindsight.audit.threat import THREATS, Candidates, Oracle
from blindsight.errors import ParameterError, UnknownNameError
from blindsight.owner.index import default_index
from blindsight.owner.keys import SecretKey
from blindsight.owner.protection import Protection
from blindsight.owner.sources import Source
from blindsight.profile import Profile

__all__ = ["FORMAT", "AuditReport", "Granted", "audit_protected", "chosen_attacks"]

FORMAT = "blindsight-audit-report/1"
Pixels = NDArray[np.uint8]
#: Candidate originals that an attacker holds, at most.
CANDIDATES = 10_000


@dataclass(frozen=True, eq=False)
class Granted:
    """What is granted to the attacker beyond the protected set, and to the scorer.

    Attributes:
        key: gives the truth where no originals are given, and answers chosen plaintexts; attacks never see it.
        originals: what was protected.
        public: plain images that anybody can get.
        pairs: originals that the attacker has with their protected images.
        model: a module that the attacker has, as :class:`~blindsight.audit.threat.SharedModel` says.
        checkpoint: the public weights that it began from, likewise.
        candidates: plain images that the attacker has and that may be originals.
    """

    key: SecretKey | None = None
    originals: Source | None = None
    public: Source | None = None
    pairs: int = 0
    model: Any = None
    checkpoint: Any = None
    candidates: Source | None = None


@dataclass(frozen=True)
class AuditReport:
    """The report.

    Attributes:
        profile: of the protected set.
        total: images in the set.
        sample: images that attackers saw.
        public: plain images that they had besides.
        pairs: known pairs, where that threat was tried.
        candidates: plain images that the candidates attacker had, where that threat was tried.
        seconds: budget an attack and threat model; None is no limit.
        seed: of every choice.
        scored: whether the originals were granted.
        threats: one a threat model.
        key_space: how many keys there are, and why that is not the answer.
        verdict: in words.
        page: ``report.html``.
        data: ``report.json``.
    """

    profile: Profile
    total: int
    sample: int
    public: int
    pairs: int
    candidates: int
    seconds: float | None
    seed: int
    scored: bool
    threats: tuple[ThreatResult, ...]
    key_space: KeySpace
    verdict: Verdict
    page: Path
    data: Path

    @property
    def versions(self) -> dict[str, str]:
        """Of everything that the numbers depend on."""
        return {"blindsight": __version__} | {name: version(name) for name in ("numpy", "scipy", "scikit-image")}

    def as_json(self) -> dict[str, Any]:
        """All numbers; no path, no name of a person or file."""
        profile = self.profile
        return {
            "format": FORMAT,
            "versions": self.versions,
            "scheme": profile.scheme,
            "parameters": profile.parameters,
            "block_size": profile.block_size,
            "size": profile.size,
            "channels": profile.channels,
            "codec": profile.codec.model_dump(mode="json"),
            "key_scope": profile.key_scope,
            "classes": len(profile.classes),
            "images": self.total,
            "sample": self.sample,
            "public": self.public,
            "known_pairs": self.pairs,
            "candidates": self.candidates,
            "seconds": self.seconds,
            "seed": self.seed,
            "scored": self.scored,
            "key_space": asdict(self.key_space),
            "threats": [threat.as_json() for threat in self.threats],
            "verdict": asdict(self.verdict),
        }

    def to_json(self) -> str:
        """The text of ``report.json``."""
        return json.dumps(self.as_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def chosen_attacks(names: Sequence[str], *, learned: bool = False) -> list[Attack]:
    """The attacks of these names; without names all but those that train networks.

    Raises:
        UnknownNameError: there is no such attack.
    """
    attacks = list_attacks()
    known = {attack.name: attack for attack in attacks}
    for name in names:
        if name not in known:
            raise UnknownNameError.of("attack", name, sorted(known))
    return [attack for attack in attacks if (attack.name in names if names else learned or not attack.learns)]


def audit_protected(
    folder: Path,
    out: Path | None = None,
    *,
    granted: Granted,
    threats: Sequence[str] = (),
    attacks: Sequence[Attack] | None = None,
    sample: int = 200,
    index: Path | None = None,
    judging: Judging | None = None,
) -> AuditReport:
    """Attacks a protected set and writes ``report.html`` and ``report.json``.

    Args:
        folder: what ``protect`` wrote.
        out: folder of the report; default ``audit`` in the owner's index where that is, else ``OUT.audit``.
        granted: what the attackers and the scorer have.
        threats: names of threat models; all that can be tried and that attacks use where none is given.
        attacks: which; default: all but those that train networks.
        sample: images that attackers see, at most.
        index: the owner's index; default ``OUT.owner`` where it is.
        judging: budgets, measures, progress.

    Raises:
        ProfileError: not a protected set.
        UnknownNameError: no such threat model.
        ParameterError: a threat model that needs what is not granted.
        WrongKeyError: another key.
        CorruptDataError: originals that are not those of the set.
        OutputError: the report would lie in the protected set, or cannot be written.
    """
    judging = judging or Judging()
    published = open_published(folder, sample + granted.pairs, index=index, seed=judging.seed)
    where = report_folder(out or _default_out(folder, index), folder, "the protected set")
    chosen = chosen_attacks(()) if attacks is None else attacks
    names = _threats(threats, granted, published, chosen)
    pairs = granted.pairs if "known-pairs" in names else 0
    if pairs and len(published.images) <= pairs:
        raise ParameterError(f"{pairs} known pairs leave none of {len(published.images)} images to attack; grant fewer")
    originals = originals_of(published, key=granted.key, source=granted.originals)
    public = None
    if granted.public is not None:
        height, width = published.images.shape[1:3]
        public = _without(public_images(granted.public, published.profile, (height, width), judging.seed), originals)
    held = None
    if granted.candidates is not None and Candidates.name in names:
        size = (published.images.shape[1], published.images.shape[2])
        held = public_images(granted.candidates, published.profile, size, judging.seed, most=CANDIDATES)
    cases = [_case(name, published, originals, public, granted, pairs, held) for name in names]
    results = judge_cases(cases, chosen, judging, threats or ALWAYS)
    report = AuditReport(
        profile=published.profile,
        total=published.total,
        sample=len(published.images) - pairs,
        public=0 if public is None else len(public),
        pairs=pairs,
        candidates=0 if held is None else len(held),
        seconds=judging.seconds,
        seed=judging.seed,
        scored=originals is not None,
        threats=results,
        key_space=key_space(published.profile, (published.images.shape[1], published.images.shape[2])),
        verdict=verdict_on(published.profile, results),
        page=where / "report.html",
        data=where / "report.json",
    )
    write_report({report.data: report.to_json(), report.page: render_audit(report)})
    return report


def _default_out(folder: Path, index: Path | None) -> Path:
    owner = index or default_index(folder)
    return owner / "audit" if owner.is_dir() else owner.with_name(folder.resolve().name + ".audit")


def _threats(wanted: Sequence[str], granted: Granted, published: Published, attacks: Sequence[Attack]) -> list[str]:
    if granted.pairs and granted.key is None and granted.originals is None:
        raise ParameterError("known pairs need originals; give --owner-truth PHOTOS or --key KEY")
    lacks: dict[str, str | None] = {
        "one-image": None,
        "protected-set": None,
        "labelled-set": None if published.labels is not None else "the set has no classes",
        "candidates": None if granted.candidates is not None else "give --candidates PICTURES",
        "known-pairs": None if granted.pairs else "say how many with --known-pairs",
        "chosen-plaintext": None if granted.key else "give --key, which answers the attacker",
        "shared-model": None if granted.model is not None else "give --model",
    }
    return choose_threats(wanted, lacks, attacks)


def _without(public: Pixels, originals: Pixels | None) -> Pixels | None:
    """The images that are none of the originals."""
    if originals is None:
        return public
    private = {image.tobytes() for image in originals}
    kept = [image for image in public if image.tobytes() not in private]
    return np.stack(kept) if kept else None


def _case(
    name: str,
    published: Published,
    originals: Pixels | None,
    public: Pixels | None,
    granted: Granted,
    pairs: int,
    candidates: Pixels | None,
) -> Case:
    """What a threat model's attacker sees of the set, and the truth."""
    n = len(published.images) - pairs
    profile, images = published.profile, published.images[:n]
    more: dict[str, Any] = {}
    if name == "known-pairs" and originals is not None:
        more = {"known_plain": originals[n:], "known_protected": published.images[n:]}
    elif name == "chosen-plaintext" and granted.key is not None:
        publish, asked = publisher(profile, granted.key), iter(range(1 << 62))
        more = {"encrypt": Oracle(lambda image: publish(image, f"query-{next(asked)}"))}
    elif name == "labelled-set" and published.labels is not None:
        more = {"labels": published.labels[:n]}
    elif name == "shared-model":
        more = {"model": granted.model, "checkpoint": granted.checkpoint}
    elif candidates is not None and name == Candidates.name:
        more = {"candidates": candidates}
    kind = THREATS["protected-set" if name == "one-image" else name]
    seen = kind(profile=profile, images=images, public=public, **more)
    key = None
    if granted.key is not None and profile.key_scope == "dataset":
        key = Protection(profile, granted.key).permutation(*images.shape[1:3])
    labels = None if published.labels is None else published.labels[:n]
    truth = None if originals is None else Truth(originals[:n], key, labels)
    if name == "one-image":
        return one_by_one(seen, truth)
    # Whoever has candidates takes an image for any of them.
    others = (
        None if name != Candidates.name or truth is None or candidates is None else _without(candidates, truth.images)
    )
    return Case(name, (seen,), () if truth is None else (truth,), others)
