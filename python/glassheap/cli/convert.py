"""`glassheap convert`: a trace in another format."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from pathlib import PurePath
from typing import TYPE_CHECKING, BinaryIO, cast

from glassheap.cli.base import MistakeError
from glassheap.cli.trace_files import FORMATS, open_trace, report_misuse
from glassheap.terminal import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from glassheap.traces import Note

NAME = "convert"
HELP = "write a recorded program's trace in another format"

SUFFIXES = {
    ".trace": "recording",
    ".script": "script",
    ".rep": "rep",
    ".wee_alloc": "wee_alloc",
    ".ostep": "ostep",
}
"""The formats by the suffixes of files."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        f"Read a trace and write it in another format, and print what was lost. {FORMATS} Writes "
        "recordings, CS107 scripts, CS:APP .rep, wee_alloc traces and OSTEP lists. OUT is "
        "replaced once all of it is written. The exit status is 1 if the trace misuses its memory."
    )
    add = parser.add_argument
    add("file", metavar="IN", help="the trace; - reads standard input")
    out = "the file to write, under gzip if it ends in .gz; - is standard output"
    add("out", metavar="OUT", help=out)
    formats = [*SUFFIXES.values()]
    add("--to", choices=formats, help="the format to write (default: by the suffix of OUT)")


def run(arguments: argparse.Namespace) -> int:
    """Write the trace; the status is 1 if it misused its memory."""
    from glassheap.traces.writing import write

    form = arguments.to or format_of(arguments.out)
    with open_trace(arguments.file) as stream, output(arguments.out) as out:
        written, lost = write(stream, out, form)
    print_notes(arguments.out, written, [*stream.skipped, *lost])
    return report_misuse(stream.name, stream.skipped)


def format_of(out: str) -> str:
    """The format by the suffix of a file. Raises `MistakeError` for an unknown one."""
    suffix = PurePath(out.removesuffix(".gz")).suffix
    if suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise MistakeError(
            f"cannot tell the format of '{out}' by its suffix; expected {known} (also with .gz), "
            f"or --to with one of {', '.join(SUFFIXES.values())}"
        )
    return SUFFIXES[suffix]


def print_notes(out: str, written: int, notes: Sequence[Note]) -> None:
    """Print what was written and what was lost; on stderr if the trace itself is on stdout."""
    file = sys.stderr if out == "-" else sys.stdout
    if file is not None:
        name = "standard output" if out == "-" else out
        print(f"{printable(name)}: {written:,} operations", file=file)
        for note in notes:
            print(f"note: {note}", file=file)


@contextmanager
def output(out: str) -> Iterator[BinaryIO]:
    """The stream to write to; the errors of writing to a file have its name."""
    if out == "-":
        yield sys.stdout.buffer
        sys.stdout.flush()  # the notes are printed once all of it is written
        return
    with named_errors(out), replaced(out) as file:
        if out.endswith(".gz"):
            import gzip

            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
                yield cast("BinaryIO", packed)
        else:
            yield file


@contextmanager
def replaced(out: str) -> Iterator[BinaryIO]:
    """A file that replaces `out` at the end of the `with` block, unless an error ends it.

    A device or a pipe is written to directly.
    """
    path = os.path.realpath(out)
    if os.path.exists(path) and not os.path.isfile(path):
        with open(out, "wb") as direct:
            yield direct
        return
    part = f"{path}.{os.getpid()}.part"
    try:
        with open(part, "xb") as file:
            yield file
        os.replace(part, path)
    finally:
        with suppress(OSError):
            os.unlink(part)


@contextmanager
def named_errors(out: str) -> Iterator[None]:
    """Give the system's errors of writing the name of `out`; those of other files pass."""
    path = os.path.realpath(out)
    try:
        yield
    except OSError as error:
        if error.filename is not None and not str(error.filename).startswith(path):
            raise
        raise OSError(error.errno, error.strerror, out) from None
