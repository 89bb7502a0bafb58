"""Train on a protected folder with nothing but a PyTorch DataLoader and a loop of your own.

    python examples/plain_dataloader.py PROTECTED_FOLDER

The folder is what `blindsight protect` wrote. No key is needed, and none would help.
"""

import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from blindsight.nets import create_model
from blindsight.provider.data import ProtectedDataModule
from blindsight.provider.folders import DataFolder

folder = DataFolder.open(Path(sys.argv[1]))
module = ProtectedDataModule(folder.root, size=None if folder.described else (32, 32))
module.setup("fit")
images = module.dataset("train")  # an ordinary torch Dataset of uint8 (C, H, W) and class indices
loader = DataLoader(images, batch_size=64, shuffle=True)

model = create_model(
    "convmixer_128_4_patch4_32", num_classes=len(module.profile.classes), in_chans=module.profile.channels
)
optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
for epoch in range(3):
    for x, y in loader:
        # mean = std = 0.5: then a negated block is the same block with its sign changed.
        loss = torch.nn.functional.cross_entropy(model((2 * x.float() - 255) / 255), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    print(f"epoch {epoch + 1}: loss of the last batch {loss.item():.3f}")
