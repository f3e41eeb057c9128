"""What the commands that read traces share: opening one, and its errors as sentences."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from glassheap.cli.base import DONE, FAILED, MistakeError, print_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from glassheap.traces import Note, Stream, Trace

FORMATS = (
    "Reads recordings of glassheap, CS:APP .rep, CS107 scripts, OSTEP lists, wee_alloc traces, and "
    "what mtrace, ltrace, valgrind --trace-malloc, Android, RMM, PyTorch and Umpire record, plain "
    "or under gzip, told apart by their content."
)
"""A sentence for the help."""

STANDARD_INPUT = "standard input"


def read_trace(file: str) -> Trace:
    """The trace in `file`; "-" is the standard input. Raises `MistakeError` if there is none."""
    from glassheap.traces import read

    with trace_errors(file):
        return read(file) if file != "-" else read(standard_input(), STANDARD_INPUT)


@contextmanager
def open_trace(file: str) -> Iterator[Stream]:
    """The trace in `file`, to be read in batches. Raises `MistakeError` as `read_trace` does."""
    from glassheap.traces import stream

    with trace_errors(file):
        opened = stream(file) if file != "-" else stream(standard_input(), STANDARD_INPUT)
        with opened as batches:
            yield batches


@contextmanager
def trace_errors(file: str) -> Iterator[None]:
    """Turn the errors of reading a trace into sentences; those of other files pass."""
    from glassheap.traces import TraceError

    try:
        yield
    except TraceError as error:
        raise MistakeError(str(error)) from None
    except OSError as error:
        if error.filename not in (file, STANDARD_INPUT):
            raise
        raise MistakeError(f"cannot read {file}: {error.strerror or error}") from None
    except MemoryError:
        raise MistakeError(f"{file} is too long for the memory of this machine") from None


def standard_input() -> BinaryIO:
    """The bytes of the standard input. Raises `MistakeError` if it is closed."""
    if sys.stdin is None:
        raise MistakeError("cannot read standard input: it is closed")
    return sys.stdin.buffer


def report_misuse(name: str, notes: Sequence[Note]) -> int:
    """Print each misuse in the trace as a sentence on stderr; the status is 1 if there is one."""
    misuses = [note for note in notes if note.misuse]
    for note in misuses:
        print_error(f"{name}: {note}", FAILED)
    return FAILED if misuses else DONE
