"""The journal: one line a file, whatever is in it."""

from hypothesis import given
from hypothesis import strategies as st

from blindsight.owner._journal import Batch, journal_line, read_journal
from blindsight.owner.index import ImageRecord

text = st.text(max_size=6)
records = st.builds(
    ImageRecord,
    **dict.fromkeys(["file", "id", "split", "class_name", "path"], text),
    **dict.fromkeys(["view", "height", "width", "bytes"], st.integers(0, 99)),
)


@given(st.lists(records, max_size=3), st.lists(st.tuples(text, text), max_size=3))
def test_a_line_is_one_line_of_ascii_and_comes_back(tmp_path_factory, images, rejects):
    folder = tmp_path_factory.getbasetemp()
    (folder / "made").write_bytes(b"whole")
    batch = Batch(images, rejects, 5)
    line = journal_line("made", batch)
    assert line.isascii()
    assert line.index("\n") == len(line) - 1
    (folder / "journal").write_text(line)
    assert read_journal(folder / "journal", folder, {"made"}) == {"made": batch}
    assert read_journal(folder / "journal", folder, {"other"}) == {}


def test_a_file_of_another_size_or_none_is_made_again(tmp_path):
    (tmp_path / "journal").write_text(journal_line("a", Batch([], [], 5)) + journal_line("b", Batch([], [], 0)))
    assert set(read_journal(tmp_path / "journal", tmp_path, {"a", "b"})) == {"b"}
    assert read_journal(tmp_path / "absent", tmp_path, {"a"}) == {}
