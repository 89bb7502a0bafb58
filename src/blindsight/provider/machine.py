"""What a training ran on, for its recipe: no host, user or path."""

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["has_bfloat16_units", "machine", "share_processors", "versions"]


def machine() -> dict[str, str | int]:
    """Processor, cores, memory and GPU by model name."""
    import torch

    facts: dict[str, str | int] = {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "torch_threads": torch.get_num_threads(),
    }
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
        facts["gpus"] = torch.cuda.device_count()
    return facts


def has_bfloat16_units() -> bool:
    """True for processors that multiply bfloat16 numbers in hardware (AMX, AVX-512 BF16)."""
    info = Path("/proc/cpuinfo")
    return info.exists() and re.search(r"\b(amx|avx512)_bf16\b", info.read_text(errors="replace")) is not None


def share_processors() -> None:
    """Has OpenMP's threads sleep while they wait; to be called before torch is imported, else it does nothing.

    By default they spin, and then two programs on the same cores hold each other up. An OMP_WAIT_POLICY of the
    user's stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def versions() -> dict[str, str]:
    """Versions of what determines a training's result."""
    found = {"python": platform.python_version()}
    for package in ("blindsight", "torch", "timm", "lightning", "numpy", "pillow", "simplejpeg"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            from blindsight import __version__

            found[package] = __version__ if package == "blindsight" else "absent"
    return found
