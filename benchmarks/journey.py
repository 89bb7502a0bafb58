"""The whole journey on real data: protect, train, evaluate, reveal; plain against protected, right key against wrong.

    python benchmarks/prepare.py cifar10 --source DATA --out .work/cifar10.npz
    python benchmarks/journey.py cifar10 --data .work/cifar10.npz --work .work/journey --out results
    python benchmarks/prepare.py caltech101 --source DATA --out .work/caltech101
    python benchmarks/journey.py caltech101 --data .work/caltech101 --work .work/journey --out results

Every step is the blindsight command that a user would type; it is logged, and one that is done already is not repeated,
so an interrupted journey goes on where it stopped. Writes OUT/journey-SET.json and OUT/journey-SET.png, and prints the
table that stands in results/journey.md.
"""

import argparse
import csv
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

WRONG_KEYS = 5
WRONG_KEY_IMAGES = 2000


@dataclass(frozen=True)
class Journey:
    """Protections (options of ``protect``; None is plain) and models (options of ``train``) of one data set."""

    protections: dict[str, str | None]
    models: dict[str, str]
    common: str = ""
    views_from: str = field(default="etc")


ONE_CYCLE = "--sched onecycle --lr 0.01 --weight-decay 0.01 --opt-eps 0.001"
JOURNEYS = {
    "cifar10": Journey(
        protections={"plain": None, "etc": "--scheme etc --block-size 4", "shf": "--scheme shf --block-size 4"},
        models={
            "convmixer_128_4_patch4_32": f"--epochs 6 {ONE_CYCLE}",
            "vit_micro_patch4_32": "--epochs 3 --lr 0.001 --warmup-epochs 0.5",
        },
        common="--batch-size 128 --holdout 0.1 --seed 1",
    ),
    # Views are drawn by the owner before encryption; the plain baseline learns from the same views, revealed.
    "caltech101": Journey(
        protections={
            "plain": None,
            "etc": "--scheme etc --block-size 16 --size 224 --format jpeg --quality 80 --subsampling 4:4:4 --views 6",
        },
        models={
            "convmixer_128_4_patch16_224": f"--epochs 6 {ONE_CYCLE}",
            "vit_micro_patch16_224": "--epochs 4 --lr 0.001 --warmup-epochs 0.5",
        },
        common="--batch-size 64 --holdout 0 --seed 1",
    ),
}


def blindsight(*arguments: str | Path) -> str:
    """Runs a command as a user would; returns what it printed."""
    command = [sys.executable, "-m", "blindsight", *map(str, arguments)]
    print("$ blindsight", *arguments, file=sys.stderr, flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"exit status {done.returncode}")
    return done.stdout


def protect_all(journey: Journey, data: Path, work: Path) -> dict[str, Path]:
    """Protected folders by name; the plain one is what ``reveal`` gives back from the first protected one."""
    key = work / "owner.key"
    if not key.exists():
        blindsight("key", "new", key)
    folders = {}
    for name, options in journey.protections.items():
        folders[name] = work / name
        if options is not None and not (folders[name] / "profile.json").exists():
            resume = ["--resume"] if folders[name].exists() else []
            blindsight("protect", data, folders[name], "--key", key, *options.split(), *resume)
    plain = folders["plain"]
    if not plain.exists() or (plain / ".incomplete").exists():
        resume = ["--resume"] if plain.exists() else []
        blindsight("reveal", folders[journey.views_from], plain, "--key", key, *resume)
    return folders


def wrong_keys(run: Path, plain_test: Path) -> list[float]:
    """Top-1 of a run on test images that were encrypted with other keys than its own, fixed for reproduction."""
    import numpy as np

    from blindsight.demo.journey import top1_under_key
    from blindsight.images import read_image
    from blindsight.nets.runs import load_run
    from blindsight.owner.keys import SecretKey
    from blindsight.owner.protect import fitted

    loaded = load_run(run)
    files = sorted(plain_test.rglob("*.png"))
    chosen = np.random.default_rng(0).permutation(len(files))[:WRONG_KEY_IMAGES]
    classes = {name: k for k, name in enumerate(loaded.profile.classes)}
    labels = np.array([classes[files[i].parent.name] for i in chosen])
    images = [fitted(read_image(files[i], channels=loaded.profile.channels), loaded.profile) for i in chosen]
    keys = [SecretKey(number.to_bytes(32, "big")) for number in range(WRONG_KEYS)]
    return [top1_under_key(loaded, images, labels, key) for key in keys]


