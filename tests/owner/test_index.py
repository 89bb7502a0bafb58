import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindsight.errors import CorruptDataError, OutputError
from blindsight.owner.index import ImageRecord, Index, class_names, default_index, digest
from protect_helpers import refused

RECORD = ImageRecord("a/x.png", "x", 0, "train", "a", "a/1.jpg", 40, 30, 999)
text = st.text(st.characters(codec="utf-8"), max_size=12)
records = st.builds(
    ImageRecord, text, text, st.integers(0, 9), text, text, text, st.integers(0), st.integers(0), st.integers(0)
)


@pytest.fixture
def index(tmp_path):
    index = Index(tmp_path / "out.owner")
    index.create()
    index.write_images([RECORD])
    index.write_classes({"abc": "cat"})
    index.write("job.json", json.dumps({"label": "photos"}))
    return index


@given(st.lists(records, max_size=6))
def test_records_come_back_whatever_is_in_them(tmp_path_factory, many):
    index = Index(tmp_path_factory.getbasetemp())
    index.write_images(many)
    assert index.images() == sorted(many)


@given(st.dictionaries(text, text, max_size=6))
def test_class_names_come_back_whatever_is_in_them(tmp_path_factory, names):
    folder = tmp_path_factory.getbasetemp()
    Index(folder).write_classes(names)
    assert class_names(folder) == names


def test_the_digest_tells_lists_of_records_apart_and_not_their_order():
    other = replace(RECORD, file="b.png")
    assert digest([RECORD, other]) == digest([other, RECORD]) != digest([RECORD])
    assert digest([RECORD]) != digest([replace(RECORD, bytes=1)])
    assert digest([RECORD]).startswith("1 images, ")


def test_an_index_lies_beside_the_output(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert default_index(tmp_path / "out") == tmp_path / "out.owner"
    assert default_index(tmp_path.relative_to(tmp_path) / "out") == tmp_path / "out.owner"
    assert default_index(tmp_path / "sub" / "..") == tmp_path.with_name(tmp_path.name + ".owner")


def test_an_index_is_for_the_owner_alone(tmp_path):
    (tmp_path / "i").mkdir(mode=0o755)
    Index(tmp_path / "i").create()
    assert (tmp_path / "i").stat().st_mode & 0o777 == 0o700


def test_a_folder_of_other_things_does_not_become_an_index(tmp_path):
    (tmp_path / "thesis.tex").touch()
    mode = tmp_path.stat().st_mode
    text = refused(OutputError, Index(tmp_path).create)
    assert text == f"{tmp_path} is not empty and not an index; choose another folder for the index"
    assert tmp_path.stat().st_mode == mode


def test_nothing_is_left_half_written(index):
    with pytest.raises(UnicodeEncodeError):
        index.write("classes.json", "x" * 99_999 + "\ud800")
    assert index.classes() == {"abc": "cat"}


READERS = [("images.csv", Index.images), ("classes.json", Index.classes), ("job.json", Index.label)]


@pytest.mark.parametrize(("name", "read"), READERS)
def test_a_missing_index_is_said(tmp_path, name, read):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "none", tmp_path / "file", tmp_path):
        text = refused(OutputError, read, Index(folder))
        assert text == f"no index at {folder}; give the folder that protect wrote with --index"
    (tmp_path / name).mkdir()
    assert refused(OutputError, read, Index(tmp_path)) == f"cannot read {tmp_path / name}: Is a directory"


DAMAGE = {
    "images.csv": [
        "",
        "file,id\nx,y\n",
        "file,id,view,split,class_name,path,height,width,bytes\na,b,c,d,e,f,g,h,i\n",
        "file,id,view,split,class_name,path,height,width,bytes\na,b,0\n",
        'file,id,view,split,class_name,path,height,width,bytes\n"a"b,0,1\n',
    ],
    "classes.json": ["", "{", "[]", "3", "\x00"],
    "job.json": ["", "{", "[]", "{}", "3"],
}


@pytest.mark.parametrize(("name", "read"), READERS)
def test_a_damaged_index_is_said(index, name, read):
    for content in DAMAGE[name]:
        if name == "images.csv" and not content:
            content = "file\nx\n"
        (index.folder / name).write_text(content)
        text = refused(CorruptDataError, read, index)
        assert text.startswith(f"{index.folder / name} is damaged (")
        assert text.endswith("; restore it from a backup")


def test_the_label_is_the_one_that_ids_are_made_of(index):
    assert index.label() == "photos"


def test_an_index_from_before_mixing_is_read(tmp_path):
    index = Index(tmp_path / "index")
    index.create()
    record = ImageRecord("a/x.png", "x", 0, "", "a", "a/1.png", 8, 8, 100)
    index.write_images([record])
    path = tmp_path / "index/images.csv"
    lines = [line.rpartition(",")[0] for line in path.read_text().splitlines()]
    assert lines[0].endswith('"bytes"')
    path.write_text("\n".join(lines) + "\n")
    assert index.images() == [record]
