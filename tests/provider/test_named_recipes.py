"""Named recipes: the networks, optimisers and numbers that they stand for."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from provider_helpers import CLASSES, cipher_profile
from timm.optim import RMSpropTF
from torch import nn

from blindsight.errors import BlindsightError, ParameterError, ProfileMismatchError
from blindsight.nets import create_model
from blindsight.nets.runs import load_run
from blindsight.profile import Profile
from blindsight.provider.classifier import Classifier, schedule_factor
from blindsight.provider.recipe import TrainConfig
from blindsight.provider.recipes import recipe_file, recipe_names
from blindsight.provider.training import train

PAPER = ["pbm-densenet121", "pbm-inception-v3", "pbm-resnet50", "pbm-vgg16"]
RMSPROP = {"lr": 1e-3, "alpha": 0.9, "eps": 1e-7, "momentum": 0.0, "centered": False, "weight_decay": 0.0}


def named(name: str, **changes: Any) -> TrainConfig:
    return TrainConfig.make({**TrainConfig.read(name), **changes})


def optimiser_of(config: TrainConfig, network: nn.Module | None = None) -> torch.optim.Optimizer:
    network = network or nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    return Classifier(network, config, 2, 1, 100).configure_optimizers()["optimizer"]


def test_the_names() -> None:
    assert recipe_names() == sorted([*PAPER, "etc", "pbm-small"])


@pytest.mark.parametrize("name", [*PAPER, "etc", "pbm-small"])
def test_every_recipe_is_a_valid_one_with_a_line_about_it(name: str) -> None:
    path = recipe_file(name)
    assert path is not None
    content = json.loads(path.read_text())
    assert set(content) == {"about", "config"}
    assert content["about"].strip()
    assert "\n" not in content["about"]
    assert named(name) == TrainConfig.make(content["config"]) == TrainConfig.make(TrainConfig.read(path))


@pytest.mark.parametrize(
    ("name", "optimiser", "group", "batch", "epochs"),
    [
        ("pbm-resnet50", torch.optim.Adam, {"lr": 3e-3, "betas": (0.9, 0.999), "eps": 1e-7, "weight_decay": 0}, 32, 25),
        ("pbm-vgg16", torch.optim.SGD, {"lr": 5e-3, "momentum": 0, "nesterov": False, "weight_decay": 0}, 8, 25),
        ("pbm-inception-v3", torch.optim.RMSprop, RMSPROP, 8, 30),
        ("pbm-densenet121", torch.optim.RMSprop, RMSPROP, 32, 25),
    ],
)
def test_the_papers_numbers(
    name: str, optimiser: type[torch.optim.Optimizer], group: dict[str, Any], batch: int, epochs: int
) -> None:
    config = named(name)
    assert (config.batch_size, config.epochs) == (batch, epochs)
    assert (config.default_size, config.img_size) == ((192, 192), None)
    assert (config.mean, config.std) == (0.0, 1.0)
    assert (config.pretrained, config.checkpoint, config.model_args) == (False, None, {})
    assert (config.smoothing, config.clip_grad, config.holdout, config.ema) == (0, 0, 0, 0)
    assert (config.mixup, config.cutmix, config.reprob) == (0, 0, 0)
    assert {schedule_factor(step, 100, config) for step in range(101)} == {1.0}
    made = optimiser_of(config)
    assert type(made) is optimiser
    (only,) = made.param_groups
    assert {field: only[field] for field in group} == group


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        # As torchvision publishes them, for 1000 classes. Inception's is without the auxiliary classifier.
        ("pbm-resnet50", 25_557_032),
        ("pbm-vgg16", 138_357_544),
        ("pbm-inception-v3", 23_834_568),
        ("pbm-densenet121", 7_978_856),
    ],
)
def test_the_papers_networks(name: str, parameters: int) -> None:
    with torch.device("meta"):
        model = create_model(named(name).model, num_classes=1000)
    assert sum(p.numel() for p in model.parameters()) == parameters


def steps(make: Callable[[list[nn.Parameter]], torch.optim.Optimizer], gradients: torch.Tensor) -> torch.Tensor:
    weight = nn.Parameter(torch.ones(gradients.shape[1], dtype=torch.double))
    optimiser = make([weight])
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimiser.step()
    return weight.detach()


def test_rmsprop_is_that_of_keras() -> None:
    """Keras 2: accumulators begin at zero, a = rho a + (1 - rho) g^2, p = p - lr g / (sqrt(a) + epsilon)."""
    torch.manual_seed(0)
    # Large and tiny gradients: where sqrt(a) is near epsilon, its place shows.
    gradients = torch.randn(6, 40, dtype=torch.double) * torch.logspace(-8, 1, 40, dtype=torch.double)
    expected, mean_square = torch.ones(40, dtype=torch.double), torch.zeros(40, dtype=torch.double)
    for gradient in gradients:
        mean_square = 0.9 * mean_square + 0.1 * gradient**2
        expected = expected - 1e-3 * gradient / (mean_square.sqrt() + 1e-7)
    config = named("pbm-densenet121")

    class Net(nn.Module):
        def __init__(self, weights: list[nn.Parameter]) -> None:
            super().__init__()
            self.weight = weights[0]

    found = steps(lambda weights: optimiser_of(config, Net(weights)), gradients)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    tensorflow = steps(lambda weights: RMSpropTF(weights, 1e-3, alpha=0.9, eps=1e-7), gradients)
    assert (tensorflow - expected).abs().max() > 1e-4


def test_plain_gradient_descent_needs_no_other_name() -> None:
    with_momentum = optimiser_of(TrainConfig(opt="sgd")).param_groups[0]
    assert (with_momentum["momentum"], with_momentum["nesterov"]) == (0.9, True)
    without = optimiser_of(TrainConfig(opt="sgd", momentum=0)).param_groups[0]
    assert (without["momentum"], without["nesterov"]) == (0, False)


def test_unknown_names_are_told_the_known_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ParameterError, match=r"no recipe 'pbm-resnet', .* one of: etc, pbm-densenet121, .*, pbm-vgg16"):
        TrainConfig.read("pbm-resnet")
    with pytest.raises(ParameterError, match=r"cannot read the recipe .*missing\.json"):
        TrainConfig.read(tmp_path / "missing.json")
    with pytest.raises(ParameterError, match="neither a file nor one of"):
        TrainConfig.read(tmp_path)  # a folder
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_text('{"epochs": 2}')
    assert TrainConfig.read("mine") == {"epochs": 2}


@pytest.mark.parametrize("name", ["../recipes/pbm-small", "PBM-SMALL", "pbm-small.json", ""])
def test_only_the_very_name_is_a_name(name: str) -> None:
    assert recipe_file(name) is None


def quick(name: str, **changes: Any) -> TrainConfig:
    """The recipe's sizes and normalisation, on a network that trains in a moment."""
    tiny = {"model": "vit_micro_patch4_32", "model_args": {"embed_dim": 16, "depth": 1, "num_heads": 2}}
    return named(name, **tiny, epochs=1, batch_size=16, threads=1, accelerator="cpu", **changes)


