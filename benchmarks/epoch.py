"""Where the time of a training epoch goes: loading, normalisation, the step, the rest; and what the step computes.

    python benchmarks/epoch.py --data cifar10 --root DATASETS  # torchvision's, an .npz file, a folder
    python benchmarks/epoch.py --data cifar10.npz --model vit_micro_patch4_32

Trains one epoch as ``blindsight train`` does, on the plain images and with one thread, with a clock around the loader,
the normalisation and the optimiser's step (forward, loss and backward are inside of it, as Lightning runs them). Then
``torch.profiler`` looks at a few steps on random images. Exits with 1 where loading and normalisation take more than
the limit.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from blindsight.bench.data import open_data
from blindsight.bench.prepare import prepare
from blindsight.bench.recipe import Limit
from blindsight.bench.row import Images
from blindsight.nets import create_model
from blindsight.provider import classifier
from blindsight.provider._precision import choose_precision, use_plain_attention
from blindsight.provider.batches import TensorLoader
from blindsight.provider.machine import machine, versions
from blindsight.provider.training import TrainConfig, train

#: Most that loading and normalisation may take of an epoch.
LIMIT = 0.05
PROFILED_STEPS = 8
#: What the operators of the profile are, by a part of their names; the first that fits.
KINDS = {
    "matrix products": ("mm", "matmul", "linear", "addmm", "bmm"),
    "convolutions": ("conv",),
    "norms": ("norm",),
    "activations and softmax": ("gelu", "relu", "softmax"),
    "optimiser": ("adam", "foreach", "optimizer"),
    "copies and casts": ("copy", "contiguous", "cat", "fill", "zero", "clone", "_to"),
}


class Clock:
    """Wall seconds by name; one inside another counts for both."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - start


@contextmanager
def clocked(clock: Clock) -> Iterator[None]:
    """Clocks around the loader, the normalisation and the step, for as long as it lasts."""
    batches, prepared, step = (
        TensorLoader.__iter__,
        classifier.Classifier._prepared,
        classifier.Classifier.optimizer_step,
    )

    def timed_batches(self: TensorLoader) -> Iterator[Any]:
        inner = batches(self)
        while True:
            with clock.time("loading"):
                batch = next(inner, None)
            if batch is None:
                return
            yield batch

    def timed_prepared(self: Any, images: torch.Tensor) -> torch.Tensor:
        with clock.time("normalisation"):
            return prepared(self, images)

    def timed_step(self: Any, *args: Any, **kwargs: Any) -> None:
        with clock.time("step"):
            step(self, *args, **kwargs)

    TensorLoader.__iter__, classifier.Classifier._prepared = timed_batches, timed_prepared  # type: ignore[method-assign]
    classifier.Classifier.optimizer_step = timed_step  # type: ignore[method-assign]
    try:
        yield
    finally:
        TensorLoader.__iter__, classifier.Classifier._prepared = batches, prepared  # type: ignore[method-assign]
        classifier.Classifier.optimizer_step = step  # type: ignore[method-assign]


def epoch(images: Path, out: Path, config: TrainConfig) -> tuple[dict[str, float], dict[str, Any]]:
    """Seconds by part of one epoch of ``train``, and what the training said of itself."""
    clock = Clock()
    with clocked(clock):
        result = train(images, out, config)
    (row,) = (out / "metrics.csv").read_text().splitlines()[1:]
    names = (out / "metrics.csv").read_text().splitlines()[0].split(",")
    whole = float(row.split(",")[names.index("seconds")])
    parts = {
        "loading: shuffling and indexing": clock.seconds["loading"],
        "normalisation of uint8 images": clock.seconds["normalisation"],
        "forward, loss, backward, optimiser": clock.seconds["step"] - clock.seconds["normalisation"],
    }
    return {**parts, "the rest: Lightning, logging": whole - sum(parts.values())}, result


def operators(config: TrainConfig, size: tuple[int, int], precision: str) -> Counter[str]:
    """Share of each kind of operator in the CPU time of a step on random images."""
    network = create_model(config.model, num_classes=10, img_size=size, **config.model_args)
    if precision == "bf16-mixed":
        use_plain_attention(network)
    layout = torch.channels_last if classifier.wants_channels_last(network) else torch.contiguous_format
    network = network.train().to(memory_format=layout)
    optimiser = torch.optim.AdamW(network.parameters(), fused=True)
    pixels = torch.randint(0, 256, (config.batch_size, 3, *size), dtype=torch.uint8)
    labels = torch.randint(0, 10, (config.batch_size,))

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            logits = network(classifier.normalise(pixels).contiguous(memory_format=layout))
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(logits.float(), labels).backward()
        optimiser.step()

    step()
    with profile(activities=[ProfilerActivity.CPU]) as found:
        for _ in range(PROFILED_STEPS):
            step()
    times: Counter[str] = Counter()
    for event in found.key_averages():
        name = event.key.lower()
        kind = next((kind for kind, parts in KINDS.items() if any(part in name for part in parts)), "other elementwise")
        times[kind] += event.self_cpu_time_total
    whole = sum(times.values())
    return Counter({kind: value / whole for kind, value in times.items()})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="torchvision name, .npz file or folder")
    parser.add_argument("--root", type=Path, help="where torchvision sets lie")
    parser.add_argument("--model", default="convmixer_128_4_patch4_32")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        data = open_data(args.data, work, Limit(), root=args.root)
        images = prepare(Images(), data, 1, work, lambda _: None).train
        config = TrainConfig(model=args.model, epochs=1, holdout=0.0, threads=1, precision=args.precision)
        parts, result = epoch(images, work / "run", config)
        size = data.source.uniform_size or (32, 32)
    whole = sum(parts.values())
    print(
        f"`{args.model}`, {result['train_images']:,} images of {size[0]}x{size[1]}, {result['precision']}, one thread\n"
    )
    print("| part of the epoch | seconds | share |\n| --- | --- | --- |")
    for part, seconds in parts.items():
        print(f"| {part} | {seconds:.2f} | {100 * seconds / whole:.1f} % |")
    shares = operators(config, size, choose_precision(config, create_model(args.model, num_classes=10), size))
    print("\n| in a step | share of its CPU time |\n| --- | --- |")
    for kind, share in shares.most_common():
        print(f"| {kind} | {100 * share:.0f} % |")
    feeding = sum(list(parts.values())[:2]) / whole
    kept = feeding <= LIMIT
    verdict = "kept" if kept else "NOT KEPT"
    print(f"\nLoading and normalisation: {100 * feeding:.1f} %, at most {100 * LIMIT:.0f} %: {verdict}")
    if args.json:
        facts = {"epoch": parts, "step": shares, "machine": machine(), "versions": versions()}
        args.json.write_text(json.dumps(facts, indent=1) + "\n")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
