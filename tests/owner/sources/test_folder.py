import os
import unicodedata
from pathlib import Path

import pytest

from blindsight.errors import ParameterError
from blindsight.owner.sources import FolderSource, open_source
from protect_helpers import refused, write_folder, write_image


def make(root, *files):
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


def seen(source):
    return [(item.path, item.split, item.label) for item in source.items]


def test_class_folders(tmp_path):
    source = FolderSource(make(tmp_path / "pets", "dog/1.png", "cat/2.JPG", "cat/no suffix"))
    assert seen(source) == [("cat/2.JPG", None, "cat"), ("cat/no suffix", None, "cat"), ("dog/1.png", None, "dog")]
    assert source.label == "pets"
    assert source.classes() == ["cat", "dog"]
    assert source.rejects == []
    assert [source.read(item) for item in source.items] == [tmp_path / "pets" / path for path, *_ in seen(source)]


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        ("train", "train"),
        ("Training", "train"),
        ("val", "val"),
        ("valid", "val"),
        ("VALIDATION", "val"),
        ("test", "test"),
    ],
)
def test_split_folders_under_their_usual_names(tmp_path, folder, split):
    source = FolderSource(make(tmp_path, f"{folder}/cat/1.png"))
    assert seen(source) == [(f"{folder}/cat/1.png", split, "cat")]


def test_images_deeper_down_belong_to_the_class_above(tmp_path):
    source = FolderSource(make(tmp_path, "train/cat/a/b/1.png", "val/cat/1.png"))
    assert seen(source) == [("train/cat/a/b/1.png", "train", "cat"), ("val/cat/1.png", "val", "cat")]


def test_images_alone_are_unlabelled(tmp_path):
    source = FolderSource(make(tmp_path, "2.png", "1.png"))
    assert seen(source) == [("1.png", None, None), ("2.png", None, None)]
    assert source.classes() == []
    (tmp_path / ".git").mkdir()
    (tmp_path / "linked").symlink_to("/usr")
    source = FolderSource(tmp_path)
    assert [path for path, *_ in seen(source)] == ["1.png", "2.png"]
    assert sorted(path for path, _ in source.rejects) == [".git", "linked"]


@pytest.mark.parametrize(("file", "reject"), [("loose.png", "loose.png"), ("cat/../Thumbs.db", "Thumbs.db")])
def test_what_lies_outside_the_classes_is_a_reject(tmp_path, file, reject):
    source = FolderSource(make(tmp_path, "cat/1.png", file))
    assert source.rejects == [(reject, "outside the class folders; move it into one")]


def test_images_of_a_split_without_classes_are_rejects(tmp_path):
    source = FolderSource(make(tmp_path, "train/cat/1.png", "train/2.png", "test/3.png"))
    assert sorted(path for path, _ in source.rejects) == ["test/3.png", "train/2.png"]


@pytest.mark.parametrize("files", [["train/cat/1.png", "dog/1.png"], ["test/1.png", "cat/1.png", "val/1.png"]])
def test_splits_and_classes_side_by_side_are_refused(tmp_path, files):
    text = refused(ParameterError, FolderSource, make(tmp_path, *files))
    assert text.startswith(f"{tmp_path} has folders of splits (")
    assert text.endswith("side by side; move the others out, or rename classes that have the name of a split")


def test_nothing_to_protect(tmp_path):
    text = refused(ParameterError, FolderSource, tmp_path)
    assert text == f"no images in {tmp_path.name}; expected CLASS/IMAGE or SPLIT/CLASS/IMAGE"
    make(tmp_path, "1.png", "cat/.gitkeep")
    (tmp_path / "cat/.gitkeep").unlink()
    assert "; 1 other entries were found;" in refused(ParameterError, FolderSource, tmp_path)


