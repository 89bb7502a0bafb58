"""The laws, over every pair of forms."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from permutation_forms import FORMS, NIBBLE_FORMS, apply_slowly, forms, grids, images, laws, make, seeds, tables_slowly

from blindsight.algebra import BlockGrid, BlockPermutation, SignedPermutation, TilePermutation, kernels
from blindsight.errors import ParameterError

GRID = BlockGrid(4, 6, 3, 2)


# --- what it does to images -------------------------------------------------------------------------------------------


@laws
@given(grids(), forms, seeds)
def test_apply_is_the_definition(grid, form, seed):
    permutation, image = make(form, grid, seed), images(grid, seed)
    assert np.array_equal(permutation.apply(image), apply_slowly(permutation, image))
    assert np.array_equal(permutation.apply(image), tables_slowly(permutation, image))


@laws
@given(grids(), forms, seeds)
def test_every_form_agrees_with_its_flat_form(grid, form, seed):
    permutation, image = make(form, grid, seed), images(grid, seed)
    flat = permutation.flat()
    assert type(flat) is SignedPermutation
    assert flat == permutation
    assert permutation == flat
    assert np.array_equal(flat.apply(image), permutation.apply(image))


@laws
@given(grids(), forms, seeds)
def test_bytes_are_pairs_of_nibbles(grid, form, seed):
    permutation, image = make(form, grid, seed), images(grid, seed)
    nibbles = permutation.as_nibbles()
    assert nibbles.sample == "nibble"
    assert nibbles == permutation
    assert np.array_equal(nibbles.apply(image), permutation.apply(image))


@laws
@given(grids(), forms, seeds)
def test_any_leading_dimensions(grid, form, seed):
    permutation, batch = make(form, grid, seed), images(grid, seed, 2, 3)
    expected = np.stack([np.stack([permutation.apply(image) for image in group]) for group in batch])
    assert np.array_equal(permutation.apply(batch), expected)
    assert np.array_equal(permutation.apply(batch[0]), expected[0])
    with kernels.use("numpy"):
        assert np.array_equal(permutation(batch), expected)
        assert permutation(batch[:, :0]).shape == (2, 0, *grid.shape)
    assert permutation(batch[:, :0]).shape == (2, 0, *grid.shape)


@laws
@given(forms, seeds)
def test_grayscale_needs_no_channel_axis(form, seed):
    grid = BlockGrid(4, 6, 1, 2)
    permutation, batch = make(form, grid, seed), images(grid, seed, 2)
    assert np.array_equal(permutation.apply(batch[..., 0]), permutation.apply(batch)[..., 0])
    assert permutation.apply(batch[0, ..., 0]).shape == (4, 6)


@pytest.mark.parametrize("form", FORMS)
def test_the_input_is_left_as_it_is(form):
    permutation, image = make(form, GRID, 0), images(GRID, 0)
    before = image.copy()
    result = permutation.apply(image)
    assert np.array_equal(image, before)
    assert not np.shares_memory(result, image)
    assert result.dtype == np.uint8
    assert result.flags.writeable


@pytest.mark.parametrize("form", FORMS)
def test_any_memory_layout(form):
    permutation, image = make(form, GRID, 0), images(GRID, 0)
    expected = permutation.apply(image)
    read_only = image.copy()
    read_only.flags.writeable = False
    layouts = [
        read_only,
        np.asfortranarray(image),
        np.repeat(image, 2, axis=1)[:, ::2],
        np.ascontiguousarray(image[::-1, :, ::-1])[::-1, :, ::-1],
        np.ascontiguousarray(image.transpose(2, 0, 1)).transpose(1, 2, 0),
    ]
    for layout in layouts:
        assert np.array_equal(permutation.apply(layout), expected)


# --- the group --------------------------------------------------------------------------------------------------------


@laws
@given(grids(), forms, seeds)
def test_the_inverse_undoes_on_both_sides(grid, form, seed):
    permutation, image = make(form, grid, seed), images(grid, seed)
    inverse = permutation.inverse()
    one = SignedPermutation.identity(grid.shape)
    assert type(inverse) is type(permutation)
    assert np.array_equal(inverse.apply(permutation.apply(image)), image)
    assert inverse @ permutation == one
    assert permutation @ inverse == one
    assert inverse.inverse() == permutation


@laws
@given(grids(), forms, forms, seeds)
def test_a_product_applies_the_right_factor_first(grid, form, other, seed):
    a, b, image = make(form, grid, seed), make(other, grid, seed + 1), images(grid, seed)
    product = a @ b
    expected = a.apply(b.apply(image))
    assert np.array_equal(product.apply(image), expected)
    assert np.array_equal(apply_slowly(product, image), expected)
    assert product.inverse() == b.inverse() @ a.inverse()


@laws
@given(grids(), forms, forms, forms, seeds)
def test_products_associate(grid, one, two, three, seed):
    a, b, c = (make(form, grid, seed + k) for k, form in enumerate((one, two, three)))
    assert (a @ b) @ c == a @ (b @ c)


@laws
@given(grids(), forms, seeds)
def test_the_identity_is_neutral(grid, form, seed):
    permutation, image = make(form, grid, seed), images(grid, seed)
    for one in (SignedPermutation.identity(grid.shape), BlockPermutation(grid), TilePermutation(grid, None)):
        assert one @ permutation == permutation == permutation @ one
        assert np.array_equal(one.apply(image), image)
    assert SignedPermutation.identity(grid.shape, sample="nibble") == BlockPermutation(grid)


@laws
@given(grids(), forms, forms, seeds)
def test_equality_is_by_effect(grid, form, other, seed):
    a, b = make(form, grid, seed), make(other, grid, seed + 1)
    same = np.array_equal(a.as_nibbles().index, b.as_nibbles().index)
    same = same and np.array_equal(a.as_nibbles().mask, b.as_nibbles().mask)
    assert (a == b) == (b == a) == same
    assert a == make(form, grid, seed)


def test_equality_with_other_things():
    permutation = make("blocks", GRID, 0)
    assert permutation != "blocks"
    assert permutation != SignedPermutation.identity((4, 6, 1))
    with pytest.raises(TypeError, match="unhashable"):
        hash(permutation)


def test_only_permutations_of_one_shape_compose():
    a = make("blocks", GRID, 0)
    with pytest.raises(ParameterError, match=r"cannot compose permutations of \(4, 6, 3\) and \(6, 4, 3\) images"):
        a @ BlockPermutation(BlockGrid(6, 4, 3, 2))
    for other in (images(GRID, 0), 3):
        with pytest.raises(TypeError):
            a @ other
        with pytest.raises(TypeError):
            other @ a


# --- tables and their owners ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_tables_cannot_be_written_to(form):
    permutation = make(form, GRID, 0)
    names = {"source", "orientation", "negative", "color", "tile_index", "tile_mask"} & set(vars(permutation))
    tables = [getattr(permutation, name) for name in names]
    if type(permutation) is SignedPermutation:
        tables += [permutation.index, permutation.mask]
    assert tables
    for table in tables:
        with pytest.raises(ValueError, match="read-only"):
            table[0] = 0


def test_tables_do_not_change_with_the_arrays_they_were_made_from():
    index, mask = np.arange(72)[::-1].copy(), np.zeros(72, np.uint8)
    flat = SignedPermutation(GRID.shape, index, mask)
    source, orientation = np.arange(6)[::-1].copy(), np.full(6, 3, np.uint8)
    blocks = BlockPermutation(GRID, source, orientation)
    tile_index, tile_mask = np.arange(12)[None, ::-1].copy(), np.zeros((1, 12), np.uint8)
    tiles = TilePermutation(GRID, None, tile_index, tile_mask)
    before = [p.apply(images(GRID, 0)) for p in (flat, blocks, tiles)]
    for array in (index, mask, source, orientation, tile_index, tile_mask):
        array.reshape(-1)[:2] = 1
    after = [p.apply(images(GRID, 0)) for p in (flat, blocks, tiles)]
    assert all(np.array_equal(new, old) for new, old in zip(after, before, strict=True))


@pytest.mark.parametrize("form", FORMS)
def test_copies_are_the_permutation_itself(form):
    permutation = make(form, GRID, 0)
    assert copy.copy(permutation) is permutation
    assert copy.deepcopy({"inside": permutation})["inside"] is permutation


@pytest.mark.parametrize("form", FORMS)
def test_the_repr_shows_no_tables(form):
    permutation = make(form, GRID, 0)
    name, sample = type(permutation).__name__, "nibble" if form in NIBBLE_FORMS else "byte"
    assert repr(permutation) == str(permutation) == f"{name}(shape=(4, 6, 3), sample='{sample}')"


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((4, 6, 3)), "images must be uint8, got float64; encrypt pixels before normalising them"),
        (np.zeros((4, 6, 3), np.int8), "images must be uint8, got int8"),
        (np.zeros((6, 4, 3), np.uint8), r"acts on images of \(H, W, C\) = \(4, 6, 3\), got \(..., H, W, C\) = \(6, 4"),
        (np.zeros((4, 6), np.uint8), r"got \(..., H, W, C\) = \(4, 6\)"),
        (np.zeros((3, 4, 6), np.uint8), r"got \(..., H, W, C\) = \(3, 4, 6\)"),
        (np.zeros(72, np.uint8), r"got \(..., H, W, C\) = \(72,\)"),
        ([[0]], "images must be a NumPy array or a torch tensor, got list"),
        (None, "got NoneType"),
    ],
)
def test_images_that_do_not_fit(images, message):
    with pytest.raises(ParameterError, match=message):
        make("blocks", GRID, 0).apply(images)


def test_arrays_need_no_torch():
    script = """
