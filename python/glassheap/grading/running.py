"""Starts a child for a job, waits for its end, and puts an early end into words."""

from __future__ import annotations

import json
import mmap
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from glassheap.grading.job import (
    BOOT,
    CALL,
    JOB,
    PLACE,
    RESULT,
    START,
    TIME,
    WRITE,
    Breach,
    Job,
    LibraryError,
    Place,
    describe,
)

TAIL = 2000
"""Bytes of the child's last output that are kept."""
SLOWEST_START = 60
"""Seconds that Python may take to start, beside the time limit."""
LONGEST_PAUSE = 0.05
"""Seconds between two looks at a child."""
LONGEST_LINE = 120
"""Characters of its last line that are shown."""
CHILD = "glassheap.grading.child"


class Outcome(NamedTuple):
    """The end of a child: its result, or else why there is none."""

    result: dict[str, Any] | None
    breach: Breach | None


def run(job: Job) -> Outcome:
    """Do the job in a child.  Raises LibraryError if the library cannot be graded."""
    with tempfile.TemporaryDirectory(prefix="glassheap-") as name:
        folder = Path(name)
        (folder / JOB).write_bytes(pickle.dumps(job))
        (folder / PLACE).write_bytes(bytes(mmap.PAGESIZE))
        place = Place(folder / PLACE)
        try:
            breach = wait(job, folder, place)
        finally:
            place.close()
        return Outcome(None, breach) if breach else Outcome(read_result(folder / RESULT), None)


def read_result(path: Path) -> dict[str, Any]:
    """The child's result.  Raises LibraryError with the child's sentence, if it has written one."""
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if "error" in result:
        raise LibraryError(result["error"])
    return result


def wait(job: Job, folder: Path, place: Place) -> Breach | None:
    """Run the child to its end; a breach if it has written no result.

    Raises LibraryError if Python could not start.
    """
    with subprocess.Popen(
        [sys.executable, "-m", CHILD, str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        start_new_session=True,  # the library's own children are in its group
    ) as child:
        output = Tail(child)
        try:
            wait_for_python(child, place)
            before = operation_after(job.seconds / 2, child, place)
            now = operation_after(job.seconds / 2, child, place)
            if not has_ended(child):
                return Breach("hang", now, hang(job, place, before))
        finally:
            kill(child)
        said = output.last_line()
    if (folder / RESULT).exists():
        return None
    if place.stage == BOOT:
        raise LibraryError(f"cannot start a child, {sys.executable} -m {CHILD}{said}")
    rule = "crash" if child.returncode < 0 else "exit"
    sentence = f"{ending(child.returncode)} {whereabouts(job, place)}{said}"
    return Breach(rule, place.operation, sentence)


def wait_for_python(child: subprocess.Popen[bytes], place: Place) -> None:
    """Wait until the child's work begins: a slow start of Python is not the library's fault."""
    latest = time.monotonic() + SLOWEST_START
    while place.stage == BOOT and not has_ended(child) and time.monotonic() < latest:
        time.sleep(0.002)


def operation_after(seconds: float, child: subprocess.Popen[bytes], place: Place) -> int:
    """Wait so long for the end of the child; the operation that runs then."""
    latest, pause = time.monotonic() + seconds, 0.0005
    while not has_ended(child) and (left := latest - time.monotonic()) > 0:
        time.sleep(min(pause, left))
        pause = min(2 * pause, LONGEST_PAUSE)
    return place.operation


def has_ended(child: subprocess.Popen[bytes]) -> bool:
    """True if the child has ended.

    It is not reaped, where the system has a call for that: so no other process gets its number,
    which is that of its group too.
    """
    if child.returncode is None and hasattr(os, "waitid"):
        ended = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return ended is not None
    return child.poll() is not None


def kill(child: subprocess.Popen[bytes]) -> None:
    """Kill the child and its group, also after its end: the library's children live in it."""
    with suppress(ProcessLookupError, PermissionError):  # nobody is left; macOS says the latter
        os.killpg(child.pid, signal.SIGKILL)


class Tail:
    """The last output of a child, read by a thread, so that the child never waits for a reader."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        self._last = b""
        pipe = os.dup(child.stdout.fileno())  # may be read for longer than `child` is open
        self._thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._thread.start()

    def _read(self, pipe: int) -> None:
        with open(pipe, "rb", buffering=0) as stream:
            while piece := stream.read(TAIL):
                self._last = (self._last + piece)[-TAIL:]

    def last_line(self) -> str:
        """The last line of the output, as the end of a sentence; empty if there is none."""
        self._thread.join(1)  # a process that the child started may hold the pipe
        lines = self._last.decode("utf-8", "backslashreplace").split("\n")
        line = next((line.strip() for line in reversed(lines) if line.strip()), "")
        shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line[:LONGEST_LINE])
        return f"; its last words: {shown}" if shown else ""


# --- Sentences ------------------------------------------------------------------------------------
def ending(status: int) -> str:
    """How a child ended, for the beginning of a sentence."""
    if status >= 0:
        return f"the library ended the process with status {status}"
    number = -status
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    return f"the library crashed with {name} ({signal.strsignal(number)})"


def whereabouts(job: Job, place: Place) -> str:
    """Where a child was, for the end of a sentence."""
    if place.stage <= START:
        return "in a function of --init" if place.stage == START else "while it was loaded"
    operation = describe(job.trace, place.operation) if len(job.trace) else "an empty trace"
    if place.stage == CALL:
        timed = ", played once more in the timing" if job.task == TIME else ""
        return f"in {operation}{timed}"
    done = "written to" if place.stage == WRITE else "read"
    return f"when a payload was {done}, at {operation}"


def hang(job: Job, place: Place, before: int) -> str:
    """The sentence for a child that did not end in time; `before` is where it was at half time."""
    limit = f"{job.seconds:g} s"
    if place.operation == before:
        return f"the library hangs {whereabouts(job, place)}: no end within {limit}"
    done = f"{place.operation:,} of {len(job.trace):,} operations"
    return f"the library is too slow: {done} within {limit}; give it more with --timeout"
