"""A data set of plain images in, a mixed data set out."""

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL

from blindsight.errors import ImageError, OutputError, ParameterError, ProfileError, WrongKeyError
from blindsight.images import codec_versions, encode_image
from blindsight.labels import LABELS_NAME, labels_csv
from blindsight.owner._inputs import fingerprint
from blindsight.owner._job import Job, Progress, Task, no_space_means
from blindsight.owner._journal import Batch, Made
from blindsight.owner._layout import Sample, layout_tasks, layout_work
from blindsight.owner.index import ImageRecord, Index, default_index
from blindsight.owner.keyfile import create_keyfile, load_keyset
from blindsight.owner.keys import Keyset, SecretKey
from blindsight.owner.mixing.mixer import Mixer, Mixture, Target
from blindsight.owner.mixing.options import MixOptions, from_json, mix_profile, to_json
from blindsight.owner.options import class_ids
from blindsight.owner.sources import Source
from blindsight.profile import Profile

__all__ = ["RUN_KEY", "MixReport", "mix", "open_mixer"]

# Changes when the same options would give other bytes.
OUTPUT_VERSION = 1
DEFAULTS = MixOptions()
#: The key of a run that was given none, in the owner's index.
RUN_KEY = "run.key"


@dataclass(frozen=True)
class MixReport:
    """What :func:`mix` did.

    Attributes:
        profile: as written to ``profile.json``.
        index: the owner's index folder.
        images: mixed images in the output.
        resumed: how many of them an earlier, interrupted run had written.
        rejects: (path, reason) of inputs that could not be mixed in.
        left_out: split -> images of it that were neither read nor published: tests are on plain images.
        own_key: True where the run's key was made for it and lies in the index.
        own_share: share of a mixed image that is its target's own, on average.
        unchanged: how many are their target as it was, since the draw left nothing to be mixed in.
        bytes: size of the mixed images.
        seconds: wall time of this run.
    """

    profile: Profile
    index: Path
    images: int
    resumed: int
    rejects: list[tuple[str, str]]
    left_out: dict[str, int]
    own_key: bool
    own_share: float
    unchanged: int
    bytes: int
    seconds: float


def mix(
    source: Source,
    out: Path,
    key: SecretKey | None = None,
    options: MixOptions = DEFAULTS,
    *,
    index: Path | None = None,
    resume: bool = False,
    workers: int = 0,
    progress: Progress | None = None,
) -> MixReport:
    """Mixes a data set.

    The same source, options, key and codec libraries give the same tree byte for byte, whatever the number of workers
    and however often the run is interrupted and resumed. Originals are only read.

    Args:
        source: plain images with classes; of a source with splits, ``train`` is mixed and the others are left out.
        out: folder for the mixed images and ``profile.json``; absent or empty.
        key: what everything random is drawn from; None makes a key for this run and keeps it in the index.
        options: how to mix.
        index: folder for what only the owner may know; default ``OUT.owner``.
        resume: finish an interrupted run.
        workers: threads; 0 is one a processor.
        progress: called with (done, all) after each image.

    Raises:
        ParameterError: an option that cannot work, or a class with too few images.
        OutputError: the output is not ours to write to, lies inside the input folder, is in use, has no space, or the
            run to resume was another.
    """
    started = time.monotonic()
    index = index or default_index(out)
    own_key = key is None
    secret = _run_key(index, resume) if key is None else key
    mixer = Mixer(source, options, secret)
    ids = class_ids(secret, mixer.classes(), options.opaque_classes)
    profile = mix_profile(options, mixer.size, ids, max(target.view for target in mixer.targets) + 1)
    label = options.label if options.label is not None else source.label
    description = {
        "command": "mix",
        "output version": OUTPUT_VERSION,
        "profile": profile.model_dump(mode="json"),
        "mixing": to_json(options),
        "key": secret.id,
        "label": label,
        "inputs": fingerprint(source, mixer.items),
        "max pixels": options.max_pixels,
        "libraries": {**codec_versions(profile.codec), "resizing": f"Pillow {PIL.__version__}"},
    }
    if profile.layout == "shards":
        description["shard size"] = options.shard_size
    samples = [
        Sample(mixer.split, ids.get(target.item.label or ""), target.id, target.item.path, target)
        for target in mixer.targets
    ]

    def keep_key(folder: Path) -> None:
        if own_key:
            _keep(secret, folder / RUN_KEY)

    job = Job(out, index, description, resume=resume, inputs=getattr(source, "root", None), prepare=keep_key)
    with job:
        tasks = layout_tasks(samples, profile, secret, options.shard_size)
        work = layout_work(_worker(mixer, profile), profile)
        outcome = job.run(tasks, work, workers=workers, progress=progress)
        if not outcome.records:
            first = f", such as {outcome.rejects[0][1]}" if outcome.rejects else ""
            raise OutputError(f"nothing was mixed: none of the {len(mixer.items)} inputs can be used{first}")
        # An unreadable donor is met again by every image that draws it.
        rejects = sorted({*outcome.rejects, *source.rejects})
        outcome = type(outcome)(outcome.records, rejects, outcome.resumed)
        mixtures = [json.loads(record.mixture) for record in outcome.records]
        if options.soft_labels and ids:
            pairs = zip(outcome.records, mixtures, strict=True)
            rows = {record.file: {ids[n]: w for n, w in m["classes"].items()} for record, m in pairs}
            with no_space_means(out):
                job.place(LABELS_NAME, labels_csv(rows).encode())
        job.finish(outcome, {identifier: name for name, identifier in ids.items()}, profile)
    return MixReport(
        profile,
        index,
        len(outcome.records),
        outcome.resumed,
        rejects,
        dict(Counter(item.split or "" for item in source.items if item.split != mixer.split)),
        own_key,
        float(np.mean([m["own"] for m in mixtures])),
        sum(m["own"] == 1 for m in mixtures),
        sum(record.bytes for record in outcome.records),
        time.monotonic() - started,
    )


