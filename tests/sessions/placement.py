"""The placement benchmark: the packages of Google Benchmark and of its peers."""

from __future__ import annotations

import shutil
import subprocess

PACKAGES = (
    "libbenchmark-dev",
    "libboost-dev",
    "libboost-container-dev",
    "libtbb-dev",
    "libmimalloc2.0",
    "libjemalloc2",
    "libtcmalloc-minimal4",
)


def missing_packages() -> list[str]:
    """The packages that are not installed; none on a machine that is not Debian."""
    if shutil.which("dpkg-query") is None:
        return []
    query = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *PACKAGES]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    return [name for name in PACKAGES if f"{name} installed" not in done.stdout.splitlines()]
