"""The fingerprint of what a result was computed on. Names no person and no host."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "tinyprop",
    "torch",
    "numpy",
    "scipy",
    "scikit-learn",
    "librosa",
    "soundfile",
    "hydra-core",
    "omegaconf",
    "pydantic",
    "mlflow",
    "matplotlib",
)


def environment() -> dict[str, object]:
    """Versions, processor, threads, memory and the git commit, as written to ``environment.json``.

    ``git.package`` is the checkout that the package itself runs from, ``git.working_directory`` the one that the
    command was started in; None where there is none.
    """
    import torch

    return {
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "threads": torch.get_num_threads(),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "memory_bytes": memory_bytes(),
        "cuda": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        "git": {"package": _package_checkout(), "working_directory": checkout(Path.cwd())},
    }


def machine_tag() -> str:
    """The machine in a few words: ``AMD EPYC 7B13, 2 cores``."""
    cores = usable_cores()
    return f"{cpu_model()}, {cores} core{'' if cores == 1 else 's'}"


def checkout(directory: Path) -> dict[str, object] | None:
    """Commit and whether tracked files differ from it, or None outside a git checkout or without git."""
    # one call for both; untracked files do not change what runs, and looking for them is slow in large trees
    command = ["git", "-C", str(directory), "status", "--porcelain=v2", "--branch", "--untracked-files=no"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = answer.stdout.splitlines()
    commit = next((line.split()[-1] for line in lines if line.startswith("# branch.oid ")), None)
    if answer.returncode != 0 or commit is None or commit == "(initial)":
        return None
    return {"commit": commit, "dirty": any(not line.startswith("#") for line in lines)}


def cpu_model() -> str:
    """The processor's name as far as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_bytes() -> int | None:
    """Physical memory, or None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def _package_checkout() -> dict[str, object] | None:
    source = Path(__file__).resolve().parents[1] / "__init__.py"
    command = ["git", "-C", str(source.parent), "ls-files", "--error-unmatch", str(source)]
    try:  # an environment inside somebody's repository is not that repository's code
        tracked = subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return None
    return checkout(source.parent) if tracked else None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
