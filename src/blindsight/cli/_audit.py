"""Options of the audit's commands, and how they make of them what attacks are run and scored by."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blindsight.cli._common import require_provider
from blindsight.errors import MissingDependencyError, ParameterError, ProfileMismatchError

if TYPE_CHECKING:
    from blindsight.audit.judging import Judging
    from blindsight.profile import Profile

__all__ = [
    "Attacks",
    "Budget",
    "Classifier",
    "Learned",
    "Lpips",
    "Seed",
    "Threats",
    "judging",
    "public_checkpoint",
    "require_extra",
    "shared_model",
]

PACKAGES = {
    "skimage": "scikit-image",
    "scipy": "scipy",
    "imagehash": "ImageHash",
    "matplotlib": "matplotlib",
    "jinja2": "jinja2",
}

Attacks = Annotated[
    list[str] | None,
    typer.Option("--attack", metavar="NAME", help="This attack only; may be repeated. \\[default: all that fit]"),
]
Threats = Annotated[
    list[str] | None,
    typer.Option(
        "--threat",
        metavar="NAME",
        help="one-image, protected-set, labelled-set, candidates, known-pairs, chosen-plaintext or shared-model; may "
        "be repeated. \\[default: all that what you give allows]",
    ),
]
Budget = Annotated[float, typer.Option("--budget", help="Seconds an attack and kind of attacker.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="The same seed, the same sample and attacks.")]
Learned = Annotated[bool, typer.Option("--learned", help="Also the attacks that train networks: give them hours.")]
Lpips = Annotated[
    Path | None,
    typer.Option("--lpips", help="Weights of LPIPS (AlexNet) on disk: reports it.", show_default=False),
]
Classifier = Annotated[
    Path | None,
    typer.Option("--classifier", help="Run folder of a model of plain images: reports label accuracy."),
]


def require_extra(purpose: str) -> None:
    for module, package in PACKAGES.items():
        if find_spec(module) is None:
            raise MissingDependencyError.of(package, "audit", purpose)


def shared_model(folder: Path, protected: Path, profile: "Profile") -> Any:
    """The module of a run that was trained on these images."""
    require_provider("an attack on a model")
    from blindsight.nets.runs import load_run

    loaded = load_run(folder)
    loaded.profile.require_same_protection(profile, str(folder), str(protected))
    if loaded.normalisation != (0.5, 0.5):
        raise ProfileMismatchError(f"{folder} takes images of another normalisation than 0.5, 0.5; train it again")
    return loaded.model


def public_checkpoint(given: Path, model: Path) -> Any:
    """The plain module that a run's model began from.

    Args:
        given: a run folder, or a weights file of the architecture of ``model``.
        model: the run folder of the model that the attacker has.
    """
    from blindsight.nets import create_model
    from blindsight.nets.runs import load_run, read_config

    # Its mean and std may be others: they scale columns of the first layer, and directions are what is compared.
    if given.is_dir():
        plain = load_run(given)
        if plain.profile.kind == "cipher":
            raise ProfileMismatchError(f"{given} takes protected images; give the plain model that {model} began from")
        return plain.model
    profile, config = read_config(model)
    own = {name: value for name, value in config["model_args"].items() if not name.startswith("keyed_")}
    size = {"img_size": tuple(config["pretrained_cfg"]["input_size"][1:])} | own
    return create_model(
        config["architecture"],
        num_classes=len(profile.classes),
        in_chans=profile.channels,
        checkpoint=given,
        **size,
    ).eval()


def _classify(folder: Path, classes: Sequence[str]) -> Callable[[Any], Any]:
    """Positions in ``classes``, by a model of plain images."""
    require_provider("a classifier")
    import numpy as np

    from blindsight.nets.runs import load_run
    from blindsight.provider.prediction import predict

    loaded = load_run(folder)
    if loaded.profile.kind == "cipher":
        raise ProfileMismatchError(f"{folder} is a model of protected images; give one that was trained on plain ones")
    if sorted(loaded.profile.classes) != sorted(classes):
        raise ProfileMismatchError(
            f"{folder} knows {len(loaded.profile.classes)} classes, and they are not the {len(classes)} of these "
            "images; train it on the same classes"
        )
    order = np.array([list(classes).index(name) for name in loaded.profile.classes])
    # A copy: torch takes no read-only arrays.
    return lambda images: order[predict(loaded, images.copy()).argmax(1)]


@contextmanager
def judging(
    budget: float, seed: int, lpips: Path | None, classifier: Path | None, classes: Sequence[str]
) -> "Iterator[Judging]":
    """What attacks are run and scored by; ``classes`` in the order of the truth's labels."""
    from blindsight.audit.judging import Judging
    from blindsight.audit.perceptual import Lpips
    from blindsight.audit.scoring import Yardstick

    if not 0 < budget < float("inf"):
        raise ParameterError(f"--budget is seconds, more than 0 and not without end; got {budget:g}")
    by = Yardstick(
        lpips=None if lpips is None else Lpips(lpips),
        classify=None if classifier is None else _classify(classifier, classes),
        seed=seed,
    )
    with _progress() as tell:
        yield Judging(seconds=budget, seed=seed, by=by, tell=tell)


@contextmanager
def _progress() -> Iterator[Callable[[str, str, float, str], None]]:
    """On a terminal one line that changes; elsewhere a line an attack."""
    if not sys.stderr.isatty():
        told: set[tuple[str, str]] = set()

        def line(threat: str, title: str, share: float, what: str) -> None:  # noqa: ARG001
            if (threat, title) not in told:
                told.add((threat, title))
                typer.echo(f"{threat}: {title}", err=True)

        yield line
        return
    from rich.console import Console

    with Console(stderr=True).status("attacking") as status:
        yield lambda threat, title, share, what: status.update(f"{threat}: {title}, {100 * share:.0f} %, {what}")
