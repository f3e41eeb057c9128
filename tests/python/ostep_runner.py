"""Run `glassheap ostep` in the tests' own process and parse its output."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glassheap.cli import main

if TYPE_CHECKING:
    import pytest


class Ostep:
    """The command, run in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *arguments: str) -> str:
        """The output of a run that must succeed."""
        assert main(["ostep", *arguments]) == 0
        printed = self.capsys.readouterr()
        assert printed.err == ""
        return printed.out

    def steps(self, *arguments: str) -> list[list[str]]:
        """The lines of each step, without the options."""
        _, *steps = self(*arguments).rstrip("\n").split("\n\n")
        return [step.split("\n") for step in steps]

    def usage_error(self, *arguments: str) -> str:
        """The message of a run that must end with a usage error."""
        assert main(["ostep", *arguments]) == 2
        printed = self.capsys.readouterr()
        assert printed.out == ""
        assert re.fullmatch(r"glassheap: [^\n]*\n", printed.err)
        return printed.err
