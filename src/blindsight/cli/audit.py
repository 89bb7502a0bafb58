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
    public_checkpoint,
    require_extra,
    shared_model,
)
from blindsight.cli._common import AsJson, print_json
from blindsight.cli._data import DataRoot
from blindsight.cli.audit_compare import compare
from blindsight.errors import ParameterError

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
        Path | None,
        typer.Option(
            "--model", metavar="RUN", help="Grant the attacker a model of OUT's images: trained on them, or encrypted."
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--checkpoint",
            metavar="FILE_OR_RUN",
            help="With --model: grant the public weights that it began from, a weights file or a run folder. Beside "
            "them an encrypted model gives its key away.",
        ),
    ] = None,
    candidates: Annotated[
        str | None,
        typer.Option(
            "--candidates",
            metavar="PICTURES",
            help="Grant plain images that may be originals, such as staff photographs: folder, npz or set by name. The "
            "attacker tells which of them is behind which protected image.",
        ),
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

    Example: blindsight audit protected --key owner.key --candidates staff --model encrypted --checkpoint pretrained.pth
    """
    require_extra("audit")
    from blindsight.audit.opening import attackable_profile, class_names_of
    from blindsight.audit.report import Granted, audit_protected, chosen_attacks
    from blindsight.owner.keys import load_keyset
    from blindsight.owner.sources import open_source

    if checkpoint is not None and model is None:
        raise ParameterError("--checkpoint is what a model began from; give that with --model RUN")
    profile = attackable_profile(out)
    secret = None if key is None else load_keyset(key).get(profile.key_id or "")
    granted = Granted(
        key=secret,
        originals=None if owner_truth is None else open_source(owner_truth, root=data_root),
        public=None if plain_reference is None else open_source(plain_reference, root=data_root),
        pairs=known_pairs,
        model=None if model is None else shared_model(model, out, profile),
        checkpoint=None if model is None or checkpoint is None else public_checkpoint(checkpoint, model),
        candidates=None if candidates is None else open_source(candidates, root=data_root),
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


audit_app.command()(compare)


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
