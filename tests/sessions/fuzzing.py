"""Fuzzing: the compiler that can build the fuzzers, one run a policy, and the stored corpus.

libFuzzer generates calls and writes, and searches for inputs that make the heap crash, hang, access
memory that is not its own, or break a promise. It starts from tests/fuzz/corpus, and writes new
inputs to .build/fuzz/found. Failing inputs go to .build/fuzz/broken.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from sessions.machine import BUILD, ROOT, each

if TYPE_CHECKING:
    from pathlib import Path

    import nox

CORPUS = ROOT / "tests" / "fuzz" / "corpus"
WORK = BUILD / "fuzz"
LARGEST_CORPUS = 60  # files
NOT_FUZZED = (
    "NOT FUZZED: no clang++ 16 or newer with libFuzzer was found."
    " Type: sudo apt-get install clang-19 libclang-rt-19-dev"
)
# Inputs are long enough for a few hundred steps. Their length grows slowly, because short inputs
# find most new coverage. An input takes a millisecond, so one that takes ten seconds is a hang.
OPTIONS = ("-max_len=480", "-len_control=8", "-timeout=10", "-print_final_stats=1")
NOISE = re.compile(r"#\d|NEW_FUNC|INFO|.*DE: ")

# Clang before version 16 cannot compile the ranges of GCC's standard library.
PROBE = b"""
#include <algorithm>
#include <vector>
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, unsigned long size) {
  std::vector<unsigned char> bytes(data, data + size);
  return std::ranges::unique(bytes).empty() ? 0 : -1;
}
"""


def find_clang() -> dict[str, str] | None:
    """CC and CXX of a clang that has libFuzzer and the sanitizers; None if there is none."""
    WORK.mkdir(parents=True, exist_ok=True)
    options = ["-std=c++20", "-fsanitize=fuzzer,address,undefined", "-o", str(WORK / "probe")]
    for suffix in ("", *(f"-{version}" for version in range(30, 15, -1))):
        if compiler := shutil.which(f"clang++{suffix}"):
            command = [compiler, *options, "-x", "c++", "-"]
            done = subprocess.run(command, input=PROBE, capture_output=True, check=False)
            if done.returncode == 0:
                return {"CC": f"clang{suffix}", "CXX": f"clang++{suffix}"}
    return None


def program(policy: str) -> Path:
    return WORK / "tests" / "fuzz" / f"fuzz_{policy}"


def policies() -> list[str]:
    """The policies that have a fuzzer."""
    found = {path.name for path in program("").parent.glob("fuzz_*")} - {"fuzz_every_policy"}
    return sorted(name.removeprefix("fuzz_") for name in found)


def run(session: nox.Session) -> None:
    """Fuzzes the policies, one a core at a time."""
    seconds = next((word for word in session.posargs if word.isdigit()), "8")
    chosen = [word for word in session.posargs if not word.isdigit()] or policies()
    if unknown := set(chosen) - set(policies()):
        session.error("There is no policy", *sorted(unknown))
    session.log(f"Fuzzing for {seconds} s each: {' '.join(chosen)}")
    if not each(lambda policy: fuzz(session, policy, seconds), chosen):
        session.error("A heap broke. The lines above say how to run its input again.")


def fuzz(session: nox.Session, policy: str, seconds: str) -> bool:
    """Fuzzes one policy, and prints its coverage in one line. False if the heap broke."""
    for folder in (WORK / "found" / policy, WORK / "broken"):
        folder.mkdir(parents=True, exist_ok=True)
    command = [str(program(policy)), *OPTIONS, f"-max_total_time={seconds}"]
    command.append(f"-artifact_prefix={WORK}/broken/{policy}-")
    command += [str(WORK / "found" / policy), str(CORPUS)]
    log = WORK / f"{policy}.log"
    with log.open("wb") as output:
        done = subprocess.run(command, stdout=output, stderr=output, check=False)
    report = coverage if done.returncode == 0 else breakage
    session.log(f"{policy:16} {report(policy, log.read_text(errors='replace'))}")
    return done.returncode == 0


def coverage(_policy: str, output: str) -> str:
    """How far the run came, from its last lines."""
    counts = re.search(r"^#(\d+)\s+DONE\s+cov: (\d+)", output, re.MULTILINE)
    return "{} inputs, {} places reached".format(*counts.groups()) if counts else "no input"


def breakage(policy: str, output: str) -> str:
    """The beginning of the report, and the commands that run its input again."""
    lines = [line for line in output.splitlines() if not NOISE.match(line)]
    found = (re.findall(r"Test unit written to (.*)", output) or ["(none)"])[-1]
    again = f"again: {program(policy)} {found}\nor:    .build/release/tests/fuzz/replay {found}"
    return "\n".join(["BROKEN", *lines[:60], again])


def keep(session: nox.Session) -> None:
    """Rebuilds the stored corpus from itself and the inputs found.

    It keeps the fewest inputs that together reach everything that any input reaches, in any policy.
    Of those, only the longest stay, because they reach the most: the corpus is small.
    """
    fresh = WORK / "kept"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    found = [str(folder) for folder in sorted(WORK.glob("found/*"))]
    merge = [str(program("every_policy")), "-set_cover_merge=1", "-use_counters=0", "-max_len=480"]
    session.run(*merge, str(fresh), str(CORPUS), *found, external=True, silent=True)
    kept = sorted(fresh.iterdir(), key=lambda path: (-path.stat().st_size, path.name))
    for old in CORPUS.iterdir():
        old.unlink()
    for path in kept[:LARGEST_CORPUS]:
        shutil.copy(path, CORPUS)
    session.log(f"{CORPUS}: {len(kept[:LARGEST_CORPUS])} files")