import sys
sys.modules["torch"] = None
import numpy as np
from blindsight.algebra import BlockGrid, BlockPermutation
from blindsight.errors import ParameterError
one = BlockPermutation(BlockGrid(2, 2, 3, 1))
assert one.apply(np.zeros((2, 2, 3), np.uint8)).shape == (2, 2, 3)
try:
    one.apply(["no image"])
except ParameterError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "images must be a NumPy array or a torch tensor, got list"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((2, 2), [0, 1, 2, 3]), r"acts on images of a shape \(H, W, C\), got \(2, 2\)"),
        (((0, 2, 1), []), r"acts on images of a shape \(H, W, C\), got \(0, 2, 1\)"),
        (((2, 2, 1), [0, 1, 2]), r"of \(2, 2, 1\) bytes needs index and mask of 4 entries, got \(3,\) and \(4,\)"),
        (((2, 2, 1), [0, 1, 2, 3], [0]), r"got \(4,\) and \(1,\)"),
        (((2, 2, 1), [0, 1, 2, 4]), "index must hold every number from 0 to 3 once; some are out of range"),
        (((2, 2, 1), [0, 1, 2, -1]), "some are out of range"),
        (((2, 2, 1), [0, 1, 2, 2]), "index must hold every number from 0 to 3 once; some repeat"),
        (((2, 2, 1), [0.0, 1.0, 2.0, 3.0]), "index must hold integers, got float64"),
        (((2, 2, 1), [0, 1, 2, 3], [0, 0, 0, 256]), "mask entries of bytes must be 0 to 255, got 0 to 256"),
        (((2, 2, 1), [0, 1, 2, 3], [0, 0, 0, -1]), "mask entries of bytes must be 0 to 255, got -1 to 0"),
        (((2, 2, 1), [0, 1, 2, 3], [0.5] * 4), "mask must hold integers, got float64"),
    ],
)
def test_impossible_flat_tables(arguments, message):
    with pytest.raises(ParameterError, match=message):
        SignedPermutation(*arguments)


def test_nibbles_have_tables_of_their_own():
    with pytest.raises(ParameterError, match="nibbles needs index and mask of 8 entries"):
        SignedPermutation((2, 2, 1), range(4), sample="nibble")
    with pytest.raises(ParameterError, match="mask entries of nibbles must be 0 to 15, got 16 to 16"):
        SignedPermutation((2, 2, 1), range(8), [16] * 8, sample="nibble")
    with pytest.raises(ParameterError, match="sample must be 'byte' or 'nibble', got 'bit'"):
        SignedPermutation((2, 2, 1), range(4), sample="bit")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_tables_which_stand_for_a_key_are_not_pickled(form, protocol):
    permutation = make(form, GRID, 1)
    with pytest.raises(TypeError) as caught:
        pickle.dumps({"inside": permutation}, protocol)
    assert str(caught.value).splitlines()[0] == (
        f"a {type(permutation).__name__} is never pickled, since its tables stand for the key; "
        f"give the other process a KeyReference and compile again there"
    )
