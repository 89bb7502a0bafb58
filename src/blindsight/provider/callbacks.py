"""What happens around the epochs of a training: metrics.csv, checkpoints, progress."""

import csv
import io
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint

from blindsight.errors import OutputError
from blindsight.nets.runs import write_atomic
from blindsight.provider.classifier import Classifier

__all__ = ["BEST_NAME", "LAST_NAME", "METRICS_NAME", "EpochLog", "Keeper"]

METRICS_NAME = "metrics.csv"
LAST_NAME = "last.ckpt"
BEST_NAME = "best.safetensors"
SHOW_SECONDS = 0.2
#: Work of no more than two minutes is lost with a machine; the rest of them is for the step that is running then.
SAVE_SECONDS = 100.0
#: Several devices agree on whether to save only every so many steps: they wait for each other to do it.
AGREE_EVERY = 20


class EpochLog(Callback):
    """One row of numbers per epoch, in ``metrics.csv`` and to a listener.

    Args:
        folder: the run folder; rows of epochs that a resumed training repeats are replaced.
        listener: has ``step(epoch, done, total)``, called about five times a second, and ``epoch(row)``.
    """

    def __init__(self, folder: Path, listener: Any | None = None) -> None:
        self.path = folder / METRICS_NAME
        self.listener = listener
        self.rows: list[dict[str, Any]] = []
        self.interrupted = False
        #: True once a batch was reached: the state that was resumed from could be read.
        self.started = False
        self._began = self._trained = self._shown = 0.0
        self._images = 0

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = list(state_dict["rows"])

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        # An epoch that is resumed in its middle is not started again; its speed is that of what was left.
        self._begin()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        self._begin()

    def _begin(self) -> None:
        self._began = self._trained = time.perf_counter()
        self._images = 0

    def on_train_batch_start(self, *_: Any) -> None:
        self.started = True

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002
        outputs: Any,  # noqa: ARG002
        batch: Any,
        batch_idx: int,
    ) -> None:
        self._images += len(batch[1]) * trainer.world_size
        self._trained = time.perf_counter()
        if self.listener is not None and (self._trained - self._shown > SHOW_SECONDS):
            self._shown = self._trained
            self.listener.step(trainer.current_epoch + 1, batch_idx + 1, trainer.num_training_batches)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, Classifier)
        row: dict[str, Any] = {
            "epoch": trainer.current_epoch + 1,
            "train_loss": round(pl_module.mean_train_loss(), 6),
            **{name: round(value, 6) for name, value in pl_module.validation.items()},
            "lr": float(f"{trainer.optimizers[0].param_groups[0]['lr']:.6g}"),
            "images_per_second": round(self._images / max(1e-9, self._trained - self._began), 1),
            "seconds": round(time.perf_counter() - self._began, 3),
        }
        self.rows.append(row)
        if trainer.is_global_zero:
            text = io.StringIO()
            writer = csv.DictWriter(text, fieldnames=list(row), lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
            write_atomic(self.path, text.getvalue())
            for logger in trainer.loggers:
                logger.log_metrics({k: v for k, v in row.items() if k != "epoch"}, step=row["epoch"])
            if self.listener is not None:
                self.listener.epoch(row)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        self.interrupted = isinstance(exception, KeyboardInterrupt)


class Keeper(Checkpoint):
    """Keeps ``last.ckpt`` (all that is needed to go on) and ``best.safetensors`` (weights of the best epoch).

    ``last.ckpt`` is written after every epoch, and within one when :data:`SAVE_SECONDS` have passed. The best epoch is
    the one of highest validation accuracy, the earliest of equals; without validation, the last.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.best_epoch = 0
        self.best_top1 = -1.0
        self.kept_epoch = self.kept_batch = 0
        self._saved = 0.0

    def state_dict(self) -> dict[str, Any]:
        names = ("best_epoch", "best_top1", "kept_epoch", "kept_batch")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best_epoch, self.best_top1 = state_dict["best_epoch"], state_dict["best_top1"]
        self.kept_epoch, self.kept_batch = state_dict["kept_epoch"], state_dict.get("kept_batch", 0)

    @property
    def kept(self) -> str:
        """How much of the training is kept, in words."""
        parts = [f"epoch {self.kept_epoch}"] if self.kept_epoch else []
        parts += [f"{self.kept_batch} steps of epoch {self.kept_epoch + 1}"] if self.kept_batch else []
        return " and ".join(parts)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:  # noqa: ARG002
        self._saved = time.monotonic()

    def on_load_checkpoint(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002
        checkpoint: dict[str, Any],
    ) -> None:
        # Lightning counts on from this batch, and leaves it to the loader to begin there too.
        state = checkpoint["callbacks"][self.state_key]
        trainer.datamodule.begin = (state["kept_epoch"], state.get("kept_batch", 0))  # type: ignore[attr-defined]

    def on_train_batch_start(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,
    ) -> None:
        # Before a step, not after one: there the moving average has not followed yet.
        if not batch_idx or (trainer.world_size > 1 and batch_idx % AGREE_EVERY):
            return
        due = time.monotonic() - self._saved >= SAVE_SECONDS
        if trainer.strategy.broadcast(due):
            self.kept_epoch, self.kept_batch = trainer.current_epoch, batch_idx
            self._save_last(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        from safetensors.torch import save

        assert isinstance(pl_module, Classifier)
        top1 = pl_module.validation.get("val_top1")
        if top1 is None or top1 > self.best_top1:
            self.best_epoch = trainer.current_epoch + 1
            self.best_top1 = -1.0 if top1 is None else top1
            if trainer.is_global_zero:
                state = {k: v.detach().cpu().contiguous() for k, v in pl_module.best_module.state_dict().items()}
                write_atomic(self.folder / BEST_NAME, save(state))
        pl_module.begin_epoch()
        self.kept_epoch, self.kept_batch = trainer.current_epoch + 1, 0
        self._save_last(trainer)

    def _save_last(self, trainer: pl.Trainer) -> None:
        path = self.folder / LAST_NAME
        state = trainer._checkpoint_connector.dump_checkpoint()
        if trainer.is_global_zero:
            buffer = io.BytesIO()
            torch.save(state, buffer)
            try:
                write_atomic(path, buffer.getvalue())
            except OutputError as error:
                raise OutputError(f"{error}; training stops at epoch {trainer.current_epoch + 1}") from None
        trainer.strategy.barrier()
        self._saved = time.monotonic()