def open_mixer(
    source: Source, mixed: Path, *, index: Path | None = None, key: SecretKey | None = None
) -> tuple[Mixer, dict[str, Target]]:
    """What made a mixed set, to look into it: for the owner, who has its originals, its index and its key.

    Args:
        source: the originals, as they were mixed.
        mixed: what ``mix`` wrote.
        index: its index; default ``MIXED.owner``.
        key: the key that was given to ``mix``; None takes the run's own from the index.

    Returns:
        The mixer, and image id -> target for every image that ``mix`` was to make; rejects are among them.

    Raises:
        ProfileError: not a mixed set.
        OutputError: no index, or no key in it.
        WrongKeyError: another key.
        ParameterError: other originals.
    """
    profile = Profile.of_folder(mixed)
    if profile is None or profile.kind != "mix":
        kind = "a plain folder" if profile is None else f"of kind '{profile.kind}'"
        raise ProfileError(f"{mixed} is {kind}; give a folder that mix wrote")
    index = index or default_index(mixed)
    run = Index(index).job()
    kept = index / RUN_KEY
    if key is None:
        if not kept.exists():
            raise OutputError(f"{index} holds no key: the set was mixed with --key FILE; give the same")
        key = load_keyset(kept).primary
    if key.id != run.get("key"):
        what = "its own key lies in the index: give none" if kept.exists() else "give that one"
        raise WrongKeyError(f"{mixed} was mixed with key {run.get('key')}, not with {key.id}; {what}")
    if run.get("profile") != profile.model_dump(mode="json"):
        raise OutputError(f"{index} is the index of another run than {mixed}, or its profile was changed; give its own")
    options = from_json(run, profile)
    mixer = Mixer(source, options, key)
    then, now = str(run.get("inputs")), fingerprint(source, mixer.items)
    if now != then:
        raise ParameterError(
            f"{mixed} was not mixed from these images, or they have changed since (names, sizes or times): "
            f"{then.partition(',')[0]} then, {now.partition(',')[0]} now; give the folder that was mixed"
        )
    return mixer, {target.id: target for target in mixer.targets}


def _run_key(index: Path, resume: bool) -> SecretKey:
    """The run's own key: from the index where an earlier sitting left one, else a new one."""
    if (index / RUN_KEY).exists():
        return load_keyset(index / RUN_KEY).primary
    if resume and (index / "job.json").exists():
        raise OutputError(f"the run of {index} was begun with a key of yours; give the same --key to resume it")
    return SecretKey.generate()


def _keep(key: SecretKey, path: Path) -> None:
    """Writes the run's key whole or not at all; another run may have begun and died here since ours was chosen.

    Raises:
        OutputError: the key that lies there is another.
    """
    if path.exists():
        if load_keyset(path).primary != key:
            raise OutputError(f"another run has just left its key in {path.parent}; run the command again")
        return
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    create_keyfile(temporary, Keyset.new(key, label="mixing run"))
    temporary.replace(path)


def _worker(mixer: Mixer, profile: Profile) -> Callable[[Task], tuple[bytes, Made]]:
    def work(task: Task) -> tuple[bytes, Made]:
        target: Target = task.payload
        mixture = mixer.make(target)
        try:
            encoded = encode_image(mixture.pixels, profile.codec)
        except ParameterError as error:  # more pixels a side than the format can hold
            raise ImageError(f"{target.item.path}: {error}") from None
        record = ImageRecord(
            file=task.file,
            id=target.id,
            view=target.view,
            split=target.item.split or "",
            class_name=target.item.label or "",
            path=target.item.path,
            height=mixer.size[0],
            width=mixer.size[1],
            bytes=len(encoded),
            mixture=json.dumps({"own": mixture.weights[0], "classes": _class_weights(target, mixture)}),
        )
        return encoded, Batch([record], mixture.unreadable, len(encoded)) if mixture.unreadable else record

    return work


def _class_weights(target: Target, mixture: Mixture) -> dict[str, float]:
    """Class name -> its part of the mixed image's label."""
    weights: dict[str, float] = {}
    for item, weight in zip([target.item, *mixture.donors], mixture.weights, strict=True):
        if weight and item.label is not None:
            weights[item.label] = weights.get(item.label, 0.0) + weight
    return weights
