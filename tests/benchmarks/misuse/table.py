"""Run the same misuse on each allocator, and write the table of detected faults.

    python tests/benchmarks/misuse/table.py              print the table
    python tests/benchmarks/misuse/table.py --write      put it into docs/safety.md, between marks

Each fault is committed several times on each allocator, in a process of its own and with a time
limit. The system's malloc is the one that misuse.c is linked with; the others are preloaded (on
Debian: libmimalloc2.0, libjemalloc2), as installed and with no option set. An allocator that is not
installed is left out. The script needs a C compiler and glassheap; it takes half a minute.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import glassheap

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[2] / "docs" / "safety.md"
BEGIN, END = "<!-- misuse: begin -->\n", "<!-- misuse: end -->\n"
RUNS, SECONDS = 5, 20

AT_ONCE = {"misuse": "", "later": ", at a later call"}
ENDS = {
    "refused": "refuses",
    "shared": "**not noticed: one block, two owners**",
    "lost": "**not noticed: bytes lost**",
    "done": "not noticed",
}


class Contender(NamedTuple):
    """An allocator, and the command that commits a fault on it."""

    name: str
    command: list[str]
    options: tuple[str, ...] = ()
    preload: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    write = parser.parse_args().write
    with tempfile.TemporaryDirectory() as folder:
        text = "\n".join([*facts(), "", *table(contenders(build(Path(folder))))]) + "\n"
    put(text) if write else print(text, end="")


def put(text: str) -> None:
    """Write the text between the marks of the page."""
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}{text}{END}{after}", "utf-8")


# --- The contenders. ------------------------------------------------------------------------------


def build(folder: Path) -> str:
    """Compile the program that misuses malloc, without the compiler's optimisations of malloc."""
    program = folder / "misuse"
    options = ["-std=c11", "-O1", "-fno-builtin", "-w"]
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, *options, str(HERE / "misuse.c"), "-o", str(program)], check=True)
    return str(program)


def contenders(program: str) -> list[Contender]:
    glass = [sys.executable, str(HERE / "glass.py")]
    peers = [("mimalloc", "libmimalloc.so.2"), ("jemalloc", "libjemalloc.so.2")]
    return [
        Contender("system malloc", [program]),
        *(Contender(name, [program], preload=library) for name, library in peers if loads(library)),
        Contender("glassheap", glass),
        *([Contender('glassheap, `checks="debug"`', glass, ("debug",))] if has_debug() else []),
    ]


def loads(library: str) -> bool:
    """True if the library can be preloaded; otherwise the loader says so on stderr, and goes on."""
    done = run(["true"], library)
    return done is not None and not done.stderr


def has_debug() -> bool:
    options: dict[str, str] = {"checks": "debug"}
    try:
        glassheap.Heap(4096, **options).close()  # type: ignore[arg-type]
    except TypeError:
        return False
    return True


def facts() -> list[str]:
    """System and versions: enough to judge the table, and nothing that names the machine."""
    system = f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}"
    versions = [" ".join(platform.libc_ver())]
    for package in ("libmimalloc2.0", "libjemalloc2"):
        done = run(["dpkg-query", "-W", "-f", "${Version}", package])
        if done is not None and done.returncode == 0:
            versions.append(f"{package} {done.stdout}")
    versions += [f"glassheap {glassheap.__version__}", f"Python {platform.python_version()}"]
    return [f"Made on {system}, {platform.machine()}, with {', '.join(versions)}."]


# --- The result of a fault. -----------------------------------------------------------------------


def table(contenders: list[Contender]) -> list[str]:
    names = subprocess.run(contenders[0].command, capture_output=True, text=True, check=True)
    lines = ["| fault | " + " | ".join(contender.name for contender in contenders) + " |"]
    lines.append("| :-- |" + " :-- |" * len(contenders))
    for fault in names.stdout.splitlines():
        cells = [cell(contender, fault) for contender in contenders]
        lines.append(f"| {fault} | " + " | ".join(cells) + " |")
    return lines


def cell(contender: Contender, fault: str) -> str:
    """The outcome; all of them, if the runs differ."""
    command = [*contender.command, fault, *contender.options]
    return " or ".join(sorted({outcome(run(command, contender.preload)) for _ in range(RUNS)}))


def run(command: list[str], preload: str = "") -> subprocess.CompletedProcess[str] | None:
    """Run a command in a child process; None if it does not end in time."""
    environment = {**os.environ, "LD_PRELOAD": preload}
    try:
        return subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return None


def outcome(done: subprocess.CompletedProcess[str] | None) -> str:
    """The outcome of one run, from the last line of its output and its exit status."""
    if done is None:
        return "**never ends**"
    last = (done.stdout.split("\n")[:-1] or ["misuse"])[-1]
    when = AT_ONCE.get(last, "")
    if done.returncode == -signal.SIGABRT:
        return f"aborts{when}: {message(done.stderr)}"
    if done.returncode < 0:
        return f"crashes{when} ({signal.Signals(-done.returncode).name})"
    if last.startswith(("raises ", "finds ")):
        verb, name = last.split()
        at = ", at a later call" if verb == "raises" and "later\n" in done.stdout else ""
        return f"{'`check()` finds ' if verb == 'finds' else ''}`{name}`{at}"
    return ENDS[last]


def message(stderr: str) -> str:
    """The last line of stderr, with addresses replaced by dots."""
    lines = re.sub(r"0x[0-9a-f]+", "...", stderr).split("\n")
    return next((line for line in reversed(lines) if line.strip()), "without a word")


if __name__ == "__main__":
    main()
