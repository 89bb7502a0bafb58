"""Small sets of originals, and what mix makes of them."""

import numpy as np
import pytest
from PIL import Image

from blindsight.owner.mixing import MixOptions, mix
from blindsight.owner.sources import open_source


@pytest.fixture
def originals(tmp_path):
    """Two classes of eight images of 16x32 noise, no two pixels of which are equal but by a chance of 2^-24."""
    rng = np.random.default_rng(3)
    for label in ("cat", "dog"):
        folder = tmp_path / "faces" / label
        folder.mkdir(parents=True)
        for number in range(8):
            Image.fromarray(rng.integers(0, 256, (16, 32, 3), np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "faces"


@pytest.fixture
def mixed_of(originals):
    """Mixes the originals: (source, folder)."""

    def make(name="mixed", **options):
        source = open_source(originals)
        out = originals.parent / name
        chosen = {"size": (16, 32), "block": (8, 8), "sources": 3} | options
        if chosen.get("method", "pbm") != "pbm":
            chosen = {key: value for key, value in chosen.items() if key not in ("block", "sources")}
        mix(source, out, options=MixOptions(**chosen), workers=1)
        return source, out

    return make
