"""The machine of a run: enough facts to judge the figures, and none that identify the machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from pathlib import Path

import glassheap

BUSY = 0.5
"""Runnable programs a processor, averaged over a minute, that make the figures doubtful."""


def describe() -> dict[str, str]:
    """Names and versions, and the current load of the machine."""
    return {
        "processor": f"{processor()}, {os.cpu_count()} of them",
        "system": f"{platform.system()} {release()}, {platform.machine()}",
        "libc": " ".join(platform.libc_ver()).strip() or "unknown",
        "Python": f"{platform.python_version()} ({platform.python_compiler()})",
        "glassheap": glassheap.__version__,
        "cffi": version("cffi"),
        "load at the start": load(),
    }


def processor() -> str:
    """The model name of the processor."""
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        model = re.search(r"^model name\s*: (.+)$", facts.read_text(), re.MULTILINE)
        if model:
            return model[1]
    return platform.processor() or "unknown processor"


def release() -> str:
    """The first two numbers of the version of the system."""
    return ".".join(platform.release().split(".")[:2])


def version(package: str) -> str:
    """The version of an installed package."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def load() -> str:
    """The load average of the last minute, with a warning if it is too high."""
    average = os.getloadavg()[0]
    busy = average > BUSY * (os.cpu_count() or 1)
    return f"{average:.2f}" + (" (BUSY: measure again on a quiet machine)" if busy else "")
