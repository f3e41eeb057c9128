"""The pinned versions of Python packages: tests/requirements.txt."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sessions.machine import ROOT

if TYPE_CHECKING:
    import nox

PINS = ROOT / "tests" / "requirements.txt"
HOOKS = ROOT / ".pre-commit-config.yaml"


def install(session: nox.Session, *packages: str) -> None:
    """Installs the packages, in the pinned versions."""
    session.install("--constraint", str(PINS), *packages)


def check_hooks(session: nox.Session) -> None:
    """Fails if a pre-commit hook has a pin that is not in tests/requirements.txt."""
    pins = {line.partition(";")[0].strip() for line in PINS.read_text().splitlines()}
    others = set(re.findall(r"[\w-]+==[\w.]+", HOOKS.read_text())) - pins
    if others:
        session.error(f"Not in {PINS.name}:", *sorted(others))
