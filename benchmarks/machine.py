"""What a measurement depends on: machine, versions, load, date."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = (
    "onnxscope",
    "onnxruntime-gpu",
    "onnxruntime",
    "numpy",
    "torch",
    "torch-lucent",
    "onnx-ad",
)


def surroundings() -> dict[str, Any]:
    """Return machine, versions and date as plain data."""
    return {
        "date": datetime.now().astimezone().isoformat(timespec="minutes"),
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "gpu": gpu_name(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: found for name in _PACKAGES if (found := installed_version(name))},
    }


def installed_version(distribution: str) -> str:
    """Return the version of an installed distribution, empty where it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def load_average() -> float | None:
    """Return how many processes wanted to run in the last minute, where the system tells it."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def peak_memory() -> float | None:
    """Return the most memory this process has had, in MiB, where the system tells it."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return None
    return next(
        int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")
    )


def compiler() -> str:
    """Return the C++ compiler that `torch.compile` would use; empty where there is none."""
    given = os.environ.get("CXX", "")
    names = (given, "g++", "clang++", "c++", "cl")
    return next((found for name in names if name and (found := shutil.which(name))), "")


def gpu_name() -> str:
    """Return the NVIDIA GPUs that the driver knows, empty where there is no driver."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ""
    command = [tool, "--query-gpu=name", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ", ".join(found.stdout.splitlines()) if found.returncode == 0 else ""


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    facts = dict(reversed([[part.strip() for part in x.split(":", 1)] for x in lines if ":" in x]))
    name = facts.get("model name", platform.processor() or platform.machine())
    # Virtual machines hide the model; family and number tell the generation.
    family, number = facts.get("cpu family"), facts.get("model")
    return f"{name} (family {family}, model {number})" if family and number else name
