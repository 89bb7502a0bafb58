"""``blindsight audit compare``: schemes side by side, for each kind of attacker."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from blindsight.cli._audit import Attacks, Budget, Classifier, Learned, Lpips, Seed, Threats, judging, require_extra
from blindsight.cli._common import AsJson, parse_size, print_json
from blindsight.cli._data import DataRoot, Download, Format, Gray, Quality, Subsampling, codec_of

__all__ = ["compare"]

#: Options that change nothing of the figures, and those whose paths are nobody's business.
NOT_TOLD = ("out", "data_root", "download", "as_json")
PATHS = ("data", "lpips", "classifier")


def compare(
    context: typer.Context,
    data: Annotated[str, typer.Option(help="Plain images: a folder, CSV or npz, or a torchvision set by name.")],
    schemes: Annotated[
        str,
        typer.Option(
            help="Ciphers and ways of mixing (pbm, mixup, cutmix, instahide), separated by commas; parameters after a "
            "colon, as in bps:scramble=true or pbm:sources=5,probability=0.4."
        ),
    ] = "etc,shf,pe,le,ele",
    block_size: Annotated[int, typer.Option(min=1, help="Side of the blocks in pixels.")] = 4,
    size: Annotated[
        str | None, typer.Option(help="Bring every image to this size: 224 or HEIGHTxWIDTH. \\[default: its own]")
    ] = None,
    key_scope: Annotated[str, typer.Option(help="Which images share a key: dataset, image or pool:K.")] = "dataset",
    reduce: Annotated[
        list[str] | None,
        typer.Option(
            help="Take this out of the images before they are encrypted, as protect does, such as level or "
            "noise:epsilon=1; may be repeated. Scores are against the images as they were."
        ),
    ] = None,
    image_format: Format = "png",
    quality: Quality = None,
    subsampling: Subsampling = None,
    gray: Gray = False,
    known_pairs: Annotated[int, typer.Option("--known-pairs", min=1, help="Of the attacker who has pairs.")] = 2,
    threat: Threats = None,
    attack: Attacks = None,
    learned: Learned = False,
    sample: Annotated[int, typer.Option(min=1, help="Images protected and attacked, chosen at random.")] = 100,
    public: Annotated[int, typer.Option(min=0, help="Further images that attackers have as they are.")] = 200,
    candidates: Annotated[
        int,
        typer.Option(
            min=0,
            help="Decoys: further images among which the attacker with candidates has the originals. Naming one at "
            "random is right one time in originals and decoys.",
        ),
    ] = 200,
    trials: Annotated[
        int,
        typer.Option(min=1, help="How often, each time with fresh keys and images: intervals are then over trials."),
    ] = 1,
    budget: Budget = 60.0,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option("--out", help="Folder of the page.")] = Path("audit-compare"),
    lpips: Lpips = None,
    classifier: Classifier = None,
    data_root: DataRoot = None,
    download: Download = False,
    as_json: AsJson = False,
) -> None:
    """Protect plain images with several schemes, attack them as each kind of attacker, and show the table.

    Keys are made from --seed, so that everybody attacks the same images. Writes compare.html, with pictures,
    compare.json, with every trial, and compare.md, the table. An attacker that makes no sense for a scheme is shown as
    such: a mixed set has no key that known pairs could give away.

    Example: blindsight audit compare --schemes etc,shf,pe,le,ele,pbm,instahide --data cifar10 --download

    Example: blindsight audit compare --schemes etc,bps:scramble=true --data photos --size 64 --block-size 8 --trials 5
    """
    require_extra("audit compare")
    from blindsight.audit.comparison import compare_schemes
    from blindsight.audit.comparison_cases import Setting
    from blindsight.audit.plain_images import PlainImages, read_plain
    from blindsight.audit.report import chosen_attacks
    from blindsight.audit.scheme_choice import parse_schemes
    from blindsight.owner.reductions import Reduction
    from blindsight.owner.sources import open_source

    channels = 1 if gray else 3
    choices = parse_schemes(schemes)
    for choice in choices:
        choice.check(block_size, channels)  # what cannot be is said before anything is read
    reductions = tuple(str(Reduction.parse(text)) for text in reduce or ())
    codec = codec_of(image_format, quality, subsampling, gray)
    setting = Setting(tuple(choice.text for choice in choices), block_size, key_scope, codec, known_pairs, reductions)
    chosen = chosen_attacks(attack or (), learned=learned)
    source = open_source(data, root=data_root, download=download)
    dimensions = parse_size(size)

    def draw(seed: int, per_class: int) -> PlainImages:
        count = sample if per_class else sample + known_pairs
        return read_plain(
            source,
            count,
            public,
            block=block_size,
            size=dimensions,
            channels=channels,
            seed=seed,
            decoys=candidates,
            per_class=per_class,
        )

    typed = _typed(context)
    with judging(budget, seed, lpips, classifier, source.classes()) as how:
        found = compare_schemes(
            draw, setting, out, threats=threat or (), attacks=chosen, judging=how, trials=trials, command=typed
        )
    if as_json:
        paths = {"page": str(found.page), "data": str(found.numbers), "table": str(found.table)}
        print_json(paths | found.as_json())
        return
    typer.echo(found.to_table())
    typer.echo(f"page: {found.page}  (shows originals)")
    typer.echo(f"numbers: {found.numbers}")
    typer.echo(f"table: {found.table}")


def _typed(context: typer.Context) -> str:
    """The command with all options that differ from their defaults; of paths the last part, for the table is shown."""
    words = ["blindsight", "audit", "compare"]
    for parameter in context.command.params:
        value = context.params.get(str(parameter.name))
        if parameter.name in NOT_TOLD or value in (None, parameter.default, [], ()):
            continue
        option = parameter.opts[0]
        if value is True:
            words.append(option)
            continue
        for each in value if isinstance(value, list | tuple) else [value]:
            told = f"{each:g}" if isinstance(each, float) else str(each)
            words += [option, Path(told).name if parameter.name in PATHS else told]
    return shlex.join(words)
