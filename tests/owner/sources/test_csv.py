import os

import pytest

from blindsight.errors import ParameterError
from blindsight.owner.sources import CsvSource
from protect_helpers import refused, write_image


@pytest.fixture
def listed(tmp_path):
    def listed(text, encoding="utf-8"):
        (tmp_path / "list.csv").write_bytes(text.encode(encoding))
        return CsvSource(tmp_path / "list.csv")

    return listed


def seen(source):
    return [(item.path, item.split, item.label) for item in source.items]


def test_paths_are_relative_to_the_file(listed, tmp_path):
    write_image(tmp_path / "images/1.png")
    source = listed("path,label\nimages/1.png,cat\n")
    assert seen(source) == [("images/1.png", None, "cat")]
    assert source.read(source.items[0]) == tmp_path / "images/1.png"
    assert source.label == "list"


@pytest.mark.parametrize("path", ["path", "file", "filename", "image", " Path ", "FILE"])
@pytest.mark.parametrize("label", ["label", "class", "target", "Label"])
def test_columns_have_several_names(listed, path, label):
    assert seen(listed(f"{label},{path},more\ncat,1.png,x\n")) == [("1.png", None, "cat")]


def test_a_byte_order_mark_and_windows_lines(listed):
    assert seen(listed("path,label\r\n1.png,cat\r\n", "utf-8-sig")) == [("1.png", None, "cat")]


def test_splits(listed):
    source = listed("path,label,split\n1.png,cat,train\n2.png,cat,Valid\n3.png,dog,test\n")
    assert [item.split for item in source.items] == ["train", "val", "test"]


def test_without_labels_images_are_unlabelled(listed):
    assert seen(listed("path\n2.png\n1.png\n")) == [("1.png", None, None), ("2.png", None, None)]


def test_values_are_trimmed_and_quoted_ones_may_hold_commas_and_lines(listed):
    source = listed(
        'path,label\n " a,b.png" , cat \n"c.png","two\nlines"\n'.replace(' " a', '" a').replace('" ,', '",')
    )
    assert seen(source) == [("a,b.png", None, "cat"), ("c.png", None, "two\nlines")]


def test_ids_never_depend_on_where_the_images_lie(listed, tmp_path):
    source = listed(f"path,label\n{tmp_path}/1.png,a\n../x/2.png,a\n./y/../3.png,a\nz\\4.png,a\n")
    paths = [item.path for item in source.items]
    assert sorted(paths) == sorted([f"{tmp_path}/1.png".lstrip("/"), "x/2.png", "y/3.png", "z/4.png"])
    files = {item.path: source.read(item) for item in source.items}
    assert files["x/2.png"] == tmp_path / "../x/2.png"
    assert files[f"{tmp_path}/1.png"[1:]] == tmp_path / "1.png"


def test_an_image_that_is_listed_twice_is_taken_once(listed):
    source = listed("path,label\n1.png,cat\n1.png,dog\n2.png,dog\n")
    assert [item.path for item in source.items] == ["1.png", "2.png"]
    ((path, reason),) = source.rejects
    assert path == "1.png"
    assert reason.startswith("listed twice")


def test_the_fingerprint_changes_with_the_file(listed, tmp_path):
    source = listed("path,label\n1.png,cat\n")
    assert source.fingerprint(source.items[0]) == "missing"
    write_image(tmp_path / "1.png")
    before = source.fingerprint(source.items[0])
    assert before == source.fingerprint(source.items[0]) != "missing"
    os.utime(tmp_path / "1.png", (1, 1))
    assert source.fingerprint(source.items[0]) != before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "{} needs a header with a column 'path', got: nothing"),
        ("name,label\n1.png,cat\n", "{} needs a header with a column 'path', got: name, label"),
        ("path;label\n1.png;cat\n", "{} needs a header with a column 'path', got: path;label"),
        ("path,label\n,cat\n", "{}, line 2: the path is empty"),
        ("path,label\n1.png,cat\n\n2.png\n", "{}, line 4: the label is empty"),
        ('path,label\n"1\n.png",cat\n2.png,\n', "{}, line 4: the label is empty"),
        ("path,label,split\n1.png,cat,dev\n", "{}, line 2: split 'dev' is not one of train, val, test"),
        (
            "path,label,split\n1.png,cat,train\n2.png,cat,\n",
            "{}: some rows have a split and some have none; give every row one",
        ),
        (
            "path,label,split\n1.png,cat,train\n1.png,cat,\n",
            "{}: some rows have a split and some have none; give every row one",
        ),
        ("path,label\na\0b.png,cat\n", "{}, line 2: the path 'a\\x00b.png' cannot exist; correct it"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(listed, tmp_path, text, message):
    assert refused(ParameterError, listed, text) == message.format(tmp_path / "list.csv")


def test_a_list_of_nothing(listed):
    assert refused(ParameterError, listed, "path,label\n").startswith("no images in list")


def test_what_is_no_csv(listed, tmp_path):
    for text, encoding in [('path,label\n"1.png,cat\n', "utf-8"), ("path,label\ncafé.png,cat\n", "latin-1")]:
        assert f"cannot read {tmp_path / 'list.csv'} as UTF-8 CSV: " in refused(ParameterError, listed, text, encoding)
    assert "No such file" in refused(ParameterError, CsvSource, tmp_path / "none.csv")
