"""How sure a difference between two arms of benchmarks/pbm.py is: the test images are the same, so they are paired.

The runs are asked again for their answer to every test image. An interval is over what other test images and other
seeds would give: images and, within each arm, seeds are drawn with replacement, 10,000 times.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pbm_report import Line, groups, name_of

DRAWS = 10_000


def right_answers(run: Path, data: Path) -> NDArray[np.bool_]:
    """Which test images of a plain folder a run classifies rightly: (N,), in the order of their paths; kept in RUN."""
    kept = run / "answers.npy"
    if kept.exists():
        stored: NDArray[np.bool_] = np.load(kept, allow_pickle=False)
        return stored
    from blindsight.nets.runs import load_run
    from blindsight.provider.data import ProtectedFolder
    from blindsight.provider.folders import DataFolder
    from blindsight.provider.prediction import predict

    loaded = load_run(run)
    folder = DataFolder.open(data, classes=loaded.profile.classes)
    files, labels = folder.files("test", loaded.profile.classes)
    profile = folder.profile.model_copy(update={"size": loaded.size, "fit": "resize"})
    images = ProtectedFolder(files, labels, profile, loaded.size, threads=1)
    pixels = np.stack([images.read(index) for index in range(len(images))])
    answers: NDArray[np.bool_] = predict(loaded, pixels).argmax(1) == np.asarray(labels)
    np.save(kept, answers)
    return answers


def interval(a: NDArray[np.bool_], b: NDArray[np.bool_], draws: int = DRAWS) -> tuple[float, float, float]:
    """Difference of the accuracies of two arms, and its 95 % bootstrap interval.

    Args:
        a, b: right or wrong, (seeds, N) each; column i is the same test image in both.
        draws: of images and seeds.

    Returns:
        mean(a) - mean(b), and the interval's ends.
    """
    rng = np.random.default_rng(0)
    found = np.empty(draws)
    for k in range(draws):
        images = rng.integers(0, a.shape[1], a.shape[1])
        # An image's weight is the same in both arms; the seeds of each are drawn on their own.
        means = [arm[rng.integers(0, len(arm), len(arm))].mean(0)[images].mean() for arm in (a, b)]
        found[k] = means[0] - means[1]
    low, high = np.quantile(found, (0.025, 0.975))
    return float(a.mean() - b.mean()), float(low), float(high)


def compare(lines: list[Line], work: Path, data: Path) -> list[dict[str, Any]]:
    """Every mixed arm against plain images of the same augmentation, and augmentation against none, in points."""
    found = groups(lines)
    answers = {
        key: np.stack([right_answers(work / "runs" / line["name"], data / line["task"]) for line in seeds])
        for key, seeds in found.items()
    }
    rows = []
    for key in found:
        part, task, model, method, blocks, augmented = key
        others = []
        if method != "plain":
            others.append((part, task, model, "plain", None, augmented))
        if augmented:
            others.append((part, task, model, method, blocks, False))
        for other in others:
            if other in answers and answers[other].shape[0] == answers[key].shape[0]:
                points = [round(100 * value, 2) for value in interval(answers[key], answers[other])]
                names = [name_of(k[3], k[5]) + (f", N_b = {k[4]}" if k[4] else "") for k in (key, other)]
                rows.append({"part": part, "task": task, "model": model, "arm": names[0], "against": names[1]})
                rows[-1] |= {"difference": points[0], "interval": points[1:]}
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: a comparison a row, in percentage points."""
    lines = ["| task | model | arm | against | difference | 95 % interval |", "| --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        low, high = row["interval"]
        cells = [row["task"], f"`{row['model']}`", row["arm"], row["against"], f"{row['difference']:+.1f}"]
        lines.append("| " + " | ".join([*cells, f"{low:+.1f} to {high:+.1f}"]) + " |")
    return "\n".join(lines)
