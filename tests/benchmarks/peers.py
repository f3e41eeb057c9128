"""Fetches the sources of two peers into .build/peers, where CMake finds them.

    python tests/benchmarks/peers.py

No package has dlmalloc or TLSF as a library over a region, but the sources of two packages of
Debian contain them: apt downloads those, with lists and caches of its own, so that nothing on the
machine changes and no rights are needed. A file that is not byte for byte the expected one is
refused. Nothing of them is part of glassheap or of its packages.

    dlmalloc    2.8.6, Doug Lea; in the public domain (CC0)
    TLSF        3.1, Matthew Conte; in the public domain by its header, BSD by its page

o1heap is in no package of PyPI, Debian or npm that was found.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tarfile
from pathlib import Path

from machine import BUILD

PEERS = BUILD / "peers"
WORK = PEERS / "apt"

SOURCES = {
    "wasi-libc": {
        "dlmalloc/src/malloc.c": "22c1995baed5659a0002cb396d6d83e678c92199e893a02d916cadc142d3ada2",
    },
    "zynaddsubfx": {
        "tlsf/tlsf.c": "578839e3107347b242b415e1e81f59efcde01639781686d2b9c3a0d692b9060f",
        "tlsf/tlsf.h": "b9d0443c819ca7b92d111ef9cb06f917df86e2c669382d3260a6bc3ad388a340",
        "tlsf/tlsfbits.h": "3f246dfd7ba675acbc7d03dfcc3281996918a5723c5d801d0ffb9d192489f829",
    },
}
"""The files of each source package, with their SHA-256."""


def fetch() -> None:
    """Fetch what is missing; ends the program with a sentence if that is impossible."""
    missing = [package for package, files in SOURCES.items() if not all(map(is_there, files))]
    try:
        if missing:
            update_lists()
        for package in missing:
            unpack(download(package), SOURCES[package])
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        sys.exit(f"dlmalloc and TLSF cannot be fetched: {error}")


def is_there(path: str) -> bool:
    """Returns true if the file was fetched before."""
    return (PEERS / Path(path).name).is_file()


# --- apt, with folders of its own. ----------------------------------------------------------------


def apt(*words: str) -> None:
    """Run apt-get in the folder of the downloads."""
    options = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": WORK / "sources",
        "Dir::State::lists": WORK / "lists",
        "Dir::Cache": WORK / "cache",
    }
    command = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]
    subprocess.run([*command, *words], cwd=WORK, check=True)


def update_lists() -> None:
    """Fetch the lists of source packages of the places from which the machine installs."""
    for folder in ("sources", "lists/partial", "cache"):
        (WORK / folder).mkdir(parents=True, exist_ok=True)
    parts = [*Path("/etc/apt/sources.list.d").glob("debian*"), Path("/etc/apt/sources.list")]
    for part in parts:
        if part.suffix in (".list", ".sources") and part.is_file():
            text = re.sub(r"(?m)^Types:.*$|^deb(?=\s)", as_sources, part.read_text())
            (WORK / "sources" / part.name.replace("sources.list", "main.list")).write_text(text)
    apt("update")


def as_sources(entry: re.Match[str]) -> str:
    """The entry of a list of apt, for source packages."""
    return "Types: deb-src" if entry[0].startswith("Types") else "deb-src"


def download(package: str) -> Path:
    """The archive with the upstream sources of a package."""
    apt("source", "--download-only", package)
    archives = WORK.glob(f"{package}_*.orig.tar.*")
    return next(path for path in archives if path.suffix != ".asc")


def unpack(archive: Path, files: dict[str, str]) -> None:
    """Write the files, if they are the expected ones."""
    with tarfile.open(archive) as tar:
        for member in tar:
            if expected := files.get(member.name.partition("/")[2]):
                content = tar.extractfile(member).read()  # type: ignore[union-attr]
                if hashlib.sha256(content).hexdigest() != expected:
                    raise ValueError(f"{member.name} of {archive.name} is not the expected file.")
                (PEERS / Path(member.name).name).write_bytes(content)


if __name__ == "__main__":
    fetch()
