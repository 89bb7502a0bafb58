"""Soft labels: what is written comes back, and what is damaged is said."""

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindsight.errors import CorruptDataError
from blindsight.labels import LABELS_NAME, label_path, labels_csv, read_labels, read_weights

CLASSES = ("zebra", "ant", 'a, "class" with\nodd characters', "Ä")
HEADER = "image,class,weight\n"


@st.composite
def soft_labels(draw: st.DrawFn) -> dict[str, dict[str, float]]:
    paths = draw(st.lists(st.text("abc/-,.\"'\r\n é", min_size=1, max_size=12), unique_by=label_path, max_size=8))
    found = {}
    for path in paths:
        names = draw(st.lists(st.sampled_from(CLASSES), unique=True, min_size=1))
        shares = np.array([draw(st.floats(1e-6, 1)) for _ in names])
        found[label_path(path)] = dict(zip(names, (shares / shares.sum()).tolist(), strict=True))
    return found


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("labels") / LABELS_NAME


@given(weights=soft_labels())
def test_what_is_written_comes_back_to_the_last_bit(file: Path, weights: dict[str, dict[str, float]]) -> None:
    file.write_text(labels_csv(weights), encoding="utf-8", newline="")
    assert read_weights(file, CLASSES) == weights
    rows = read_labels(file, CLASSES)
    assert rows.keys() == weights.keys()
    for path, row in rows.items():
        assert row.dtype == np.float32
        assert row.shape == (len(CLASSES),)
        assert row.tolist() == [float(np.float32(weights[path].get(name, 0))) for name in CLASSES]


@given(weights=soft_labels(), seed=st.integers(0, 99))
def test_the_order_of_what_comes_in_changes_no_byte(weights: dict[str, dict[str, float]], seed: int) -> None:
    def shuffled(items: dict) -> dict:  # type: ignore[type-arg]
        return dict(random.Random(seed).sample(list(items.items()), len(items)))

    other = shuffled({path: shuffled(classes) for path, classes in weights.items()})
    assert labels_csv(other) == labels_csv(weights)


def test_the_bytes() -> None:
    text = labels_csv({"train/b/2.png": {"b": 0.75, "a": 0.25}, "train/a/1.png": {"a": 1.0}, "a,b.png": {"a": 1e-7}})
    assert text == (
        'image,class,weight\n"a,b.png",a,0.0000001\ntrain/a/1.png,a,1\ntrain/b/2.png,a,0.25\ntrain/b/2.png,b,0.75\n'
    )


def test_both_spellings_of_an_umlaut_are_one_path(tmp_path: Path) -> None:
    file = tmp_path / LABELS_NAME
    file.write_text(HEADER + "a\u0308.png,ant,1\n", encoding="utf-8")
    assert list(read_labels(file, CLASSES)) == ["\u00e4.png"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"line 1: the header is '', expected image,class,weight"),
        ("image,weight\n", r"line 1: the header is 'image,weight', expected image,class,weight"),
        (HEADER + "x.png,ant\n", r"line 2: 2 columns, expected image,class,weight"),
        (HEADER + "x.png,ant,1,1\n", r"line 2: 4 columns"),
        (HEADER + "\n", r"line 2: 0 columns"),
        (HEADER + "x.png,yak,1\n", r"line 2: class 'yak' is none of the 4 known ones"),
        (HEADER + "x.png,ant,one\n", r"line 2: the weight 'one' is no number"),
        (HEADER + "x.png,ant,nan\n", r"line 2: the weight 'nan' is no number"),
        (HEADER + "x.png,ant,1_0\n", r"line 2: the weight '1_0' is no number"),
        (HEADER + "x.png,ant,\u0661\n", r"line 2: the weight '\\u0661' is no number"),
        (HEADER + "x.png,ant,1.5\nx.png,zebra,-0.5\n", r"line 3: the weight '-0.5' is negative"),
        (HEADER + "x.png,ant,0.5\nx.png,ant,0.5\n", r"line 3: class 'ant' of 'x.png' stands there twice"),
        (HEADER + "x.png,ant,0.5\nx.png,zebra,0.4998\n", r"the weights of 'x.png' sum to 0.9998, expected 1"),
        (HEADER + "x.png,ant,1e999\n", r"the weights of 'x.png' sum to inf, expected 1"),
        (HEADER + '"x.png,ant,1\n', r"is damaged \(unexpected end of data\)"),
        (HEADER + '"x"y.png,ant,1\n', r"is damaged"),
        (HEADER + "x" * 70_000 + ",ant,1\n", r"line 2: a line of 65536 characters or more"),
        (HEADER + '"' + ("x" * 1000 + "\n") * 200 + '",ant,1\n', r"is damaged \(field larger than field limit"),
    ],
)
def test_what_is_damaged_is_said(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / LABELS_NAME
    file.write_text(text, encoding="utf-8")
    with pytest.raises(CorruptDataError, match=message) as caught:
        read_labels(file, CLASSES)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_sums_may_be_off_by_rounding(tmp_path: Path) -> None:
    file = tmp_path / LABELS_NAME
    file.write_text(HEADER + "x.png,ant,0.33333\nx.png,zebra,0.66666\n")
    assert read_labels(file, CLASSES)["x.png"][:2].tolist() == pytest.approx([0.66666, 0.33333])


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CorruptDataError, match=r"cannot read .*labels\.csv: No such file"):
        read_labels(tmp_path / LABELS_NAME, CLASSES)
    (tmp_path / LABELS_NAME).write_bytes(b"image,class,weight\n\xff.png,ant,1\n")
    with pytest.raises(CorruptDataError, match="is not UTF-8 text"):
        read_labels(tmp_path / LABELS_NAME, CLASSES)
