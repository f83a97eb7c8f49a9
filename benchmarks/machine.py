"""What a benchmark ran on, for the line under its table."""

from __future__ import annotations

import platform
from pathlib import Path

import torch


def machine() -> str:
    """The processor, as far as the system tells, and the versions that matter."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        processor = names[0] if names else processor
    return f"{processor}, one thread, torch {torch.__version__}, Python {platform.python_version()}"
