"""The report that an owner reads before handing a mixed set over: how much of the originals it still shows."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from blindsight.audit._in_set import original_in_set
from blindsight.audit._report_files import report_folder, write_report
from blindsight.audit._sample import candidate_originals, make_cases
from blindsight.audit.guessing import guessing_bound_bits
from blindsight.audit.mixing_page import Example, render_page
from blindsight.audit.mixing_results import MixingReport, Result
from blindsight.audit.mixing_settings import Setting, block_settings
from blindsight.audit.mixing_speed import measure_speed
from blindsight.audit.mixing_verdict import judge
from blindsight.audit.reidentification import Reidentification, by_blocks, by_folded_pixels, by_pixels, top1
from blindsight.audit.similarity import Case, Pixels, likeness, pixel_shares
from blindsight.errors import CorruptDataError, OutputError, ParameterError, ProfileError
from blindsight.images import encode_image, read_protected
from blindsight.owner.index import Index, default_index
from blindsight.owner.keys import SecretKey
from blindsight.owner.mixing import Mixer, Target, open_mixer
from blindsight.owner.sources import Source
from blindsight.profile import Profile
from blindsight.shards import ShardReader

__all__ = ["MixingReport", "Result", "mixing_report"]

EXAMPLES = 3
SPEED_IMAGES = 16

Progress = Callable[[int, int], None]
Publish = Callable[[Target, Pixels], Pixels]


def mixing_report(
    source: Source,
    mixed: Path,
    out: Path | None = None,
    *,
    index: Path | None = None,
    key: SecretKey | None = None,
    sample: int = 200,
    seed: int = 0,
    timing: bool = True,
    progress: Progress | None = None,
) -> MixingReport:
    """Measures a mixed set against its originals and writes ``report.html`` and ``report.json``.

    Args:
        source: what was mixed.
        mixed: the folder that ``mix`` wrote.
        out: folder of the report; default ``report`` in the owner's index, for it shows originals.
        index: the owner's index; default ``MIXED.owner``.
        key: only where ``mix`` had one.
        sample: published images to measure, at most.
        seed: of the sample and of what it is compared with.
        timing: measure throughput too.
        progress: called with (done, all), with 0 before anything is measured.

    Raises:
        ParameterError: a sample of less than one image.
        ProfileError: not a mixed set.
        OutputError: the report would lie in the mixed set, or cannot be written.
        CorruptDataError: a published image is not what the originals give.
    """
    if sample < 1:
        raise ParameterError(f"sample is {sample} images, expected 1 or more, e.g. 200")
    if seed < 0:
        raise ParameterError(f"seed is {seed}, expected 0 or more")
    profile = Profile.of_folder(mixed)
    if profile is None or profile.kind != "mix":
        what = "no profile.json" if profile is None else f"kind {profile.kind}"
        raise ProfileError(f"{mixed} is not a mixed set ({what}); give the folder that blindsight mix wrote")
    index = index or default_index(mixed)
    out = report_folder(index / "report" if out is None else out, mixed, "the mixed set")
    if not index.exists():
        raise OutputError(
            f"{mixed} has no index {index}; if it was augmented, give the set that mix wrote, and if mix was given "
            "--index, give the same"
        )
    mixer, targets = open_mixer(source, mixed, index=index, key=key)
    files = {record.id: record.file for record in Index(index).images()}
    chosen = _chosen(targets, files, sample, seed)
    settings = block_settings(mixer.options, mixer.size)

    done = 0
    total = len(settings) * 2 * len(chosen)
    if progress is not None:
        progress(done, total)

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    candidates, pixels = candidate_originals(mixer, chosen, seed)
    truth = [candidates.index(target.item) for target in chosen]
    results: list[Result] = []
    pictures: list[list[Case]] = []
    shown = _example_places(chosen)
    for setting in settings:
        other = mixer if setting.own else mixer.with_options(block=setting.block)
        publish = _published(mixed, profile, files) if setting.own else _coded(profile)
        cases = make_cases(other, chosen, publish, seed, step)
        results.append(_measured(other, setting, cases, profile, pixels, truth, seed, step))
        pictures.append([cases[place] for place in shown])
    speed = measure_speed(mixer, settings, chosen[:SPEED_IMAGES]) if timing else None
    published = [target for name, target in targets.items() if name in files]
    in_set = original_in_set(mixer, published, chosen, seed)
    own = next(result for result in results if result.setting.own)
    report = MixingReport(
        profile=profile,
        published=len(files),
        originals=len(mixer.items),
        sample=len(chosen),
        seed=seed,
        results=results,
        speed=speed,
        in_set=in_set,
        verdict=judge(profile, own, results),
        page=out / "report.html",
        data=out / "report.json",
    )
    examples = [
        Example(
            mixer.pixels(cases[0].target),
            [mixer.pixels(item) for item in cases[0].donors],
            [case.published for case in cases],
        )
        for cases in zip(*pictures, strict=True)
    ]
    write_report({report.data: report.to_json(), report.page: render_page(report, examples)})
    return report


def _chosen(targets: dict[str, Target], files: dict[str, str], sample: int, seed: int) -> list[Target]:
    """The sample, in random order."""
    published = sorted(set(targets) & set(files))
    if not published:
        raise CorruptDataError("the index lists no image of the mixed set; give the index that this run of mix wrote")
    order = np.random.default_rng(seed).permutation(len(published))
    return [targets[published[place]] for place in order[:sample]]


def _example_places(chosen: list[Target]) -> list[int]:
    """Where the examples are in the sample: of different classes as far as there are several."""
    first: dict[str | None, int] = {}
    for place, target in enumerate(chosen):
        first.setdefault(target.item.label, place)
    places = list(first.values())
    places += [place for place in range(len(chosen)) if place not in set(places)]
    return places[:EXAMPLES]


def _published(mixed: Path, profile: Profile, files: dict[str, str]) -> Publish:
    """Reads what was handed out, and sees that it is what the originals give."""
    reader = ShardReader(mixed)

    def read(target: Target, expected: Pixels) -> Pixels:
        file = files[target.id]
        stored = mixed / file if profile.layout == "folder" else reader.read(file)
        pixels = read_protected(stored, channels=profile.channels, name=file)
        if pixels.shape != expected.shape or (profile.codec.lossless and not np.array_equal(pixels, expected)):
            raise CorruptDataError(
                f"{file} is not what mixing these originals gives: it or an original was changed; mix again"
            )
        return pixels

    return read


def _coded(profile: Profile) -> Publish:
    """What would be handed out of another setting."""

    def code(target: Target, mixed: Pixels) -> Pixels:
        if profile.codec.lossless:
            return mixed
        return read_protected(encode_image(mixed, profile.codec), channels=profile.channels, name=target.id)

    return code


def _measured(
    mixer: Mixer,
    setting: Setting,
    cases: list[Case],
    profile: Profile,
    candidates: list[Pixels],
    truth: list[int],
    seed: int,
    step: Callable[[], None],
) -> Result:
    published = [case.published for case in cases]
    attacks: dict[str, Reidentification] = {"pixels": top1(by_pixels(published, candidates), truth, seed)}
    if profile.codec.lossless and profile.scheme in ("pbm", "cutmix"):
        # A rectangle of CutMix has no grid: the squares that it leaves whole are found on a fine one.
        block = setting.block or _fine_block(mixer.size)
        attacks["blocks"] = top1(by_blocks(published, candidates, block), truth, seed)
    if profile.scheme == "instahide":
        attacks["folded_pixels"] = top1(by_folded_pixels(published, candidates), truth, seed)
    bits = None
    if setting.blocks is not None:
        bits = guessing_bound_bits(mixer.options.donors, setting.blocks)
    shares = pixel_shares(cases, mixer.pixels, seed)
    return Result(setting, likeness(cases, mixer.pixels, seed, step), shares, attacks, bits)


def _fine_block(size: tuple[int, int]) -> tuple[int, int]:
    height, width = (max(n for n in range(1, 9) if side % n == 0) for side in size)
    return height, width
