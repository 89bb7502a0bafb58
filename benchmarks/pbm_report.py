"""Tables and figures of benchmarks/pbm.py: what stands in results/pbm.md.

Pictures of mixed images are made from scikit-learn's bundled photographs only; the faces are not ours to publish.
"""

import json
import math
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Line = dict[str, Any]
#: Share of the largest class among the test images: what always giving one answer scores.
MAJORITY = {"gender": 150 / 300, "race": 129 / 286}
CROPS, CROP_SIDE = 16, 240
SHOWN = (("china", 2), ("china", 13), ("flower", 3))


def summary(values: list[float]) -> tuple[float, float | None]:
    """Mean and standard deviation (n - 1) of the seeds; no deviation of a single one."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


def groups(lines: Iterable[Line]) -> dict[tuple[Any, ...], list[Line]]:
    """Lines by (part, task, model, method, N_b, augmented): the seeds of one arm together, plain ones first."""
    found: dict[tuple[Any, ...], list[Line]] = {}
    for line in lines:
        key = tuple(line[k] for k in ("part", "task", "model", "method", "blocks", "augmented"))
        found.setdefault(key, []).append(line)

    def order(key: tuple[Any, ...]) -> tuple[Any, ...]:
        part, task, model, method, blocks, augmented = key
        return part, task, model, method != "plain", method, blocks or 0, augmented

    return {key: sorted(found[key], key=lambda line: line["seed"]) for key in sorted(found, key=order)}


def table(lines: Iterable[Line], part: str) -> str:
    """Markdown: an arm a row; for three seeds mean and deviation, for one its Wilson interval."""
    rows = [
        "| task | model | images | N_b | top-1, % | seeds, or 95 % interval of one | below plain | steps | CPU s |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    found = groups(line for line in lines if line["part"] == part)
    for (_, task, model, method, blocks, augmented), seeds in found.items():
        mean, deviation = summary([line["top1"] for line in seeds])
        cells = [task, f"`{model}`", name_of(method, augmented), blocks or ""]
        cells.append(f"{100 * mean:.1f}" + (f" ± {100 * deviation:.1f}" if deviation is not None else ""))
        if deviation is None:
            cells.append(" to ".join(f"{100 * bound:.1f}" for bound in seeds[0]["interval"]))
        else:
            cells.append(", ".join(f"{100 * line['top1']:.1f}" for line in seeds))
        # Augmented arms are compared with the augmented plain one: what mixing costs, not what augmentation gives.
        base = found.get((part, task, model, "plain", None, augmented)) or found.get(
            (part, task, model, "plain", None, False)
        )
        gap = summary([line["top1"] for line in base])[0] - mean if base and base is not seeds else None
        cells.append("" if gap is None else f"{100 * gap:.1f}")
        cells += [seeds[0]["steps"], f"{statistics.fmean(line['cpu_seconds'] for line in seeds):.0f}"]
        rows.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(rows)


def name_of(method: str, augmented: bool) -> str:
    words = {"plain": "plain", "pbm": "mixed"}.get(method, method)
    return f"{words} + augmented" if augmented else words


def write_tables(lines: list[Line], results: Path) -> str:
    """Writes pbm-PART.json for each part and the figures; returns the tables."""
    results.mkdir(parents=True, exist_ok=True)
    texts = []
    for part in dict.fromkeys(line["part"] for line in lines):
        of_part = sorted((line for line in lines if line["part"] == part), key=lambda line: line["name"])
        text = "[\n" + ",\n".join(json.dumps(line) for line in of_part) + "\n]\n"
        (results / f"pbm-{part}.json").write_text(text)
        texts.append(f"{part}\n\n{table(of_part, part)}")
    if any(line["part"] == "grid" for line in lines):
        plot([line for line in lines if line["part"] == "grid"], results / "pbm-accuracy")
    return "\n\n".join(texts)


def _pyplot() -> Any:
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "pbm"  # the same file from the same numbers
    import matplotlib.pyplot as plt

    return plt


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path.with_suffix(".png"), dpi=130)
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})


def plot(lines: list[Line], path: Path) -> None:
    """Accuracy against N_b, a panel a task: mean and deviation of the seeds; plain and majority as lines."""
    plt = _pyplot()
    tasks = list(dict.fromkeys(line["task"] for line in sorted(lines, key=lambda line: line["task"])))
    figure, axes = plt.subplots(1, len(tasks), figsize=(5.4 * len(tasks), 4.2), squeeze=False)
    colors = {False: "#0369a1", True: "#c2410c"}
    for axis, task in zip(axes[0], tasks, strict=True):
        found = groups(line for line in lines if line["task"] == task)
        mixed_blocks = sorted({key[4] for key in found if key[3] == "pbm"})
        for augmented, color in colors.items():
            points = []
            for (_, _, _, method, blocks, with_augmentation), seeds in found.items():
                if with_augmentation != augmented:
                    continue
                mean, deviation = summary([100 * line["top1"] for line in seeds])
                if method == "plain":
                    label = f"{name_of(method, augmented)}: {mean:.1f} %"
                    axis.axhline(mean, color=color, ls="--", lw=1.2, label=label)
                    axis.axhspan(mean - (deviation or 0), mean + (deviation or 0), color=color, alpha=0.12, lw=0)
                else:
                    points.append((math.log2(blocks) + (0.05 if augmented else -0.05), mean, deviation or 0))
            if points:
                x, y, bars = zip(*points, strict=True)
                axis.errorbar(x, y, bars, color=color, marker="o", capsize=3, label=name_of("pbm", augmented))
        axis.axhline(100 * MAJORITY[task], color="#777777", ls=":", label=f"one answer: {100 * MAJORITY[task]:.1f} %")
        axis.set_xticks([math.log2(blocks) for blocks in mixed_blocks], [str(blocks) for blocks in mixed_blocks])
        count = next(line["n"] for line in lines if line["task"] == task)
        axis.set(title=f"UTKFace {task}", xlabel="number of blocks $N_b$", ylabel=f"top-1 on {count} plain images, %")
        axis.grid(alpha=0.3)
        axis.legend(frameon=False, fontsize=8, loc="best")
    figure.tight_layout()
    _save(figure, path)
    plt.close(figure)


def crops(photo: NDArray[np.uint8], count: int, side: int) -> list[NDArray[np.uint8]]:
    """``count`` squares of a photograph uint8 (H, W, 3), spread evenly along its width and in two rows or more."""
    height, width = photo.shape[:2]
    rows = 2
    columns = -(-count // rows)
    tops = np.linspace(0, height - side, rows).round().astype(int)
    lefts = np.linspace(0, width - side, columns).round().astype(int)
    return [photo[top : top + side, left : left + side] for top in tops for left in lefts][:count]


def write_pictures(work: Path, results: Path, call: Callable[..., str], blocks: dict[int, str]) -> None:
    """Crops of two photographs as two classes, mixed by the command at each N_b; writes pbm-mixed.png."""
    from sklearn.datasets import load_sample_image

    source = work / "photos"
    for name in ("china", "flower"):
        (source / name).mkdir(parents=True, exist_ok=True)
        for number, crop in enumerate(crops(load_sample_image(f"{name}.jpg"), CROPS, CROP_SIDE)):
            Image.fromarray(crop).save(source / name / f"{number:02d}.png")
    key = work / "key.bin"
    if not key.exists():
        call("key", "new", key)
    for count, block in blocks.items():
        out = work / f"mixed-{count}"
        if not (out / "profile.json").exists():
            options = f"--size 192 --block {block} --sources 10 --probability 0.5"
            call("mix", source, out, "--key", key, *options.split())
    _sheet(work, results / "pbm-mixed.png", key, blocks)


def _sheet(work: Path, path: Path, key: Path, blocks: dict[int, str]) -> None:
    """A row a crop: plain, and then mixed at each N_b."""
    from blindsight.owner.keyfile import load_keyset
    from blindsight.owner.mixing import open_mixer
    from blindsight.owner.sources import open_source

    plt = _pyplot()
    source, secret = open_source(work / "photos"), load_keyset(key).primary
    shown = [f"{name}/{number:02d}.png" for name, number in SHOWN]
    figure, axes = plt.subplots(len(shown), 1 + len(blocks), figsize=(2 * (1 + len(blocks)), 2.12 * len(shown)))
    for row, crop in zip(axes, shown, strict=True):
        row[0].imshow(np.asarray(Image.open(work / "photos" / crop).resize((192, 192), Image.Resampling.BICUBIC)))
    for column, (count, block) in enumerate(blocks.items(), 1):
        mixed = work / f"mixed-{count}"
        ids = {target.item.path: target.id for target in open_mixer(source, mixed, key=secret)[0].targets}
        for row, crop in zip(axes, shown, strict=True):
            row[column].imshow(np.asarray(Image.open(mixed / Path(crop).parent / f"{ids[crop]}.png")))
        axes[0][column].set_title(f"$N_b$ = {count}, blocks of {block}", fontsize=9)
    axes[0][0].set_title("plain, 192x192", fontsize=9)
    for axis in axes.flat:
        axis.axis("off")
    figure.tight_layout(pad=0.4)
    figure.savefig(path, dpi=90)
    plt.close(figure)
