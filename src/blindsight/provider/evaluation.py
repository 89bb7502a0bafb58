"""Accuracy of a run on a data folder, with what a careful reader asks for besides."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from blindsight.errors import IncompatibleModelError, ParameterError, ProfileMismatchError
from blindsight.nets.runs import Run, load_run
from blindsight.profile import Profile
from blindsight.provider.batches import EpochBatches, TensorLoader
from blindsight.provider.data import ProtectedFolder
from blindsight.provider.folders import DataFolder
from blindsight.provider.prediction import logits_of, pick_device

__all__ = ["evaluate", "require_suitable", "summarise", "wilson_interval"]


def require_suitable(run: Profile, data: Profile) -> None:
    """Refuses data that a model was not made for.

    A model trained on enciphered images takes images of the same scheme, parameters and key only; one trained on
    mixed images takes plain ones too, which is what mixing is for; one trained on plain images takes plain ones.

    Raises:
        ProfileMismatchError: naming the first difference.
    """
    if data.kind == "plain" and run.kind in ("plain", "mix"):
        # Plain images of any channels and size are brought to what the model takes.
        return
    run.require_same_protection(data, "the model", "the data set")
    if run.kind == "mix":
        return  # mixed images may be resized
    if run.size is not None and data.size is not None and run.size != data.size:
        raise ProfileMismatchError(
            f"the model takes images of {run.size[0]}x{run.size[1]} and the data set has "
            f"{data.size[0]}x{data.size[1]}; protect it with --size {run.size[0]}x{run.size[1]}"
        )


def evaluate(
    run: Run | Path,
    data: Path,
    *,
    split: str | None = None,
    names: Mapping[str, str] | None = None,
    batch_size: int = 256,
    device: str | None = None,
    cache: str = "auto",
    threads: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Measures a run on labelled images.

    On a set with soft labels everything counts against the heaviest class of each image.

    Args:
        run: a run, or its folder.
        data: a folder with the run's protection; a plain one for runs on plain or mixed images. Classes are matched by
            id, so it may hold fewer classes than the model knows, but none that it does not.
        split: which sub-folder; None is ``test``, else ``val``, else the folder itself where it has no splits.
        names: class id -> name, from whoever knows what opaque ids mean. The classes of plain data are matched by it,
            and it is told in the result.
        batch_size: images at a time.
        device: e.g. ``cuda:0``; None takes the best there is.
        cache: see :class:`~blindsight.provider.data.ProtectedFolder`.
        threads: decoding threads.
        progress: called with (what, done, total).

    Returns:
        See :func:`summarise`; besides, ``model``, ``split`` and ``kind`` of the data, and with ``names`` the ``name``
        of each class.

    Raises:
        ProfileMismatchError: the data has another protection, key or classes than the model.
        CorruptDataError: the run or an image is damaged, or the weights give no finite numbers.
        ParameterError: there is no such split, or the names are those of other classes.
    """
    run = run if isinstance(run, Run) else load_run(run)
    classes = run.profile.classes
    named = _named(classes, names) if names is not None else classes
    folder = DataFolder.open(Path(data), classes=named)
    require_suitable(run.profile, folder.profile)
    if folder.profile.kind == "plain":
        classes = named
    if split is None and folder.splits:
        split = next((name for name in ("test", "val") if name in folder.splits), None)
        if split is None:
            if run.profile.kind == "mix" and folder.profile.kind == "mix":
                raise ParameterError(
                    f"{data} is mixed, and a run on mixed images is measured on plain ones; give a plain folder with a "
                    f"test split"
                )
            raise ParameterError(f"{data} has only a train split; give --split train to evaluate on it")
    if split is not None and not folder.splits:
        raise ParameterError(
            f"{data} has no splits, so it has no '{split}'; leave --split out to measure on all of it, "
            f"which counts training images too where the run was trained on it"
        )
    chosen = folder.default_split(split) if split and folder.splits else None
    try:
        files, labels = folder.files(chosen, classes)
    except ProfileMismatchError as error:
        if names is None and run.profile.opaque_classes and folder.profile.kind == "plain":
            raise ProfileMismatchError(
                f"{error}; the model's classes are opaque ids, and the owner's --index says what they mean"
            ) from None
        raise
    soft = folder.soft_labels(chosen)
    if soft is not None:
        labels = [classes.index(folder.profile.classes[k]) for k in soft.argmax(1)]
    profile = folder.profile
    if profile.kind == "plain":
        fitting = {"size": run.size, "fit": run.profile.fit or "resize"}
        profile = profile.model_copy(update={**fitting, "channels": run.profile.channels})
    elif profile.kind == "cipher" and profile.block_size and any(side % profile.block_size for side in run.size):
        raise IncompatibleModelError(f"the model's images of {run.size} are no whole number of blocks")
    images = ProtectedFolder(files, labels, profile, run.size, cache=cache, threads=threads, progress=progress)
    where = pick_device(device)
    run.model.to(where).eval()
    batches = EpochBatches(len(images), batch_size, shuffle=False)
    if images.images is not None:
        loader: Any = TensorLoader(images.images, images.labels, batches)
    else:
        loader = torch.utils.data.DataLoader(images, batch_sampler=batches, num_workers=threads or 0)  # type: ignore[arg-type]
    logits, done = [], 0
    for batch, _ in loader:
        logits.append(logits_of(run, batch.to(where)))
        done += len(batch)
        if progress:
            progress("evaluating", done, len(images))
    summary = summarise(torch.cat(logits).numpy(), np.asarray(labels), run.profile.classes)
    if names is not None:
        summary["classes"] = [{**row, "name": name} for row, name in zip(summary["classes"], named, strict=True)]
    return {"model": run.config["architecture"], "split": chosen, "kind": profile.kind, **summary}


