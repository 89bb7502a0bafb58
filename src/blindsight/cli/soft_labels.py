"""``blindsight soft-labels``: the owner's model of plain images teaches the provider's of protected ones."""

from pathlib import Path
from typing import Annotated

import typer

from blindsight.cli._common import AsJson, KeyOption, Workers, print_json, progress_bar, require_provider
from blindsight.errors import ProfileMismatchError

__all__ = ["soft_labels"]


def soft_labels(
    teacher: Annotated[
        Path, typer.Argument(metavar="TEACHER", help="Run folder of a model of plain images.", show_default=False)
    ],
    protected: Annotated[
        Path, typer.Argument(metavar="PROTECTED", help="What protect wrote of them.", show_default=False)
    ],
    key: KeyOption = None,
    temperature: Annotated[float, typer.Option(help="Above 1 flattens the teacher's answers.")] = 2.0,
    share: Annotated[
        float, typer.Option(help="Of the teacher in a label, 0 to 1; the image's class is the rest.")
    ] = 0.5,
    index: Annotated[
        Path | None, typer.Option("--index", help="The owner's index of PROTECTED. \\[default: PROTECTED.owner]")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Write over an earlier table.")] = False,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ... \\[default: a GPU where there is one]")] = None,
    workers: Workers = 0,
    as_json: AsJson = False,
) -> None:
    """Write what a model of the plain images sees in each protected training image into PROTECTED/labels.csv.

    Train TEACHER on the plain images, on your own machine: it stays with you. The provider trains as ever, and learns
    from how likely TEACHER takes each image for each class instead of from its class alone; give train --smoothing 0.
    Images of val and test keep their class. The labels tell the provider what else a picture looks like.

    Example: blindsight soft-labels plain-run protected --key owner.key --temperature 2 --share 0.5
    """
    require_provider("a teacher")
    from blindsight.nets.runs import load_run
    from blindsight.owner.keys import load_keyset
    from blindsight.owner.reveal import cipher_profile
    from blindsight.owner.soft_labels import Teacher, write_soft_labels
    from blindsight.provider.prediction import predict

    secret = load_keyset(key).get(cipher_profile(protected).key_id or "")
    run = load_run(teacher)
    if run.profile.kind == "cipher":
        raise ProfileMismatchError(
            f"{teacher} is a model of protected images, and a teacher has to see plain ones; train it on a plain folder"
        )
    model = Teacher(
        run.profile.classes, run.size, run.profile.channels, lambda images: predict(run, images, device=device)
    )
    with progress_bar("asking") as progress:
        report = write_soft_labels(
            protected,
            secret,
            model,
            temperature=temperature,
            share=share,
            index=index,
            replace=replace,
            workers=workers,
            progress=progress,
        )
    agreement = report.agreed / report.taught if report.taught else 0.0
    if as_json:
        print_json(
            {
                "labels": str(report.path),
                "images": report.images,
                "taught": report.taught,
                "agreed": report.agreed,
                "temperature": temperature,
                "share": share,
            }
        )
        return
    typer.echo(
        f"{report.path}: {report.taught} of {report.images} images taught; "
        f"the teacher agrees with the class of {100 * agreement:.1f} % of them"
    )
