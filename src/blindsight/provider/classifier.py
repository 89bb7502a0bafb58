"""The LightningModule: normalisation, augmentation, loss, optimiser, schedule and moving average."""

import math
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from timm.optim import create_optimizer_v2, list_optimizers
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from torch.nn import functional as F

from blindsight.errors import BlindsightError, UnknownNameError
from blindsight.nets.regularisation import regularisation
from blindsight.provider import augment
from blindsight.provider.recipe import TrainConfig
from blindsight.provider.reencrypt import Reencryption
from blindsight.provider.sharpness import sharp_closure

__all__ = ["Classifier", "normalise", "schedule_factor", "wants_channels_last"]

# How often the loss is looked at; on a GPU each look waits for the device.
CHECK_EVERY = 20
# Tells the draws of re-encryption from those of the other augmentations of the step.
REENCRYPTION = 1


def normalise(images: Tensor, mean: float = 0.5, std: float = 0.5) -> Tensor:
    """uint8 0..255 -> float32 ``(x / 255 - mean) / std``.

    With 0.5 and 0.5 that is -1..1, and ``normalise(255 - x) == -normalise(x)`` to the last bit: x - 127.5 is exact.
    With 0 and 1 it is x / 255.
    """
    return images.float().sub_(255.0 * mean).div_(255.0 * std)


def wants_channels_last(model: nn.Module) -> bool:
    """True for convolutional networks, whose CPU and GPU kernels are faster with channels last."""
    return sum(isinstance(m, nn.Conv2d) for m in model.modules()) > 1


def schedule_factor(step: int, total: int, config: TrainConfig) -> float:
    """The learning rate of a step, as a part of ``config.lr``.

    Args:
        step: 0 for the first.
        total: steps of the whole training.
        config: ``sched``, ``warmup``, ``min_lr``, ``epochs``.

    ``cosine`` rises linearly through the warm-up and follows half a cosine to ``min_lr``. ``onecycle`` (Smith & Topin,
    arXiv 1708.07120) rises by half a cosine from 1/25 through 30 % of the steps and falls by another to 1/250,000.
    """
    if config.sched == "onecycle":
        peak = 0.3 * total
        if step < peak:
            return _half_cosine(1 / 25, 1.0, step / peak)
        return _half_cosine(1.0, 4e-6, (step - peak) / max(1.0, total - 1 - peak))
    warmup = round(config.warmup / config.epochs * total)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if config.sched == "constant":
        return 1.0
    return _half_cosine(1.0, config.min_lr, (step - warmup) / max(1, total - warmup))


def _step_seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _half_cosine(start: float, end: float, part: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * min(1.0, part)))