def _named(classes: tuple[str, ...], names: Mapping[str, str]) -> tuple[str, ...]:
    """The classes by name, in their order.

    Raises:
        ParameterError: a class has no name: the index is that of another data set.
    """
    missing = [name for name in classes if name not in names]
    if missing:
        raise ParameterError(
            f"the index does not know the model's class {missing[0]}; give the index of the set that the model was "
            f"trained on (by default the protected or mixed folder + .owner)"
        )
    return tuple(names[name] for name in classes)


def summarise(logits: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> dict[str, Any]:
    """Accuracy, confusion and per-class numbers as JSON values.

    Args:
        logits: (N, K) floats.
        labels: (N,) class indices.
        classes: K class ids.

    Returns:
        ``n``, ``top1``, ``top1_interval`` (95 %, Wilson), ``top5`` (None below six classes), ``loss`` (mean
        cross-entropy), ``chance`` (1 / K), ``confusion`` (rows true, columns predicted) and ``classes``: for each, its
        id, ``support``, ``recall`` (the accuracy on it; None without support) and ``precision``.
    """
    count, number = logits.shape
    predicted = logits.argmax(1)
    confusion = np.zeros((number, number), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    right = int(np.trace(confusion))
    own = logits[np.arange(count), labels]
    # The rank counts equal logits against the model, so that constant outputs score nothing.
    rank = (logits >= own[:, None]).sum(1) - 1
    shifted = logits - logits.max(1, keepdims=True)
    loss = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(count), labels]
    support, chosen = confusion.sum(1), confusion.sum(0)
    return {
        "n": count,
        "top1": right / count,
        "top1_interval": wilson_interval(right, count),
        "top5": float((rank < 5).mean()) if number > 5 else None,
        "loss": float(loss.mean()),
        "chance": 1 / number,
        "confusion": confusion.tolist(),
        "classes": [
            {
                "id": name,
                "support": int(support[k]),
                "recall": float(confusion[k, k] / support[k]) if support[k] else None,
                "precision": float(confusion[k, k] / chosen[k]) if chosen[k] else None,
            }
            for k, name in enumerate(classes)
        ],
    }


def wilson_interval(right: int, count: int, z: float = 1.959964) -> list[float]:
    """Wilson's score interval for a proportion (E. B. Wilson, JASA 1927); 95 % by default.

    Args:
        right: successes.
        count: trials, at least 1.
        z: quantile of the normal distribution.
    """
    p = right / count
    centre = p + z * z / (2 * count)
    half = z * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return [max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)]
