"""Label-based pixel block mixing: what it costs in accuracy, against the number of blocks; see results/pbm.md.

    python benchmarks/prepare.py utkface --label gender --source ARCHIVES --out DATA/gender
    python benchmarks/prepare.py utkface --label race   --source ARCHIVES --out DATA/race
    python benchmarks/pbm.py run --data DATA --out WORK [--part grid|named|isotropic|neighbours] [--task gender|race]
    python benchmarks/pbm.py table --out WORK --results results
    python benchmarks/pbm.py paired --data DATA --out WORK --results results
    python benchmarks/pbm.py pictures --out WORK --results results

``run`` gives every step as the blindsight command that a user would type, two at a time. What is done is not repeated
and a training that was cut off goes on, so an interrupted run is started again as it was. Each finished run is a line
of WORK/runs.jsonl. ``table``, ``paired`` (intervals of differences) and ``pictures`` write what results/pbm.md shows.

All arms of one network take the same number of steps: an augmented set has four times the images, so it gets a quarter
of the epochs. Nothing is chosen on the test images: no part is held out and the last epoch counts.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from pbm_plan import BLOCKS, TASKS, Network, Run, mix_options, plan

from blindsight.provider.recipes import recipe_file


class Bench:
    """Runs commands for a plan: in ``work`` the keys, the mixed images, the run folders and runs.jsonl.

    Args:
        data: holds a folder for each task, train|test/<class>/<picture>.
        work: where everything goes; made where it is missing.
        call: runs a blindsight command and returns what it printed; raises RuntimeError where it fails.
    """

    def __init__(self, data: Path, work: Path, call: Callable[..., str] | None = None) -> None:
        self.data, self.work = data, work
        self.call = call or blindsight
        self.lines = work / "runs.jsonl"
        self._folders = threading.Lock()  # only training is worth doing two at a time
        work.mkdir(parents=True, exist_ok=True)

    def done(self) -> set[str]:
        return {line["name"] for line in read_lines(self.lines)}

    def run(self, runs: Iterable[Run], jobs: int) -> int:
        """Does what is not done yet, ``jobs`` at a time; returns how many failed, after a line on each."""
        done, failed = self.done(), 0
        todo = [run for run in runs if run.name not in done]
        with ThreadPoolExecutor(jobs) as pool:
            futures: dict[Future[dict[str, Any]], Run] = {pool.submit(self.one, run): run for run in todo}
            try:
                for number, future in enumerate(as_completed(futures), 1):
                    failed += self._report(future, futures[future], f"{number}/{len(todo)}")
            except KeyboardInterrupt:
                pool.shutdown(cancel_futures=True)
                raise
        return failed

    def _report(self, future: "Future[dict[str, Any]]", run: Run, place: str) -> bool:
        """Writes the line of a finished run, or says why there is none; True where there is none."""
        clock = time.strftime("%H:%M:%S")
        try:
            line = future.result()
        except (RuntimeError, OSError, KeyError, ValueError) as error:
            print(f"{clock} {place} {run.name} FAILED: {error}", flush=True)
            return True
        with self.lines.open("a") as file:
            file.write(json.dumps(line) + "\n")
        low, high = line["interval"]
        accuracy = f"{100 * line['top1']:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
        print(f"{clock} {place} {run.name}: {accuracy}, {line['cpu_seconds']:.0f} CPU s", flush=True)
        return False

    def one(self, run: Run) -> dict[str, Any]:
        """A run from its images to its line."""
        with self._folders:
            images, commands = self.images(run)
        folder = self.work / "runs" / run.name
        side, model = run.network.side, run.network.model
        train = f"--model {model} --img-size {side} {self.options(run.network)} --epochs {run.epochs}"
        train += f" --holdout 0 --seed {run.seed} --threads 1"
        if not (folder / "model.safetensors").exists() or (folder / ".incomplete").exists():
            resume = ["--resume"] if (folder / "recipe.json").exists() else []
            self.call("train", images, "--out", folder, *train.split(), *resume)
        test = ["--split", "test", "--threads", "1", "--json"]
        result = json.loads(self.call("evaluate", folder, self.data / run.task, *test))
        recipe = json.loads((folder / "recipe.json").read_text())
        train = train.replace(str(self.work), "WORK")
        commands = [*commands, f"blindsight train {self._short(images)} --out RUN {train}"]
        return line_of(run, commands, recipe, result)

    def options(self, network: Network) -> str:
        """The network's options of ``train``, after writing the recipe file that its ``model_args`` need."""
        if not network.model_args:
            return network.options
        words = network.options.split()
        place = words.index("--recipe") + 1
        named = recipe_file(words[place])
        assert named is not None, words[place]
        changed = {**json.loads(named.read_text())["config"], "model_args": dict(network.model_args)}
        file = self.work / f"{named.stem}-changed.json"
        file.write_text(json.dumps(changed, indent=2) + "\n")
        return " ".join([*words[:place], str(file), *words[place + 1 :]])

    def images(self, run: Run) -> tuple[Path, list[str]]:
        """The training images of a run, made where they are missing, and the commands that make them."""
        folder, commands = self.data / run.task, []
        # Plain images are brought to their size before they are augmented, as mixed ones are, by a mixing of nothing.
        if run.method != "plain" or run.augmented:
            options = f"--size {run.network.side} " + mix_options(run)
            key, mixed = self.work / f"key-{run.seed}.bin", self.work / "images" / run.images
            if not key.exists():
                self.call("key", "new", key)
            self._make("mix", folder, mixed, "--key", key, *options.split())
            commands.append(f"blindsight mix {self._short(folder)} {self._short(mixed)} --key KEY {options}")
            folder = mixed
        if run.augmented:
            options = "--recipe pbm"
            augmented = self.work / "images" / f"{run.images}-x4"
            self._make("augment", folder, augmented, *options.split())
            commands.append(f"blindsight augment {self._short(folder)} {self._short(augmented)} {options}")
            folder = augmented
        return folder, commands

    def _make(self, command: str, source: Path, out: Path, *options: str | Path) -> None:
        if not (out / "profile.json").exists() or (out / ".incomplete").exists():
            self.call(command, source, out, *options, *(["--resume"] if out.exists() else []))

    def _short(self, path: Path) -> str:
        """A path for the results: what lies above DATA and WORK is nobody's business."""
        for name, top in (("DATA", self.data), ("WORK", self.work)):
            if path.is_relative_to(top):
                return f"{name}/{path.relative_to(top).as_posix()}"
        return path.name


