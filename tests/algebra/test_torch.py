"""Tensors are channel-first; otherwise all is as for arrays."""

import numpy as np
import pytest
from hypothesis import given
from permutation_forms import FORMS, forms, grids, images, laws, make, seeds

from blindsight.algebra import BlockGrid
from blindsight.errors import ParameterError

torch = pytest.importorskip("torch")
from blindsight.algebra import _torch  # noqa: E402

GRID = BlockGrid(4, 6, 3, 2)


def to_tensor(array):
    """(..., H, W, C) array -> (..., C, H, W) tensor."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(array, -1, -3)))


@laws
@given(grids(), forms, seeds)
def test_tensors_and_arrays_agree(grid, form, seed):
    permutation, batch = make(form, grid, seed), images(grid, seed, 2, 3)
    for array in (batch, batch[0], batch[0, 0], batch[:, :0]):
        result = permutation.apply(to_tensor(array))
        assert torch.equal(result, to_tensor(permutation.apply(array)))
        assert result.dtype == torch.uint8
        assert result.is_contiguous()


@laws
@given(grids(), forms, seeds)
def test_the_gather_for_other_devices_agrees(grid, form, seed):
    """Run on the CPU, where its result can be seen; no other device is needed."""
    permutation, batch = make(form, grid, seed), images(grid, seed, 2, 3)
    for array in (batch, batch[0, 0], batch[:, :0]):
        assert torch.equal(_torch.gather(permutation, to_tensor(array)), to_tensor(permutation.apply(array)))


@pytest.mark.parametrize("form", FORMS)
def test_other_devices_take_the_gather(form):
    permutation = make(form, GRID, 0)
    result = permutation.apply(torch.empty((2, 3, 4, 6), dtype=torch.uint8, device="meta"))
    assert (result.device.type, result.dtype, result.shape) == ("meta", torch.uint8, (2, 3, 4, 6))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("form", FORMS)
def test_on_a_cuda_device(form):
    permutation, tensor = make(form, GRID, 0), to_tensor(images(GRID, 0, 2))
    result = permutation.apply(tensor.cuda())
    assert result.device.type == "cuda"
    assert torch.equal(result.cpu(), permutation.apply(tensor))


def test_tables_are_built_once_a_device():
    permutation = make("blocks", GRID, 0)
    tensor = to_tensor(images(GRID, 0))
    first = _torch.gather(permutation, tensor)
    tables = permutation._device_tables["cpu"]
    assert torch.equal(_torch.gather(permutation, tensor), first)
    assert permutation._device_tables["cpu"] is tables


@pytest.mark.parametrize("form", FORMS)
def test_the_input_is_left_as_it_is(form):
    permutation, tensor = make(form, GRID, 0), to_tensor(images(GRID, 0, 2))
    before = tensor.clone()
    for result in (permutation.apply(tensor), _torch.gather(permutation, tensor)):
        assert torch.equal(tensor, before)
        assert result.data_ptr() != tensor.data_ptr()
    channels_last = tensor.contiguous(memory_format=torch.channels_last)
    permutation.apply(channels_last)
    assert torch.equal(channels_last, before)


@pytest.mark.parametrize("form", FORMS)
def test_any_memory_layout(form):
    permutation, tensor = make(form, GRID, 0), to_tensor(images(GRID, 0, 2))
    expected = permutation.apply(tensor)
    strided = torch.stack([tensor, tensor], dim=-1)[..., 0]
    for layout in (tensor.contiguous(memory_format=torch.channels_last), strided, tensor.expand(2, 3, 4, 6)):
        assert torch.equal(permutation.apply(layout), expected)
        assert torch.equal(_torch.gather(permutation, layout), expected)
    one = tensor[:1].expand(3, -1, -1, -1)
    assert torch.equal(permutation.apply(one)[2], expected[0])


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.zeros(3, 4, 6), "images must be uint8, got torch.float32; encrypt pixels before normalising them"),
        (torch.zeros(4, 6, 3, dtype=torch.uint8), r"\(4, 6, 3\), got \(..., C, H, W\) = \(4, 6, 3\)"),
        (torch.zeros(4, 6, dtype=torch.uint8), r"got \(..., C, H, W\) = \(4, 6\)"),
    ],
)
def test_tensors_that_do_not_fit(tensor, message):
    with pytest.raises(ParameterError, match=message):
        make("blocks", GRID, 0).apply(tensor)
