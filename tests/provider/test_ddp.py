"""Training on two devices: DDP starts the program again for the second, so it takes a program of its own."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from provider_helpers import TINY

from blindsight.nets.runs import load_run

PROGRAM = """
import sys
from pathlib import Path
from blindsight.provider.training import TrainConfig, train

train(Path(sys.argv[1]), Path(sys.argv[2]), TrainConfig.make(TrainConfig.read(Path(sys.argv[3]))))
"""


@pytest.mark.skipif(
    not (hasattr(os, "fork") and torch.distributed.is_available() and torch.distributed.is_gloo_available()),
    reason="needs fork and gloo",
)
def test_two_processes_make_one_run(protected: Path, tmp_path: Path) -> None:
    program, recipe, out = tmp_path / "program.py", tmp_path / "recipe.json", tmp_path / "run"
    program.write_text(PROGRAM)
    fields = {"model_args": TINY, "epochs": 6, "batch_size": 4, "lr": 3e-3, "smoothing": 0, "threads": 1}
    recipe.write_text(json.dumps({**fields, "accelerator": "cpu", "devices": 2}))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, str(program), str(protected), str(out), str(recipe)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert load_run(out).profile.classes
    rows = list(csv.DictReader((out / "metrics.csv").open()))
    assert [row["epoch"] for row in rows] == [str(k) for k in range(1, 7)]
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])
    stored = json.loads((out / "recipe.json").read_text())
    assert (stored["config"]["devices"], stored["result"]["train_images"]) == (2, 33)
    assert not (out / ".incomplete").exists()