def line_of(run: Run, commands: list[str], recipe: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a run, from the run's recipe.json and what ``evaluate`` printed."""
    trained, config = recipe["result"], recipe["config"]
    return {
        "name": run.name,
        **{"part": run.part, "task": run.task, "model": run.network.model, "arm": run.arm, "method": run.method},
        **{"blocks": run.blocks, "augmented": run.augmented, "seed": run.seed, "size": run.network.side},
        "commands": commands,
        "steps": run.epochs * max(1, trained["train_images"] // config["batch_size"]),
        **{key: trained[key] for key in ("train_images", "parameters", "train_loss", "precision", "cpu_seconds")},
        **{key: result[key] for key in ("n", "top1", "loss", "confusion")},
        "interval": result["top1_interval"],
        **{key: recipe[key] for key in ("config", "versions", "machine")},
    }


def blindsight(*arguments: str | Path) -> str:
    """Runs a command as a user would, on one thread; returns what it printed."""
    command = [sys.executable, "-m", "blindsight", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        said = " ".join(done.stderr.split())[-600:]
        raise RuntimeError(f"blindsight {arguments[0]}: exit status {done.returncode}: {said}")
    return done.stdout


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of runs.jsonl; none where there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "table", "paired", "pictures"))
    parser.add_argument("--data", type=Path, help="run, paired: folder with gender/ and race/, from prepare.py")
    parser.add_argument("--out", type=Path, default=Path(".work/pbm"), help="where images and runs go")
    parser.add_argument("--results", type=Path, default=Path("results"), help="where tables and figures go")
    parser.add_argument("--part", choices=("grid", "named", "isotropic", "neighbours"), default="grid")
    parser.add_argument("--task", choices=TASKS, help="one task only")
    parser.add_argument("--seeds", type=int, default=3, help="the first so many seeds only")
    parser.add_argument("--arms", help="these arms only, e.g. plain,pbm16,pbm16-x4")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time")
    options = parser.parse_args(arguments)
    if options.what == "run":
        if options.data is None:
            parser.error("run needs --data DIR, the folder with gender/ and race/ that prepare.py wrote")
        tasks = (options.task,) if options.task else TASKS
        runs = [run for task in tasks for run in plan(options.part, task) if run.seed <= options.seeds]
        if options.arms:
            runs = [run for run in runs if run.arm in options.arms.split(",")]
        return 1 if Bench(options.data, options.out).run(runs, options.jobs) else 0
    import pbm_report

    if options.what == "table":
        print(pbm_report.write_tables(read_lines(options.out / "runs.jsonl"), options.results))
        return 0
    if options.what == "paired":
        if options.data is None:
            parser.error("paired needs --data DIR, the folder with the test images")
        import pbm_paired

        rows = pbm_paired.compare(read_lines(options.out / "runs.jsonl"), options.out, options.data)
        (options.results / "pbm-paired.json").write_text(json.dumps(rows, indent=1) + "\n")
        print(pbm_paired.table(rows))
        return 0
    try:
        pbm_report.write_pictures(options.out / "pictures", options.results, blindsight, BLOCKS[192])
    except RuntimeError as error:
        sys.exit(f"pbm: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