def curves(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def travel(journey: Journey, data: Path, work: Path) -> list[dict[str, object]]:
    folders = protect_all(journey, data, work)
    rows = []
    for model, recipe in journey.models.items():
        for name, folder in folders.items():
            run = work / "runs" / f"{model}-{name}"
            options = f"--model {model} {recipe} {journey.common}"
            if not (run / "model.safetensors").exists():
                resume = ["--resume"] if (run / "recipe.json").exists() else []
                blindsight("train", folder, "--out", run, *options.split(), *resume)
            result = json.loads(blindsight("evaluate", run, folder, "--split", "test", "--json"))
            recipe_file = json.loads((run / "recipe.json").read_text())
            rows.append(
                {
                    "model": model,
                    "protection": name,
                    "protect": journey.protections[name],
                    "train": options,
                    "top1": result["top1"],
                    "interval": result["top1_interval"],
                    "test_images": result["n"],
                    "chance": result["chance"],
                    "wrong_keys": [] if name == "plain" else wrong_keys(run, folders["plain"] / "test"),
                    "run": {k: v for k, v in recipe_file.items() if k != "config"},
                    "curves": curves(run),
                }
            )
            print(f"{model} {name}: {100 * result['top1']:.2f} %", file=sys.stderr, flush=True)
    return rows


def plot(rows: list[dict[str, object]], title: str, path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    models = list(dict.fromkeys(str(row["model"]) for row in rows))
    figure, axes = plt.subplots(1, len(models), figsize=(5.2 * len(models), 3.8), squeeze=False, sharey=True)
    colors = {"plain": "#444444", "etc": "#c2410c", "shf": "#0369a1"}
    for axis, model in zip(axes[0], models, strict=True):
        for row in rows:
            if row["model"] != model:
                continue
            points = [(int(p["epoch"]), float(p["train_loss"])) for p in row["curves"] if p.get("train_loss")]
            label = f"{row['protection']}: {100 * row['top1']:.1f} % on test images"
            axis.plot(*zip(*points, strict=True), marker="o", ms=3, color=colors[row["protection"]], label=label)
        axis.set(title=model, xlabel="epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
        axis.legend(frameon=False)
    axes[0][0].set_ylabel("training loss")
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def table(rows: list[dict[str, object]]) -> str:
    """Markdown: accuracy with its 95 % interval, the gap to plain, wrong keys, and what the training took."""
    plain = {row["model"]: row["top1"] for row in rows if row["protection"] == "plain"}
    lines = [
        "| model | images | top-1 | 95 % interval | gap | wrong keys | epochs | CPU min |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        interval = " to ".join(f"{100 * bound:.1f}" for bound in row["interval"])
        gap = "" if row["protection"] == "plain" else f"{100 * (plain[row['model']] - row['top1']):.1f}"
        wrong = f"{100 * sum(row['wrong_keys']) / WRONG_KEYS:.1f} %" if row["wrong_keys"] else ""
        result = row["run"]["result"]
        cells = [
            f"`{row['model']}`",
            row["protection"],
            f"{100 * row['top1']:.1f} %",
            interval,
            gap,
            wrong,
            result["epochs"],
            f"{result['cpu_seconds'] / 60:.1f}",
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=sorted(JOURNEYS))
    parser.add_argument("--data", type=Path, required=True, help="npz or folder that prepare.py wrote")
    parser.add_argument("--work", type=Path, default=Path(".work/journey"), help="where images and runs go")
    parser.add_argument("--out", type=Path, default=Path("results"), help="where the results go")
    arguments = parser.parse_args()
    work = arguments.work / arguments.set
    work.mkdir(parents=True, exist_ok=True)
    rows = travel(JOURNEYS[arguments.set], arguments.data, work)
    command = f"python benchmarks/journey.py {arguments.set} --data {arguments.data.name}"
    result = {"command": command, "rows": rows}
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / f"journey-{arguments.set}.json").write_text(json.dumps(result, indent=1) + "\n")
    print(table(rows))
    plot(rows, f"{arguments.set}: plain against protected", arguments.out / f"journey-{arguments.set}.png")


if __name__ == "__main__":
    main()
