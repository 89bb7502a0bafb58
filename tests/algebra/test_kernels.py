"""numba, NumPy and the flat gather: one result."""

import builtins
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from permutation_forms import FORMS, grids, images, laws, make, seeds, tables_slowly

from blindsight.algebra import BlockGrid, BlockPermutation, _numpy, kernels
from blindsight.errors import MissingDependencyError

TABLE_FORMS = [form for form in FORMS if not form.startswith("flat")]
table_forms = st.sampled_from(TABLE_FORMS)
needs_numba = pytest.mark.skipif(kernels._compiled() is None, reason="numba is not installed")


@needs_numba
@laws
@given(grids(max_block=9), table_forms, seeds)
def test_numba_numpy_and_flat_agree(grid, form, seed):
    permutation, batch = make(form, grid, seed), images(grid, seed, 2)
    with kernels.use("numba"):
        compiled = permutation.apply(batch)
    with kernels.use("numpy"):
        fallback = permutation.apply(batch)
    assert np.array_equal(compiled, fallback)
    assert np.array_equal(compiled, permutation.flat().apply(batch))


@laws
@given(grids(), table_forms, seeds, st.integers(1, 400))
def test_the_fallback_does_the_same_in_spans_of_any_length(grid, form, seed, span):
    permutation, image = make(form, grid, seed), images(grid, seed)
    with pytest.MonkeyPatch.context() as patch, kernels.use("numpy"):
        patch.setattr(_numpy, "SPAN", span)
        assert np.array_equal(permutation.apply(image), tables_slowly(permutation, image))


@pytest.mark.parametrize("backend", ["numpy", pytest.param("numba", marks=needs_numba)])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_state_of_a_block(backend, channels):
    """All 8 orientations, both signs and all 6 colour orders, on blocks of odd side that lie in a wide image."""
    colors = 6 if channels == 3 else 1
    states = [(o, s, c) for o in range(8) for s in (0, 1) for c in range(colors)]
    grid = BlockGrid(8 * 5, len(states) // 8 * 5, channels, 5)
    permutation = BlockPermutation(grid, np.random.default_rng(0).permutation(grid.blocks), *zip(*states, strict=True))
    image = images(grid, 0)
    with kernels.use(backend):
        assert np.array_equal(permutation.apply(image), tables_slowly(permutation, image))


@pytest.mark.parametrize("backend", ["numpy", pytest.param("numba", marks=needs_numba)])
def test_threads_share_a_permutation(backend):
    grid = BlockGrid(32, 48, 3, 4)
    permutations = [make(form, grid, 0) for form in FORMS]
    work = [(p, images(grid, seed)) for seed in range(8) for p in permutations]
    with kernels.use(backend):
        expected = [p.apply(image) for p, image in work]
        start = threading.Barrier(4)

        def all_of_it(_):
            start.wait()
            return [p.apply(image) for p, image in work]

        with ThreadPoolExecutor(4) as pool:
            for results in pool.map(all_of_it, range(4)):
                assert all(np.array_equal(a, b) for a, b in zip(results, expected, strict=True))


def test_the_choice_ends_with_the_block():
    before = kernels.backend()
    with kernels.use("numpy"):
        assert kernels.backend() == "numpy"
    assert kernels.backend() == before
    with pytest.raises(ValueError, match="numpy"), kernels.use("numpy"):
        raise ValueError(kernels.backend())
    assert kernels.backend() == before


@pytest.fixture
def without_numba(monkeypatch):
    def fail_with(error):
        real = builtins.__import__

        def refusing(name, globals_=None, locals_=None, fromlist=(), level=0):
            if "_numba" in (fromlist or ()):
                raise error
            return real(name, globals_, locals_, fromlist, level)

        monkeypatch.setattr(builtins, "__import__", refusing)
        kernels._compiled.cache_clear()

    yield fail_with
    kernels._compiled.cache_clear()


@pytest.mark.parametrize(
    "error",
    [ImportError("No module named 'numba'"), RuntimeError("cannot cache function: no locator available")],
    ids=["not installed", "no place for its cache"],
)
def test_without_numba_numpy_does_it(without_numba, error):
    grid = BlockGrid(4, 6, 3, 2)
    permutation, image = make("blocks", grid, 0), images(grid, 0)
    expected = permutation.apply(image)
    without_numba(error)
    assert kernels.backend() == "numpy"
    assert np.array_equal(permutation.apply(image), expected)
    with pytest.raises(MissingDependencyError, match=r"the numba kernel needs numba.*pip install 'blindsight\[fast\]'"):
        kernels.use("numba").__enter__()
