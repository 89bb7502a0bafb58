"""The README.md beside an exported model: for whoever serves it."""

from typing import TYPE_CHECKING

from blindsight.nets._card import statement
from blindsight.nets.runs import Run

if TYPE_CHECKING:
    from blindsight.provider.export import ExportReport

__all__ = ["export_card"]

_ONNX = """\
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("{file}")
images = np.zeros({shape}, np.uint8)
(logits,) = session.run(["logits"], {{"images": images}})"""

_TORCH = """\
import torch

model = torch.export.load("{file}").module()
images = torch.zeros({shape}, dtype=torch.uint8)
logits = model(images)"""


def export_card(run: Run, report: "ExportReport") -> str:
    """Markdown with YAML front matter; holds no path, host, user name or time."""
    profile = run.profile
    mean, std = run.normalisation
    library = "onnx" if report.format == "onnx" else "torch"
    example = tuple(report.batch_size or 1 if side is None else side for side in report.input_shape)
    snippet = (_ONNX if report.format == "onnx" else _TORCH).format(file=report.file, shape=example)
    written = "torch.export" if report.opset is None else f"ONNX, opset {report.opset}"
    whose = f"protected with the key `{profile.key_id}` (profile.json)" if profile.kind == "cipher" else "plain"
    return f"""\
---
library_name: {library}
pipeline_tag: image-classification
tags:
- image-classification
- blindsight
---
# {run.config["architecture"]}, as {written}

- File: `{report.file}`
- Input `images`: uint8 {_shape(report.input_shape)}, (N, C, H, W), pixels 0 to 255 as they are; {whose}
- Output `logits`: float32 {_shape(report.output_shape)}; column k is the class `classes[k]` of profile.json
- Normalisation: inside, (x / 255 - {mean:g}) / {std:g}; give it none
- Protection: {profile.summary()}
- Checked: {report.checked}
- Versions: {", ".join(f"{name} {version}" for name, version in report.versions.items())}

```python
{snippet}
```

profile.json says which images the model takes; config.json is that of the run it was made from.

## What the protection is worth

{statement(profile, "encrypted" if run.config.get("encrypted") is True else "trained")}
"""


def _shape(sides: tuple[int | None, ...]) -> str:
    """``(batch, 3, 32, 32)``."""
    return f"({', '.join('batch' if side is None else str(side) for side in sides)})"
