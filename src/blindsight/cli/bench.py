"""``blindsight bench``: the papers' comparisons, run and shown."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blindsight.cli._common import AsJson, print_json, progress_bar, require_provider
from blindsight.cli._data import DataRoot, Download
from blindsight.errors import BlindsightError, ParameterError

if TYPE_CHECKING:
    from blindsight.bench.cells import Cell
    from blindsight.bench.recipe import Recipe

__all__ = ["bench_app"]

bench_app = typer.Typer(
    name="bench",
    help="Run the papers' comparisons and measure what encryption does to JPEG.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
RecipeName = Annotated[str, typer.Argument(metavar="RECIPE", help="A name that list shows, or a .yaml file of yours.")]


@bench_app.command("list")
def list_recipes(
    recipe: Annotated[
        str | None, typer.Argument(metavar="[RECIPE]", help="Show its cells.", show_default=False)
    ] = None,
    scale: Annotated[str, typer.Option(help="smoke (seconds), cpu (minutes a run) or full (the paper's).")] = "cpu",
    as_json: AsJson = False,
) -> None:
    """Show the recipes, or the cells of one: what the images go through, what learns, and what is not here yet.

    Cells stand in the order in which run takes them.

    Example: blindsight bench list

    Example: blindsight bench list paper1-cifar10 --scale full
    """
    from blindsight.bench.recipe import load_recipe, recipe_names

    if recipe is None:
        _show_recipes([load_recipe(name) for name in recipe_names()], as_json)
        return
    require_provider("the bench")
    from blindsight.bench.cells import cells_of, why_not

    loaded = load_recipe(recipe)
    _show_cells(loaded, scale, [(cell, why_not(cell)) for cell in cells_of(loaded, scale)], as_json)


@bench_app.command()
def run(
    recipe: RecipeName,
    out: Annotated[Path, typer.Option("--out", metavar="WORK", help="Work folder: keys, images, runs, results.")],
    scale: Annotated[str, typer.Option(help="smoke (seconds), cpu (minutes a run) or full (the paper's).")] = "cpu",
    only: Annotated[
        list[str] | None, typer.Option(metavar="ROW/COLUMN", help="These cells only; with * and ?; may be repeated.")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, help="Seeds of every cell, from 1. \\[default: the recipe's]", show_default=False),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Folder, CSV, npz or torchvision name. \\[default: the recipe's]", show_default=False),
    ] = None,
    data_root: DataRoot = None,
    download: Download = False,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads for arithmetic. \\[default: torch's]")] = None,
    as_json: AsJson = False,
) -> None:
    """Run the cells of a recipe, in its order: protect, train, evaluate, and try wrong keys.

    Whatever is done is kept. The same command goes on after Ctrl-C, a crash or a reboot, and loses at most
    two minutes. Keys are made from the seeds, so everybody gets the same images; never use one for anything else.

    Example: blindsight bench run paper1-cifar10 --scale smoke --out work

    Example: blindsight bench run paper1-cifar10 --data cifar10 --download --only "etc/*" --out work
    """
    require_provider("the bench")
    from blindsight.bench.cells import cells_of, plan, scale_of
    from blindsight.bench.data import open_data
    from blindsight.bench.recipe import load_recipe
    from blindsight.bench.run import Runner
    from blindsight.provider.progress import TrainingProgress

    loaded = load_recipe(recipe)
    chosen = scale_of(loaded, scale)
    jobs = plan(cells_of(loaded, scale), only=only or (), seeds=seeds)
    name = data or chosen.data or ("" if loaded.bring else loaded.data)
    if not name:
        raise ParameterError(f"recipe {loaded.name} brings no data at scale {scale}; give --data: {loaded.data}")

    def say(text: str) -> None:
        typer.echo(text, err=True)

    opened = open_data(name, out, chosen.limit, root=data_root, download=download)
    runner = Runner(
        loaded,
        scale,
        opened,
        out,
        threads=threads,
        say=say,
        progress=lambda _title, epochs: TrainingProgress(epochs),
    )
    outcome = runner.run(jobs)
    if as_json:
        values = [result.model_dump(mode="json") for result in outcome.done]
        print_json({"done": values, "skipped": dict(outcome.skipped), "failed": dict(outcome.failed)})
    else:
        typer.echo(f"{len(outcome.done)} done, {len(outcome.skipped)} not here yet, {len(outcome.failed)} failed")
        typer.echo(f"the table: blindsight bench table {out}")
    if outcome.failed:
        job, why = outcome.failed[0]
        raise BlindsightError(f"{len(outcome.failed)} of {len(jobs)} cells failed, the first {job}: {why}")


@bench_app.command()
def table(
    results: Annotated[
        list[Path],
        typer.Argument(metavar="WORK|FILE...", help="Work folders of run, or JSON files that table wrote."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="PREFIX", help="Write PREFIX.md, .json, -accuracy.png and -curves.png.", show_default=False
        ),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="A .yaml file, where the recipe is one of yours.", show_default=False)
    ] = None,
) -> None:
    """Print the table of what is done, published accuracies beside ours where they could be confirmed.

    Example: blindsight bench table work

    Example: blindsight bench table work --out results/paper1-cifar10

    Example, for cells that were run in two places: blindsight bench table work-1 work-2
    """
    from blindsight.bench.recipe import load_recipe
    from blindsight.bench.results import averages, gather, results_text
    from blindsight.bench.table import in_order, page

    found = gather(results)
    first = found[0]
    loaded = load_recipe(recipe or first.recipe)
    found = in_order(loaded, found)
    command = f"blindsight bench run {first.recipe} --scale {first.scale} --data DATA --out WORK"
    figures = {}
    if out is not None:
        from blindsight.bench.figures import accuracy_figure, curves_figure, save_figure
        from blindsight.bench.gap import gap_figure
        from blindsight.nets.runs import write_atomic

        out.parent.mkdir(parents=True, exist_ok=True)
        title = f"{first.data['name']}, {first.recipe}, scale {first.scale}"
        gaps = gap_figure(loaded, found, title)
        if gaps is not None:
            drawn = {"gap": gaps}
        else:
            drawn = {
                "accuracy": accuracy_figure(averages(found), first.chance, title),
                "curves": curves_figure(found, title),
            }
        for name, figure in drawn.items():
            save_figure(figure, out.with_name(f"{out.name}-{name}.png"))
            figures[f"{name.capitalize()}: {title}"] = f"{out.name}-{name}.png"
        write_atomic(out.with_name(f"{out.name}.json"), results_text(found))
        write_atomic(out.with_name(f"{out.name}.md"), page(loaded, found, command, figures))
    typer.echo(page(loaded, found, command, figures), nl=False)


@bench_app.command()
def jpeg(
    out: Annotated[Path, typer.Option("--out", metavar="PREFIX", help="Write PREFIX.md, PREFIX.json and PREFIX.png.")],
    data: Annotated[
        list[str] | None,
        typer.Option(help="Folder of photographs, or scikit-learn for its two; may be repeated. \\[default: those]"),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="At most so many of a folder, spread over its files.")] = 50,
    scheme: Annotated[list[str] | None, typer.Option(help="These schemes only. \\[default: all]")] = None,
    allow_lossy: Annotated[
        bool, typer.Option("--allow-lossy", help="Measure what protect refuses, too, to show what happens.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure bits a pixel and PSNR by scheme, JPEG quality, chroma subsampling and block size, against plain.

    The page names the folder by its last part only; it holds numbers and curves, none of the photographs.

    Example: blindsight bench jpeg --out results/jpeg --allow-lossy

    Example: blindsight bench jpeg --data scikit-learn --data photos --scheme etc --out jpeg
    """
    from blindsight.bench.figures import save_figure
    from blindsight.bench.jpeg import BLOCKS, load_photographs, measure, settings
    from blindsight.bench.jpeg_page import jpeg_figure, jpeg_page
    from blindsight.nets.runs import write_atomic

    chosen = list(settings(scheme or None, allow_lossy=allow_lossy))
    measured = []
    for source in data or ["scikit-learn"]:
        name, photographs = load_photographs(source, count, max(BLOCKS))
        with progress_bar(name) as update:
            measured.append((name, len(photographs), measure(name, photographs, chosen, update)))
    words = [f"--data {name if name == 'scikit-learn' else Path(name).name}" for name in data or ["scikit-learn"]]
    words += [
        f"--count {count}",
        *(f"--scheme {name}" for name in scheme or []),
        "--allow-lossy" if allow_lossy else "",
    ]
    command = " ".join(["blindsight bench jpeg", *filter(None, words), f"--out {out.name}"])
    sets = [{"name": n, "photographs": k, "rows": [row.as_json() for row in rows]} for n, k, rows in measured]
    values = {"command": command, "libraries": _libraries(), "sets": sets}
    out.parent.mkdir(parents=True, exist_ok=True)
    save_figure(jpeg_figure(measured[0][2]), out.with_name(f"{out.name}.png"))
    write_atomic(out.with_name(f"{out.name}.json"), _rows_on_lines(values))
    write_atomic(out.with_name(f"{out.name}.md"), jpeg_page(measured, command, f"{out.name}.png"))
    if as_json:
        print_json(values)
    else:
        typer.echo(f"wrote {out}.md, {out}.json and {out}.png")


