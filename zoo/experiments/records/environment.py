"""Describe the environment of a run: versions, device, threads, commit of the source."""

import platform
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

import torch

import zoo
from zoo.experiments.records.run import Environment
from zoo.surroundings import describe_arithmetic

CPUINFO = Path("/proc/cpuinfo")


def describe_environment(device: str, threads: int) -> Environment:
    """Describe the environment of this process."""
    commit, dirty = _commit()
    return Environment(
        zoo=zoo.__version__,
        python=platform.python_version(),
        torch=torch.__version__,
        platform=f"{platform.system()} {platform.machine()}",
        device=device,
        threads=threads,
        commit=commit,
        dirty=dirty,
        arithmetic=describe_arithmetic(),
        processor=find_processor(),
    )


@cache
def find_processor() -> str | None:
    """Return the model of the CPU as the system names it, or None."""
    with suppress(OSError):  # Linux; `platform.processor` is empty there
        for line in CPUINFO.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in ("model name", "Model", "cpu model"):
                return " ".join(value.split())[:200] or None
    return platform.processor()[:200] or None


@cache
def _commit() -> tuple[str | None, bool | None]:
    """Return the commit of the checkout of this source and whether files are modified; None outside of a checkout."""
    root = Path(zoo.__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None, None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return commit, bool(_git(root, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return None, None


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()
