"""``blindsight audit``: what an attacker can still see."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from blindsight.cli._audit import (
    Attacks,
    Budget,
    Classifier,
    Learned,
    Lpips,
    Seed,
    Threats,
    judging,
    require_extra,
    shared_model,
)
from blindsight.cli._common import AsJson, parse_size, print_json
from blindsight.cli._data import DataRoot, Download, Format, Gray, Quality, Subsampling, codec_of

if TYPE_CHECKING:
    from blindsight.audit.attack import Attack
    from blindsight.audit.report import AuditReport

__all__ = ["audit_app"]


class _AuditGroup(TyperGroup):
    """``audit OUT`` means ``audit run OUT``: whatever is no subcommand is taken for a protected set."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] != "--help" and args[0] not in self.commands:
            args = ["run", *args]
        return super().parse_args(ctx, args)


audit_app = typer.Typer(
    name="audit",
    cls=_AuditGroup,
    help="Attack a protected set and report what comes back: audit OUT.\n\n"
    "audit OUT is audit run OUT; see audit run --help for what it takes. "
    "For a folder called run, list or compare write ./list.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@audit_app.command()
def run(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder that protect wrote.", show_default=False)],
    plain_reference: Annotated[
        str | None,
        typer.Option(
            "--plain-reference", help="Plain images of the same kind that anybody can get: folder, npz or set by name."
        ),
    ] = None,
    known_pairs: Annotated[
        int, typer.Option("--known-pairs", min=0, help="Grant the attacker so many originals with their copies.")
    ] = 0,
    owner_truth: Annotated[
        str | None,
        typer.Option(
            "--owner-truth", metavar="PHOTOS", help="What was protected: scores the attacks. Needs the index."
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option("--key", help="Key file, or -: scores the attacks, and answers chosen plaintexts."),
    ] = None,
    model: Annotated[
        Path | None, typer.Option("--model", metavar="RUN", help="Grant the attacker a model trained on OUT.")
    ] = None,
    threat: Threats = None,
    attack: Attacks = None,
    learned: Learned = False,
    sample: Annotated[int, typer.Option(min=1, help="Images that attackers see, chosen at random.")] = 200,
    budget: Budget = 60.0,
    seed: Seed = 0,
    report: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of the report, outside OUT. \\[default: OUT.owner/audit, or OUT.audit]"),
    ] = None,
    index: Annotated[
        Path | None, typer.Option("--index", help="The index that protect wrote. \\[default: OUT.owner]")
    ] = None,
    lpips: Lpips = None,
    classifier: Classifier = None,
    data_root: DataRoot = None,
    as_json: AsJson = False,
) -> None:
    """Attack a protected set and write report.html and report.json.

    Without --key or --owner-truth it is what a provider could do: pictures, and no scores. With one of them the attacks
    are scored, beside their chance levels. The attacks never see the key, nor any original but the known pairs.

    Example: blindsight audit protected --plain-reference holiday-pictures

    Example: blindsight audit protected --known-pairs 4 --owner-truth photos --key owner.key
    """
    require_extra("audit")
    from blindsight.audit.opening import attackable_profile, class_names_of
    from blindsight.audit.report import Granted, audit_protected, chosen_attacks
    from blindsight.owner.keys import load_keyset
    from blindsight.owner.sources import open_source

    profile = attackable_profile(out)
    secret = None if key is None else load_keyset(key).get(profile.key_id or "")
    granted = Granted(
        key=secret,
        originals=None if owner_truth is None else open_source(owner_truth, root=data_root),
        public=None if plain_reference is None else open_source(plain_reference, root=data_root),
        pairs=known_pairs,
        model=None if model is None else shared_model(model, out, profile),
    )
    chosen = chosen_attacks(attack or (), learned=learned)
    with judging(budget, seed, lpips, classifier, class_names_of(out, profile, index)) as how:
        found = audit_protected(
            out,
            report,
            granted=granted,
            threats=threat or (),
            attacks=chosen,
            sample=sample,
            index=index,
            judging=how,
        )
    if as_json:
        print_json({"page": str(found.page), "data": str(found.data), **found.as_json()})
    else:
        _print_report(found)


@audit_app.command()
def compare(
    data: Annotated[str, typer.Option(help="Plain images: a folder, CSV or npz, or a torchvision set by name.")],
    schemes: Annotated[str, typer.Option(help="Ciphers, separated by commas.")] = "etc,shf,pe,le,ele",
    block_size: Annotated[int, typer.Option(min=1, help="Side of the blocks in pixels.")] = 4,
    size: Annotated[
        str | None, typer.Option(help="Bring every image to this size: 224 or HEIGHTxWIDTH. \\[default: its own]")
    ] = None,
    key_scope: Annotated[str, typer.Option(help="Which images share a key: dataset, image or pool:K.")] = "dataset",
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

    Keys are made from --seed, so that everybody attacks the same images. Writes compare.html, with pictures, and
    compare.json.

    Example: blindsight audit compare --schemes etc,shf,pe,le,ele --data cifar10 --download
    """
    require_extra("audit compare")
    from blindsight.audit.comparison import Setting, compare_schemes
    from blindsight.audit.plain_images import read_plain
    from blindsight.audit.report import chosen_attacks
    from blindsight.owner.ciphers import create_cipher
    from blindsight.owner.sources import open_source

    names = tuple(dict.fromkeys(name.strip() for name in schemes.split(",") if name.strip()))
    for name in names:
        create_cipher(name, block_size, 1 if gray else 3)  # an unknown one is said before anything is read
    codec = codec_of(image_format, quality, subsampling, gray)
    setting = Setting(names, block_size, key_scope, codec, known_pairs)
    chosen = chosen_attacks(attack or (), learned=learned)
    source = open_source(data, root=data_root, download=download)
    plain = read_plain(
        source,
        sample + known_pairs,
        public,
        block=block_size,
        size=parse_size(size),
        channels=1 if gray else 3,
        seed=seed,
    )
    with judging(budget, seed, lpips, classifier, source.classes()) as how:
        found = compare_schemes(plain, setting, out, threats=threat or (), attacks=chosen, judging=how)
    if as_json:
        print_json({"page": str(found.page), "data": str(found.numbers), **found.as_json()})
        return
    typer.echo(found.to_table())
    typer.echo(f"page: {found.page}  (shows originals)")
    typer.echo(f"numbers: {found.numbers}")


@audit_app.command("list")
def list_attacks(as_json: AsJson = False) -> None:
    """Show the attacks: what each needs to see, and the paper it is from.

    Example: blindsight audit list
    """
    require_extra("audit list")
    from blindsight.audit.attack import list_attacks as known

    attacks = known()
    if as_json:
        print_json(
            {
                "attacks": [
                    {
                        "name": each.name,
                        "title": each.title,
                        "needs": each.observes.name,
                        "needs_public": each.needs_public,
                        "learns": each.learns,
                        "reference": each.reference,
                    }
                    for each in attacks
                ]
            }
        )
        return
    for each in attacks:
        typer.echo(f"{each.name}\n  {each.title}\n  needs {_needs(each)}\n  {each.reference}")


def _needs(attack: "Attack") -> str:
    public = " and plain images of the same kind" if attack.needs_public else ""
    return f"{attack.observes.title}{public}" + ("; trains a network" if attack.learns else "")


def _print_report(report: "AuditReport") -> None:
    verdict = report.verdict
    typer.echo(verdict.headline)
    for text in (*verdict.findings, *verdict.warnings):
        typer.echo(f"  {text}")
    shown = "  (shows originals: yours, do not hand it over)" if report.scored else ""
    typer.echo(f"page: {report.page}{shown}")
    typer.echo(f"numbers: {report.data}")