def _rows_on_lines(values: dict[str, object]) -> str:
    """JSON with an object of a list on each line: hundreds of rows stay readable and small."""
    import json

    return json.dumps(values).replace("}, {", "},\n{") + "\n"


def _libraries() -> dict[str, str]:
    from blindsight.images import codec_versions
    from blindsight.profile import Codec

    return codec_versions(Codec(format="jpeg", quality=90, subsampling="4:4:4"))


def _show_recipes(recipes: "list[Recipe]", as_json: bool) -> None:
    if as_json:
        values = {r.name: {"about": r.about, "data": r.data, "scales": _scales(r)} for r in recipes}
        print_json({"recipes": values})
        return
    for recipe in recipes:
        typer.echo(f"{recipe.name}\n  {recipe.about}\n  data   {recipe.data}")
        for name, about in _scales(recipe).items():
            typer.echo(f"  {name:<6} {about}")


def _scales(recipe: "Recipe") -> dict[str, str]:
    """Scale -> what it is, and why nobody has run it."""
    about = {name: scale.about for name, scale in recipe.scales.items()}
    reasons = {name: f" (not run: {scale.not_run})" if scale.not_run else "" for name, scale in recipe.scales.items()}
    return {name: about[name] + reasons[name] for name in about}


def _show_cells(recipe: "Recipe", scale: str, cells: "list[tuple[Cell, str | None]]", as_json: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    if as_json:
        values = [
            {
                "cell": cell.name,
                "images": cell.images.model_dump(mode="json"),
                "train": cell.train.public(),
                "seeds": cell.seeds,
                "missing": reason,
            }
            for cell, reason in cells
        ]
        print_json({"recipe": recipe.name, "scale": scale, "cells": values})
        return
    shown = Table("cell", "images", "model", "epochs", "seeds", "", title=f"{recipe.name}, {scale}")
    for cell, reason in cells:
        train = cell.train
        shown.add_row(
            cell.name, cell.images.summary(), train.model, str(train.epochs), str(cell.seeds), reason or "ready"
        )
    Console().print(shown)
    not_run = next(s.not_run for name, s in recipe.scales.items() if name == scale)
    if not_run:
        typer.echo(f"Nobody has run this scale yet: {not_run}.")
