"""The placement benchmark: its peers, and the files that a whole run writes."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from sessions.machine import BUILD, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

PROGRAM = BUILD / "bench" / "tests" / "benchmarks" / "cpp" / "glassheap-bench"
PARTIAL = {"--quick", "--only", "--no-speed", "--help", "-h"}
PEERS = (  # the Debian packages that the peers are built and run with
    "libboost-dev",
    "libboost-container-dev",
    "libtbb-dev",
    "libmimalloc2.0",
    "libjemalloc2",
    "libtcmalloc-minimal4",
)


def missing_peers() -> list[str]:
    """The packages that are not installed; none on a machine that is not Debian."""
    if shutil.which("dpkg-query") is None:
        return []
    query = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *PEERS]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    return [peer for peer in PEERS if f"{peer} installed" not in done.stdout.splitlines()]


def results(arguments: Iterable[str]) -> list[str]:
    """The options that write the page and the figures. A partial run writes neither."""
    if PARTIAL.intersection(arguments):
        return []
    page = ROOT / "docs" / "benchmarks-placement.md"
    figures = BUILD / "bench" / "placement.json"
    return ["--utilisation", "--json", str(figures), "--markdown", str(page)]