class Classifier(pl.LightningModule):
    """Trains a network on batches of uint8 images (N, C, H, W) and labels.

    Labels are class indices, int64 (N,), or the weight of every class, float32 (N, K). Accuracy counts against the
    heaviest class.

    Everything random is drawn from (seed, step) or (seed, epoch), so a training resumed after any step goes on exactly
    as if it had never stopped.

    The loss is the cross-entropy, and besides what the network asks for (:mod:`blindsight.nets.regularisation`).

    Args:
        model: the network; takes normalised floats.
        config: the recipe.
        num_classes: of the network.
        block: side of the encrypted blocks, which CutMix and erasing keep whole; 1 for plain images.
        total_steps: optimiser steps of the whole training.
        reencryption: what training images go through in every step, anew; None is nothing.
    """

    def __init__(
        self,
        model: nn.Module,
        config: TrainConfig,
        num_classes: int,
        block: int,
        total_steps: int,
        reencryption: Reencryption | None = None,
    ) -> None:
        super().__init__()
        self.config, self.num_classes, self.block, self.total_steps = config, num_classes, block, total_steps
        last = wants_channels_last(model) if config.channels_last is None else config.channels_last
        self.layout = torch.channels_last if last else torch.contiguous_format
        self.model = model.to(memory_format=self.layout)
        self.ema = ModelEmaV3(self.model, decay=config.ema, use_warmup=True) if config.ema else None
        self.reencryption = reencryption
        self.validation: dict[str, float] = {}
        self._sums: Tensor | None = None
        self._losses: Tensor | None = None
        self._steps = 0
        self._resumed: dict[str, Any] | None = None
        self._counted = -1

    @property
    def best_module(self) -> nn.Module:
        """What is evaluated and kept: the moving average where there is one."""
        return self.model if self.ema is None else self.ema.module

    def forward(self, images: Tensor) -> Tensor:
        """uint8 (N, C, H, W) -> logits (N, K), by the network that is kept."""
        return self.best_module(self._prepared(images))

    def _prepared(self, images: Tensor) -> Tensor:
        return normalise(images, self.config.mean, self.config.std).contiguous(memory_format=self.layout)

    def on_train_epoch_start(self) -> None:
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """Forgets the losses of the epoch so far."""
        self._losses = None
        self._steps = 0
        self._counted = -1

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["epoch_so_far"] = {"losses": self._losses, "steps": self._steps}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._resumed = checkpoint.get("epoch_so_far")

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        if self._resumed is not None:  # not earlier: Lightning may or may not begin the epoch again
            losses = self._resumed["losses"]
            self._losses = None if losses is None else losses.to(self.device)
            self._steps = self._resumed["steps"]
            self._resumed = None
        # Dropout and drop path draw from torch's own generator.
        torch.manual_seed(_step_seed(self.config.seed, self.global_step, self.global_rank))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        if self.reencryption is not None:
            # A stream of its own, so that the other augmentations draw as they would without it.
            drawn = np.random.default_rng([self.config.seed, self.global_step, self.global_rank, REENCRYPTION])
            images = self.reencryption(images, drawn)
        images, partner, lam = self._augmented(self._prepared(images))
        logits = self.model(images)
        loss = self._loss(logits, labels)
        if partner is not None:
            loss = loss * lam + self._loss(logits, labels[partner]) * (1 - lam)
        penalty = regularisation(self.model)
        if penalty is not None:
            loss = loss + penalty
        if batch_idx != self._counted:  # SAM's second pass over a batch is not at the weights
            self._counted = batch_idx
            self._count(loss.detach().float(), batch_idx)
        return loss

    def _count(self, loss: Tensor, batch_idx: int) -> None:
        self._losses = loss if self._losses is None else self._losses + loss
        self._steps += 1
        if batch_idx % CHECK_EVERY == 0:
            self._require_finite()

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits.float(), labels, label_smoothing=self.config.smoothing)

    def _augmented(self, images: Tensor) -> tuple[Tensor, Tensor | None, float]:
        c = self.config
        if not (c.mixup or c.cutmix or c.reprob):
            return images, None, 1.0
        rng = np.random.default_rng([c.seed, self.global_step, self.global_rank])
        if c.reprob:
            images = augment.random_erase(images, self.block, c.reprob, rng)
        if not (c.mixup or c.cutmix) or rng.random() >= c.mix_prob:
            return images, None, 1.0
        partner = torch.from_numpy(rng.permutation(len(images))).to(images.device)
        if c.cutmix and (not c.mixup or rng.random() < 0.5):
            height, width = images.shape[-2:]
            box, lam = augment.block_box(height, width, self.block, float(rng.beta(c.cutmix, c.cutmix)), rng)
            return augment.cutmix(images, partner, box), partner, lam
        lam = float(rng.beta(c.mixup, c.mixup))
        return augment.mixup(images, partner, lam), partner, lam

    def _require_finite(self) -> None:
        if self._losses is not None and not bool(torch.isfinite(self._losses)):
            hint = "" if self.trainer.precision == "32-true" else ", or use --precision 32-true"
            raise BlindsightError(
                f"the loss is not finite any more (epoch {self.current_epoch + 1}, step {self.global_step + 1}); "
                f"lower --lr (now {self.config.lr:g}) or --clip-grad{hint}"
            )

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None
    ) -> None:
        if self.config.sam and optimizer_closure is not None:
            # Inside of what clips: the gradient that is clipped, and for float16 unscaled, is the second one.
            optimizer_closure = sharp_closure(optimizer_closure, self.model, self.config.sam)
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        if self.ema is not None:
            self.ema.update(self.model, step=self.trainer.global_step)

    def mean_train_loss(self) -> float:
        """Mean loss of the epoch so far.

        Raises:
            BlindsightError: it is not finite.
        """
        self._require_finite()
        return float("nan") if self._losses is None else float(self._losses) / self._steps

    def on_validation_epoch_start(self) -> None:
        self._sums = torch.zeros(3, dtype=torch.float64, device="cpu" if self.device.type == "mps" else self.device)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:  # noqa: ARG002
        images, labels = batch
        logits = self(images).float()
        loss = F.cross_entropy(logits, labels, reduction="sum")
        right = (logits.argmax(1) == (labels.argmax(1) if labels.ndim == 2 else labels)).sum()
        assert self._sums is not None
        self._sums += torch.stack([loss.double(), right.double(), torch.tensor(len(labels), device=loss.device)])

    def on_validation_epoch_end(self) -> None:
        assert self._sums is not None
        sums = self.trainer.strategy.reduce(self._sums, reduce_op="sum")
        loss, right, count = (float(v) for v in sums)
        self.validation = {"val_loss": loss / max(1.0, count), "val_top1": right / max(1.0, count)}

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:  # noqa: ARG002
        # Lightning's own clipping refuses fused optimisers in every mixed precision, also where nothing is scaled.
        if self.config.clip_grad:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_grad)

    def configure_optimizers(self) -> Any:
        c = self.config
        extra: dict[str, Any] = {}
        if c.opt in ("adam", "adamw") and c.precision != "16-mixed":
            # One kernel for all parameters; it would unscale float16 gradients itself, after they were clipped.
            extra["fused"] = True
        if c.opt_eps is not None:
            extra["eps"] = c.opt_eps
        if c.opt == "sgd" and not c.momentum:
            # timm's has Nesterov's momentum, which torch refuses where there is none.
            extra["nesterov"] = False
        if c.opt not in list_optimizers():
            raise UnknownNameError.of("optimiser", c.opt, list_optimizers())
        optimiser = create_optimizer_v2(
            self.model, opt=c.opt, lr=c.lr, weight_decay=c.weight_decay, momentum=c.momentum, **extra
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: schedule_factor(step, self.total_steps, self.config)
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
