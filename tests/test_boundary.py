"""What the layout promises and the import linter cannot see: what an import really loads."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "timm", "lightning", "numba", "sklearn", "jinja2")


def loaded_after(code: str) -> set[str]:
    """Top-level modules in memory after running code in a fresh interpreter."""
    report = "; import sys; print('\\n'.join({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import blindsight",
        "import blindsight.owner.protect, blindsight.owner.reveal, blindsight.owner.rotate, blindsight.owner.preview",
        "import blindsight.owner.ciphers, blindsight.owner.keys, blindsight.algebra, blindsight.images",
        "import blindsight.nets.runs",
        "import blindsight.cli.main",
    ],
)
def test_the_owners_side_and_the_command_line_load_nothing_heavy(code: str) -> None:
    assert loaded_after(code).isdisjoint(HEAVY)


@pytest.mark.parametrize("module", ["data", "training", "evaluation", "prediction"])
def test_the_providers_side_loads_nothing_of_the_owners(module: str) -> None:
    pytest.importorskip("lightning")
    code = f"import sys, blindsight.provider.{module}; print([n for n in sys.modules if n[:16] == 'blindsight.owner'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_package_imports_nothing_eagerly() -> None:
    code = "import sys; before = set(sys.modules); import blindsight; new = set(sys.modules) - before; print(new)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{'blindsight'}"


def test_the_owners_side_works_without_torch_and_numba(tmp_path) -> None:
    """What ``pip install blindsight`` alone gives: torch, timm and numba are not there."""
    code = f"""
import sys
sys.modules.update(dict.fromkeys({HEAVY!r}))  # importing one now fails as if it were not installed
from pathlib import Path
import numpy as np
from PIL import Image
folder = Path({str(tmp_path)!r})
(folder / 'in' / 'a').mkdir(parents=True)
pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
Image.fromarray(pixels).save(folder / 'in' / 'a' / 'x.png')
from blindsight.cli.main import main
for line in ('key new k', 'protect in out --key k --block-size 4', 'reveal out back --key k --compare in'):
    import os
    os.chdir(folder)
    main_arguments = line.split()
    try:
        main(main_arguments)
    except SystemExit as stop:
        assert not stop.code, (line, stop.code)
assert np.array_equal(np.asarray(Image.open(folder / 'back' / 'a' / 'x.png')), pixels)
try:
    main(['train', 'out', '--out', 'run'])
except SystemExit as stop:
    assert stop.code == 1
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "pip install 'blindsight[provider]'" in done.stderr
    assert "Traceback" not in done.stderr
