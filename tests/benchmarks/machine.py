"""The machine: facts to judge the figures, none that identify it; packages, folders, preloading."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import psutil

import glassheap

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / ".build"
QUIET = 10
"""The percentage of the processors that others may use while a page is measured."""

PACKAGES = (
    *("libbenchmark-dev", "libboost-dev", "libtbb-dev"),
    *("libmimalloc2.0", "libjemalloc2", "libtcmalloc-minimal4"),
)
"""Google Benchmark and the peers, in Debian."""

PRELOADED = {
    "mimalloc": "libmimalloc.so.2",
    "jemalloc": "libjemalloc.so.2",
    "tcmalloc": "libtcmalloc_minimal.so.4",
}


def output(
    *command: str, timeout: float | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a command with further environment variables, and keep its output."""
    return subprocess.run(
        command,
        env=os.environ | env,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=timeout,
    )


def preloads() -> list[str]:
    """The mallocs that can be preloaded; if one cannot, the loader says so, and goes on."""
    return [name for name, lib in PRELOADED.items() if not output("true", LD_PRELOAD=lib).stderr]


def packages() -> str:
    """The versions of the packages; nothing on a machine that is not Debian."""
    if shutil.which("dpkg-query") is None:
        return "unknown"
    lines = output(
        "dpkg-query", "-W", "-f", "${Package} ${Version}\n", *PACKAGES
    ).stdout.splitlines()
    versions = dict(line.split(" ") for line in lines)
    return ", ".join(f"{name} {versions.get(name) or 'MISSING'}" for name in PACKAGES)


def facts() -> dict[str, str]:
    """A description of the machine, as it is now."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    busy = psutil.cpu_percent(interval=2)  # of all processors; a load average tells of the past
    note = " (BUSY: measure again on a quiet machine)" if busy > QUIET else ""
    release = ".".join(platform.release().split(".")[:2])
    return {
        "measured": f"{datetime.now():%Y-%m-%d %H:%M}",
        "processor": f"{model[1] if model else 'unknown'}, {os.cpu_count()} of them",
        "system": f"{platform.system()} {release}, {platform.machine()}",
        "libc": " ".join(platform.libc_ver()),
        "Python": f"{platform.python_version()} ({platform.python_compiler()})",
        "glassheap": glassheap.__version__,
        "packages": packages(),
        "in use at the start": f"{busy:.0f} % of the processors{note}",
    }
