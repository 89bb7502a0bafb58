"""A tiny protected folder: three classes of 8x8 images told apart by their mean colour."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from provider_helpers import COLOURS, cipher_profile

from blindsight.profile import Profile

pytest.importorskip("torch")


@pytest.fixture
def write_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes a folder of PNG files; returns its path."""

    def write(
        name: str = "data",
        *,
        profile: Profile | None = None,
        splits: tuple[str, ...] = ("train", "test"),
        per_class: int = 12,
        side: int = 8,
        colours: dict[str, tuple[int, int, int]] = COLOURS,
    ) -> Path:
        root = tmp_path / name
        for number, split in enumerate(splits or ("",)):
            rng = np.random.default_rng(number)
            for label, colour in colours.items():
                folder = root / split / label
                folder.mkdir(parents=True)
                for i in range(per_class):
                    pixels = rng.normal(colour, 30, (side, side, 3)).clip(0, 255).astype(np.uint8)
                    Image.fromarray(pixels).save(folder / f"{i:03d}.png")
        if profile is not None:
            (root / "profile.json").write_text(profile.to_json())
        return root

    return write


@pytest.fixture
def protected(write_folder: Callable[..., Path]) -> Path:
    return write_folder(profile=cipher_profile())
