"""LPIPS from a file: the same values as another implementation with the same weights, and what a user can get wrong."""

from pathlib import Path

import numpy as np
import pytest

from blindsight.audit.metrics import reconstruction_measures
from blindsight.audit.perceptual import Lpips
from blindsight.errors import CorruptDataError, ParameterError

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def peer():
    """torchmetrics' network with random convolutions and the published linear layers."""
    module = pytest.importorskip("torchmetrics.functional.image.lpips")
    torch.manual_seed(0)
    return module._LPIPS(net="alex", pnet_rand=True)


@pytest.fixture(scope="module")
def weights(peer, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("lpips") / "alex.pth"
    torch.save(peer.state_dict(), path)
    return path


@pytest.mark.parametrize("side", [31, 64])
def test_it_is_what_torchmetrics_computes(peer, weights: Path, photo: np.ndarray, side: int) -> None:
    a, b = photo[:side, :side], photo[200 : 200 + side, 300 : 300 + side]
    x, y = (torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1 for image in (a, b))
    lpips = Lpips(weights)
    assert lpips(a, b) == pytest.approx(float(peer(x, y)), rel=1e-4)
    assert lpips(a, a) == 0
    assert lpips(a, b) == pytest.approx(lpips(b, a))
    assert lpips(a[:, :, :1], b[:, :, :1]) > 0


def test_safetensors_serve_as_well(peer, weights: Path, photo: np.ndarray, tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    states = {name: value.clone() for name, value in peer.state_dict().items()}
    safetensors.save_file(states, tmp_path / "alex.safetensors")
    a, b = photo[:32, :32], photo[100:132, :32]
    assert Lpips(tmp_path / "alex.safetensors")(a, b) == Lpips(weights)(a, b)


def test_what_cannot_be_used_is_said(weights: Path, photo: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="no file"):
        Lpips(tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("not weights")
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    for name in ("text.pth", "other.pth"):
        with pytest.raises(CorruptDataError, match=r"lpips\.LPIPS"):
            Lpips(tmp_path / name)
    lpips = Lpips(weights)
    with pytest.raises(ParameterError, match="at least 31"):
        lpips(photo[:30, :30], photo[:30, :30])
    with pytest.raises(ParameterError, match="of one shape"):
        lpips(photo[:32, :32], photo[:32, :40])


def test_it_is_reported_only_where_weights_are_given(weights: Path) -> None:
    assert [m.name for m in reconstruction_measures((32, 32, 3))] == ["ssim", "psnr", "correlation"]
    names = [m.name for m in reconstruction_measures((161, 200, 3), Lpips(weights))]
    assert names == ["ssim", "ms_ssim", "psnr", "correlation", "lpips"]
