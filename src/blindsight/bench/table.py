"""The table of a recipe in Markdown: our accuracies, published ones beside them, details below."""

from collections.abc import Mapping

from blindsight.bench.gap import gap_section
from blindsight.bench.published import MADONO, published_top1
from blindsight.bench.recipe import Recipe
from blindsight.bench.results import Average, Result, averages

__all__ = ["accuracy_table", "cell_table", "in_order", "page"]

Cells = Mapping[tuple[str, str], Average]


def in_order(recipe: Recipe, results: list[Result]) -> list[Result]:
    """Results as the recipe has its rows, then its columns, then by seed; what it does not name comes last."""
    rows, columns = list(recipe.rows), list(recipe.columns)

    def place(result: Result) -> tuple[int, int, int]:
        row = rows.index(result.row) if result.row in rows else len(rows)
        column = columns.index(result.column) if result.column in columns else len(columns)
        return row, column, result.seed

    return sorted(results, key=place)


def page(recipe: Recipe, results: list[Result], command: str, figures: Mapping[str, str] | None = None) -> str:
    """A page about the results of one recipe at one scale.

    Args:
        recipe: for the names and order of rows and columns, and its notes.
        results: finished cells.
        command: what made them, as typed.
        figures: title -> file name.
    """
    first, cells = results[0], averages(results)
    data = first.data
    scale = recipe.scales.get(first.scale)  # type: ignore[call-overload]
    wrong = next((r for r in results if r.wrong_keys), None)
    parts = [
        f"# {recipe.about}",
        f"Recipe `{recipe.name}`, scale `{first.scale}`{f': {scale.about}' if scale and scale.about else ''}.",
        f"    {command}",
        f"{data['name']}: {data['train_images']:,} training and {data['test_images']:,} test images of "
        f"{data['classes']} classes; chance {100 * first.chance:.1f} %. {_machine(results)}",
    ]
    gaps = gap_section(recipe, results)
    # A question about methods has many columns and few rows: they are read one below the other.
    parts += [gaps] if gaps else [accuracy_table(recipe, cells, str(data["name"])), _CAPTION]
    if _has_published(recipe, cells, str(data["name"])):
        parts.append(
            f"*Italic*: published, {MADONO.source}, with {MADONO.model} and its authors' training; another model and "
            f"another budget than ours, so a gap between the two is no finding."
        )
    missing = [f"{row}/{column}" for row, column in _expected(recipe, first.scale) if (row, column) not in cells]
    if missing:
        parts.append(f"Not run{'' if gaps else ' (–)'}: {', '.join(missing)}.")
    parts += [f"![{title}]({name})" for title, name in (figures or {}).items()]
    parts += ["## Cell by cell", cell_table(cells, gap=not gaps)]
    if wrong:
        parts.append(
            f"Wrong keys: mean top-1 on {wrong.wrong_key_images:,} test images that were protected with each of "
            f"{len(wrong.wrong_keys)} other key(s). An accuracy at chance says that the model is bound to its key, not "
            f"that the key is hard to find. CPU minutes with + leave out what came before an interruption."
        )
    parts += [f"- {note}" for note in recipe.notes]
    return "\n\n".join(parts).replace("\n\n- ", "\n- ") + "\n"


_CAPTION = (
    "Top-1 on test images in percent. One seed: in brackets the 95 % interval (Wilson), which speaks of the test "
    "images and not of the seed. Several seeds: their mean, and in brackets the lowest and the highest."
)


def accuracy_table(recipe: Recipe, cells: Cells, data: str) -> str:
    """Rows by columns: accuracy with its interval, and the published accuracy where there is one."""
    columns = [name for name in recipe.columns if any(cell[1] == name for cell in cells)]
    rows = [name for name in recipe.rows if any(cell[0] == name for cell in cells)]
    lines = [_line(["images", *(f"`{column}`" for column in columns)]), _line(["---"] * (len(columns) + 1))]
    for row in rows:
        texts = [f"**{row}**: {recipe.rows[row].summary()}"]
        for column in columns:
            cell = cells.get((row, column))
            text = "–" if cell is None else f"{100 * cell.top1:.1f} ({100 * cell.low:.1f} to {100 * cell.high:.1f})"
            known = published_top1(data, recipe.rows[row].published, recipe.columns[column].published)
            texts.append(text + ("" if known is None else f", *{known:.2f}*"))
        lines.append(_line(texts))
    return "\n".join(lines)


def cell_table(cells: Cells, *, gap: bool = True) -> str:
    """A line for each cell: the ``gap`` to plain in its own column, wrong keys, and what the training took."""
    heads = [
        "images",
        "column",
        "model",
        "top-1",
        "seeds",
        *(["gap to plain"] if gap else []),
        "wrong keys",
        "epochs",
        "CPU min a seed",
    ]
    lines = [_line(heads), _line(["---"] * len(heads))]
    for (row, column), cell in cells.items():
        result, plain = cell.results[0], cells.get(("plain", column))
        minutes = sum(r.cpu_seconds for r in cell.results) / len(cell.results) / 60
        lines.append(
            _line(
                [
                    row,
                    column,
                    f"`{result.train['model']}`",
                    f"{100 * cell.top1:.1f}",
                    str(len(cell.results)),
                    *([_gap(plain, cell) if row != "plain" else ""] if gap else []),
                    "" if cell.wrong is None else f"{100 * cell.wrong:.1f}",
                    str(result.training.get("epochs", "")),
                    f"{minutes:.1f}" + ("+" if any(r.resumed for r in cell.results) else ""),
                ]
            )
        )
    return "\n".join(lines)


def _gap(plain: Average | None, cell: Average) -> str:
    return "" if plain is None else f"{100 * (plain.top1 - cell.top1):.1f}"


def _line(texts: list[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _has_published(recipe: Recipe, cells: Cells, data: str) -> bool:
    return any(
        published_top1(data, recipe.rows[row].published, recipe.columns[column].published) is not None
        for row, column in cells
        if row in recipe.rows and column in recipe.columns
    )


def _expected(recipe: Recipe, scale: str) -> list[tuple[str, str]]:
    from blindsight.bench.cells import cells_of

    return [(cell.row, cell.column) for cell in cells_of(recipe, scale)] if scale in recipe.scales else []


def _machine(results: list[Result]) -> str:
    """Machines and versions; all of them where they differ between cells."""
    machines = {f"{r.machine['processor']}, {r.machine['cores']} cores" for r in results}
    versions = {
        ", ".join(f"{name} {r.versions[name]}" for name in ("blindsight", "torch", "timm") if name in r.versions)
        for r in results
    }
    return f"{'; '.join(sorted(machines))}; {'; '.join(sorted(versions))}."