def test_links_and_hidden_folders_are_not_followed(tmp_path):
    make(tmp_path / "p", "cat/1.png", "cat/.ipynb_checkpoints/1.png", ".git/objects/1")
    (tmp_path / "p/cat/loop").symlink_to(tmp_path / "p")
    (tmp_path / "p/away").symlink_to("/")
    (tmp_path / "p/cat/gone.png").symlink_to("nowhere")
    source = FolderSource(tmp_path / "p")
    assert [path for path, *_ in seen(source)] == ["cat/1.png"]
    assert dict(source.rejects) == {
        ".git": "a hidden folder; not read",
        "away": "a link to a folder; not followed",
        "cat/.ipynb_checkpoints": "a hidden folder; not read",
        "cat/gone.png": "cannot be opened: No such file or directory",
        "cat/loop": "a link to a folder; not followed",
    }


def test_a_linked_file_is_an_image_like_any_other(tmp_path):
    make(tmp_path, "store/1.png")
    (tmp_path / "p/cat").mkdir(parents=True)
    (tmp_path / "p/cat/1.png").symlink_to(tmp_path / "store/1.png")
    assert [path for path, *_ in seen(FolderSource(tmp_path / "p"))] == ["cat/1.png"]


def test_names_are_in_unicode_normal_form_c(tmp_path):
    composed, decomposed = "caf\u00e9", unicodedata.normalize("NFD", "caf\u00e9")
    source = FolderSource(make(tmp_path, f"{decomposed}/{decomposed}.png", "a/1.png"))
    assert (f"{composed}/{composed}.png", None, composed) in seen(source)
    assert source.read(source.items[1]).exists()
    source = FolderSource(make(tmp_path, f"{composed}/{composed}.png"))
    assert len(source.items) == 2
    ((path, reason),) = source.rejects
    assert path == f"{composed}/{composed}.png"
    assert "another Unicode spelling" in reason


def test_file_names_that_are_not_unicode_are_escaped(tmp_path):
    (tmp_path / "cat").mkdir()
    try:
        Path(os.fsdecode(os.fsencode(tmp_path / "cat") + b"/caf\xe9.png")).touch()
    except OSError:
        pytest.skip("this file system takes Unicode only")
    source = FolderSource(tmp_path)
    assert seen(source) == [("cat/caf\\udce9.png", None, "cat")]
    assert source.read(source.items[0]).exists()


def test_the_fingerprint_changes_with_the_file(tmp_path):
    def fingerprint():
        source = FolderSource(tmp_path)
        return source.fingerprint(source.items[0])

    make(tmp_path, "cat/1.png")
    before = fingerprint()
    assert fingerprint() == before
    os.utime(tmp_path / "cat/1.png", (1, 1))
    assert fingerprint() != before


def test_folders_that_cannot_be_read(tmp_path, monkeypatch):
    make(tmp_path, "cat/1.png", "dog/1.png")
    genuine = os.scandir

    def scandir(path):
        if denied in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return genuine(path)

    monkeypatch.setattr(os, "scandir", scandir)
    denied = "dog"
    source = FolderSource(tmp_path)
    assert source.rejects == [("dog", "a folder that cannot be read: Permission denied")]
    denied = str(tmp_path)
    assert refused(ParameterError, FolderSource, tmp_path) == f"cannot read the folder {tmp_path}: Permission denied"


# Opening by name


def test_opening_by_what_is_there(tmp_path):
    write_folder(tmp_path / "photos.csv", ["a/1.png"])  # a folder, whatever its name
    assert type(open_source(tmp_path / "photos.csv")).__name__ == "FolderSource"
    (tmp_path / "LIST.CSV").write_text("path\nphotos.csv/a/1.png\n")
    assert type(open_source(str(tmp_path / "LIST.CSV"))).__name__ == "CsvSource"


def test_what_is_no_data_set_is_refused(tmp_path):
    image = write_image(tmp_path / "1.png")
    text = refused(ParameterError, open_source, image)
    assert text == f"{image} is neither a folder nor a .csv or .npz file; give one of these"
    text = refused(ParameterError, open_source, "cifar11")
    assert text.startswith("no folder or file cifar11, and no data set of that name; data sets by name: caltech101, ")