@pytest.mark.parametrize(
    ("kind", "stored", "asked", "size"),
    [
        # A recipe's size is a default: it yields to what the data states, and --img-size is a demand.
        ("plain", None, None, (192, 192)),
        ("plain", None, (12, 8), (12, 8)),
        ("plain", (8, 8), None, (8, 8)),
        ("mix", (8, 8), None, (8, 8)),
        ("mix", (8, 8), (12, 16), (12, 16)),
        ("mix", None, None, (192, 192)),
        ("cipher", (8, 8), None, (8, 8)),
        ("cipher", None, None, (8, 8)),
    ],
)
def test_who_decides_the_size(
    write_folder: Callable[..., Path],
    tmp_path: Path,
    kind: str,
    stored: tuple[int, int] | None,
    asked: tuple[int, int] | None,
    size: tuple[int, int],
) -> None:
    profiles = {
        "plain": Profile(kind="plain", size=stored, fit="resize", classes=CLASSES),
        "mix": Profile(kind="mix", scheme="pbm", size=stored, fit="resize", classes=CLASSES),
        "cipher": cipher_profile(size=stored),
    }
    root = write_folder(profile=profiles[kind], per_class=4)
    changes = {"mean": 0.5, "std": 0.5} if kind == "cipher" else {}
    train(root, tmp_path / "run", quick("pbm-resnet50", img_size=asked, **changes))
    assert load_run(tmp_path / "run").size == size


def test_enciphered_images_keep_their_size(write_folder: Callable[..., Path], tmp_path: Path) -> None:
    root = write_folder(profile=cipher_profile(), per_class=4)
    with pytest.raises(ProfileMismatchError, match=r"are 8x8 and 16x16 was asked for; .* leave --img-size out"):
        train(root, tmp_path / "run", quick("pbm-resnet50", img_size=(16, 16)))


def test_enciphered_images_refuse_the_papers_normalisation(write_folder: Callable[..., Path], tmp_path: Path) -> None:
    root = write_folder(profile=cipher_profile(), per_class=4)
    with pytest.raises(BlindsightError, match=r"mean 0 and std 1 cannot be used on enciphered images: .* change"):
        train(root, tmp_path / "run", quick("pbm-resnet50"))
    assert not (tmp_path / "run").exists()


def test_all_images_train_and_the_last_epoch_is_kept(write_folder: Callable[..., Path], tmp_path: Path) -> None:
    root = write_folder(profile=Profile(kind="mix", scheme="pbm", size=(8, 8), classes=CLASSES), per_class=4)
    config = quick("pbm-densenet121").model_copy(update={"epochs": 3})
    result = train(root, tmp_path / "run", config)
    assert (result["train_images"], result["val_images"], result["best_epoch"]) == (12, 0, 3)
    assert load_run(tmp_path / "run").normalisation == (0.0, 1.0)
