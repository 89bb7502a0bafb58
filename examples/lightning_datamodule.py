"""Train on a protected folder with Lightning and a LightningModule of your own.

    python examples/lightning_datamodule.py PROTECTED_FOLDER

`ProtectedDataModule` brings uint8 batches; everything else is ordinary Lightning.
"""

import sys
from pathlib import Path

import lightning.pytorch as pl
import torch

from blindsight.nets import create_model
from blindsight.provider.data import ProtectedDataModule
from blindsight.provider.folders import DataFolder


class Mine(pl.LightningModule):
    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        self.model = create_model("convmixer_128_4_patch4_32", num_classes=classes, in_chans=channels)

    def _loss(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        x, y = batch
        # mean = std = 0.5: then a negated block is the same block with its sign changed.
        return torch.nn.functional.cross_entropy(self.model((2 * x.float() - 255) / 255), y)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        return self._loss(batch)

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> None:
        self.log("val_loss", self._loss(batch), prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=3e-3)


if __name__ == "__main__":
    folder = DataFolder.open(Path(sys.argv[1]))
    data = ProtectedDataModule(folder.root, batch_size=64, size=None if folder.described else (32, 32))
    trainer = pl.Trainer(
        max_epochs=3,
        accelerator="auto",
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        use_distributed_sampler=False,  # the data module divides the images among processes itself
    )
    trainer.fit(Mine(len(data.profile.classes), data.profile.channels), data)
    print({name: round(float(value), 4) for name, value in trainer.callback_metrics.items()})
