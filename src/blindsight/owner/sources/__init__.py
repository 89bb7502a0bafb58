"""Where plain images come from: folder trees, CSV lists, npz files, torchvision data sets."""

from pathlib import Path

from blindsight.errors import ParameterError, ProfileError
from blindsight.labels import LABELS_NAME
from blindsight.owner.sources._base import Item, Source
from blindsight.owner.sources._csv import CsvSource
from blindsight.owner.sources._folder import FolderSource
from blindsight.owner.sources._npz import NpzSource
from blindsight.owner.sources._torchvision import TorchvisionSource, list_torchvision
from blindsight.profile import PROFILE_NAME, SPLITS, Profile

__all__ = [
    "CsvSource",
    "FolderSource",
    "Item",
    "NpzSource",
    "Source",
    "TorchvisionSource",
    "list_torchvision",
    "open_source",
]


def open_source(name: str | Path, *, root: Path | None = None, download: bool = False, mixed: bool = False) -> Source:
    """Opens a data set of plain images.

    Args:
        name: a folder, a ``.csv`` or ``.npz`` file, or the name of a torchvision data set, e.g. ``cifar10``.
        root: where torchvision data sets lie; default ``~/.cache/blindsight``.
        download: let torchvision download what is not there.
        mixed: take a folder of mixed images too, which may be encrypted besides.

    Raises:
        ParameterError: no such file, folder or data set, or a folder of images that are protected already.
    """
    path = Path(name)
    if path.is_dir():
        return _folder(path, mixed)
    if path.suffix.lower() == ".csv":
        return CsvSource(path)
    if path.suffix.lower() == ".npz":
        return NpzSource(path)
    if str(name).lower() in list_torchvision():
        return TorchvisionSource(str(name).lower(), root or Path("~/.cache/blindsight").expanduser(), download)
    if path.exists():
        raise ParameterError(f"{name} is neither a folder nor a .csv or .npz file; give one of these")
    raise ParameterError(
        f"no folder or file {name}, and no data set of that name; data sets by name: {', '.join(list_torchvision())}"
    )


def _folder(root: Path, mixed: bool) -> FolderSource:
    """A folder of plain images: encrypting or mixing what is encrypted already, or mixing twice, is a mistake."""
    whole = root.resolve()
    described = whole.parent if whole.name.lower() in SPLITS and not (root / PROFILE_NAME).exists() else whole
    source = FolderSource(root)
    try:
        profile = Profile.from_json((described / PROFILE_NAME).read_bytes())
    except (OSError, ProfileError):  # none, or a file of somebody else's with that name
        return source
    if profile.kind == "mix" and mixed:
        if (described / LABELS_NAME).exists():
            raise ParameterError(
                f"the labels of {root} are weights of classes ({LABELS_NAME}), which protect cannot carry over; "
                f"mix among images of one class (--partners same)"
            )
    elif profile.kind != "plain":
        raise ParameterError(f"the images of {root} are protected already ({profile.summary()}); give the plain ones")
    source.rejects = [reject for reject in source.rejects if reject[0] != PROFILE_NAME]
    return source
