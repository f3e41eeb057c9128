"""The command line: `glassheap`, or `python -m glassheap`.

This file knows the arguments (those of `ostep`, which are many, are in its package) and how a
command ends.  What the commands do is elsewhere, and is imported only by the command that needs it.

    exit status   0    done
                  1    the output could not be written, the heap was found corrupt, or the trace
                       freed what it did not hold (the figures are printed all the same); fsck: the
                       image is bad
                  2    a mistake in the arguments or in the file
                  130  Ctrl-C
                  141  the reader of the output went away (`| head`), quietly

A user's mistake is one sentence on stderr that begins with "glassheap:", and never a traceback.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NoReturn

from glassheap.errors import HeapError, InvalidSize
from glassheap.ostep import options as ostep

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from _typeshed import SupportsWrite

    from glassheap.progress import Bar
    from glassheap.replay import Report
    from glassheap.traces import Trace

DONE, FAILED, MISTAKE, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141

ALL = "all"
"""In the place of a policy's name: each of them in turn."""

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


class MistakeError(Exception):
    """The user asked for what cannot be done; the message is the sentence to print."""


class Parser(argparse.ArgumentParser):
    """An argument parser that answers a mistake with one sentence."""

    def error(self, message: str) -> NoReturn:
        """Print the sentence and exit with status 2."""
        self.exit(MISTAKE, f"glassheap: {message} (see {self.prog} --help)\n")

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        """Print the help; unlike argparse, which ignores it, raise `OSError` if that fails."""
        print(self.format_help(), end="", file=file)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status; nothing escapes."""
    try:
        status = answer(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except BrokenPipeError:
        abandon_output()
        return PIPE_CLOSED
    except OSError as error:
        abandon_output()
        return complain(f"cannot write the output: {error.strerror or error}", FAILED)


def answer(arguments: Sequence[str] | None) -> int:
    """Run the command; what goes wrong becomes a sentence and a status."""
    try:
        keep_printable(sys.stdout)
        return run(arguments)
    except MistakeError as mistake:
        return complain(str(mistake), MISTAKE)
    except HeapError as error:
        return complain(str(error), FAILED)
    except OSError as error:
        if error.filename is None:  # a stream, not a file: for `main`
            raise
        return complain(f"{error.filename}: {error.strerror}", FAILED)
    except KeyboardInterrupt:
        return complain("interrupted", INTERRUPTED)


def run(arguments: Sequence[str] | None) -> int:
    """Parse the arguments and run the command they name."""
    parser = build_parser()
    try:
        chosen = parser.parse_args(ostep.joined(sys.argv[1:] if arguments is None else arguments))
    except SystemExit as end:  # --help has been printed, or a complaint: `main` is to flush it
        return end.code if isinstance(end.code, int) else FAILED
    if chosen.version or chosen.cmakedir or chosen.includes:
        return tell(chosen)
    if chosen.command is None:
        parser.print_help()
        return DONE
    return COMMANDS[chosen.command](chosen)


def build_parser() -> Parser:
    """The arguments, with their help."""
    parser = Parser(prog="glassheap", description="A real heap in a glass box.")
    add = parser.add_argument
    add("--version", action="store_true", help="print the version and exit")
    add("--cmakedir", action="store_true", help="print where find_package(glassheap) should look")
    add("--includes", action="store_true", help="print the directory of the C and C++ headers")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    add_demo(commands.add_parser("demo", help="a guided tour of one page of memory"))
    add_replay(commands.add_parser("replay", help="run a recorded program's allocations"))
    commands.add_parser(
        "policies",
        help="the placement policies",
        description="Print what each placement policy picks, what it costs and where it is from.",
    )
    add_fsck(commands.add_parser("fsck", help="check the file of a shared heap, or mend it"))
    add_inspect(commands.add_parser("inspect", help="see a shared heap while others use it"))
    ostep.add_arguments(commands.add_parser("ostep", help="the free-space homework of OSTEP"))
    return parser


def add_demo(parser: argparse.ArgumentParser) -> None:
    """The arguments of `glassheap demo`."""
    parser.description = "Walk through malloc and free in one page, step by step, with a map."
    parser.add_argument("--pause", action="store_true", help="wait for Enter after every step")
    parser.add_argument("--width", type=columns, metavar="COLUMNS", help="width of the map")


def add_replay(parser: argparse.ArgumentParser) -> None:
    """The arguments of `glassheap replay`."""
    parser.description = (
        "Replay a trace of allocations on a heap and print how it went. Reads CS:APP .rep, CS107 "
        "scripts and wee_alloc traces, plain or under gzip, told apart by their content."
    )
    add = parser.add_argument
    add("file", metavar="FILE", help="the trace; - reads standard input")
    add("--size", type=byte_count, metavar="BYTES", help="region (64K, 1M; default: until it fits)")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--policy",
        type=policy_name,
        default="first_fit",
        metavar="NAME",
        help="the placement policy (default: first_fit; see glassheap policies)",
    )
    which.add_argument(
        "--compare", action="store_true", help="every policy in turn, in a table (--policy all)"
    )
    add("--no-headers", action="store_true", help="a heap without headers: payloads alone")
    add("--no-map", action="store_true", help="do not draw the heap as it is at the end")
    add("--json", action="store_true", help="print the figures as JSON, and no map")


def tell(chosen: argparse.Namespace) -> int:
    """Print the version and the directories that were asked for, a line each."""
    from glassheap import __version__, paths

    if chosen.version:
        print(f"glassheap {__version__}")
    try:
        if chosen.cmakedir:
            print(paths.cmake_dir())
        if chosen.includes:
            print(paths.include_dir())
    except FileNotFoundError as error:
        return complain(str(error), FAILED)
    return DONE


def add_fsck(parser: argparse.ArgumentParser) -> None:
    """The arguments of `glassheap fsck`."""
    parser.description = (
        "Check the file of a shared heap: on a copy, so that FILE is not touched. The status is 1 "
        "if it is bad."
    )
    parser.add_argument("file", metavar="FILE", help="the file")
    parser.add_argument(
        "--rebuild", action="store_true", help="mend FILE; as it was it stays in FILE.bak"
    )
    add_looking(parser)


def add_inspect(parser: argparse.ArgumentParser) -> None:
    """The arguments of `glassheap inspect`."""
    parser.description = (
        "Show a shared heap as it is at one moment, while others work in it: the map, the "
        "statistics, and whose the live blocks are. A block is a leak if whoever allocated it is "
        "dead and nobody holds it."
    )
    parser.add_argument("name", metavar="NAME|FILE", help="its name in shared memory, or its file")
    parser.add_argument("--width", type=columns, metavar="COLUMNS", help="width of the map")
    add_looking(parser)


def add_looking(parser: argparse.ArgumentParser) -> None:
    """What both take."""
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=5.0,
        metavar="S",
        help="how long to wait for a moment when nobody is inside (default: 5 seconds)",
    )


def demo_command(chosen: argparse.Namespace) -> int:
    """`glassheap demo`."""
    from glassheap import demo

    return demo.run(pause=chosen.pause, width=chosen.width)


def ostep_command(chosen: argparse.Namespace) -> int:
    """`glassheap ostep`."""
    from glassheap.ostep import program

    return program.run(chosen)


def policies_command(_: argparse.Namespace) -> int:
    """`glassheap policies`."""
    from glassheap import policies

    for policy in policies():
        print(f"{policy.name:<16}{policy.summary}")
        print(f"{'':<16}{policy.cost}")
        print(f"{'':<16}{policy.source}")
    return DONE


def replay_command(chosen: argparse.Namespace) -> int:
    """`glassheap replay`: the figures, then the map; status 1 if the trace misused its memory."""
    trace = read_trace(chosen.file)
    if chosen.compare or chosen.policy == ALL:
        return compare_command(trace, chosen)
    return single_command(trace, chosen)


def compare_command(trace: Trace, chosen: argparse.Namespace) -> int:
    """Every policy, in a table; of an interrupted comparison what was done."""
    from glassheap.replay import compare, table

    reports: list[Report] = []
    with playing(trace) as bar:
        try:
            reports += compare(trace, chosen.size, headers=not chosen.no_headers, progress=bar)
        except KeyboardInterrupt:
            status = complain("interrupted: the table is of the policies until then", INTERRUPTED)
        else:
            status = DONE
    if chosen.json:
        print_json([report.as_dict() for report in reports])
    else:
        print(f"{trace.name} ({trace.format}), {len(trace):,} operations", "", sep="\n")
        print("\n".join([*table(reports), *(f"note: {note}" for note in trace.skipped)]))
    return status or complain_of_misuse(trace)


def single_command(trace: Trace, chosen: argparse.Namespace) -> int:
    """One policy: the figures, and the heap as it is at the end."""
    from glassheap.replay import ReplayInterrupted, replay

    how = {"policy": chosen.policy, "headers": not chosen.no_headers}
    try:
        with playing(trace) as bar:
            report = replay(trace, chosen.size, **how, progress=bar)
    except ReplayInterrupted as interruption:
        print_report(interruption.report, as_json=chosen.json)
        return INTERRUPTED
    print_report(report, as_json=chosen.json)
    if not (chosen.json or chosen.no_map):
        print()
        report.heap.show()
    return complain_of_misuse(trace)


def fsck_command(chosen: argparse.Namespace) -> int:
    """What is to be said of the image; status 1 if it is bad."""
    from glassheap import images

    with naming_images():
        verdict = images.check(chosen.file, chosen.timeout, rebuild=chosen.rebuild)
    if chosen.json:
        print_json(verdict.as_dict())
    else:
        print("\n".join(verdict.lines()))
    return DONE if verdict.clean else FAILED


def inspect_command(chosen: argparse.Namespace) -> int:
    """The heap at one moment."""
    from glassheap import images

    with naming_images():
        sight = images.look_at(chosen.name, chosen.timeout)
    with closing(sight.heap):
        if chosen.json:
            print_json(sight.figures())
        else:
            sight.heap.show(width=chosen.width)
            print("", *sight.lines(), sep="\n")
    return DONE


@contextmanager
def naming_images() -> Iterator[None]:
    """`MistakeError` for what cannot be looked at."""
    from glassheap.images import ImageError

    try:
        yield
    except ImageError as error:
        raise MistakeError(str(error)) from None
    except MemoryError:
        raise MistakeError("there is no memory for a copy of it on this machine") from None


def read_trace(file: str) -> Trace:
    """The trace in `file`; `MistakeError` if there is none."""
    from glassheap import traces

    try:
        if file != "-":
            return traces.read(file)
        if sys.stdin is None:
            raise MistakeError("cannot read standard input: it is closed")
        return traces.read(sys.stdin.buffer, "standard input")
    except traces.TraceError as error:
        raise MistakeError(str(error)) from None
    except OSError as error:
        raise MistakeError(f"cannot read {file}: {error.strerror or error}") from None
    except MemoryError:
        raise MistakeError(f"{file} is too long for the memory of this machine") from None


@contextmanager
def playing(trace: Trace) -> Iterator[Bar]:
    """A progress bar, seen if it takes long; `MistakeError` for an impossible size."""
    from glassheap.progress import Bar

    with closing(Bar("replaying")) as bar:
        try:
            yield bar
        except (InvalidSize, MemoryError, OSError) as error:
            raise MistakeError(f"cannot make a region for {trace.name}: {error}") from None


def print_report(report: Report, *, as_json: bool) -> None:
    """The figures on stdout, for a person or for a program."""
    if as_json:
        print_json(report.as_dict())
    else:
        print("\n".join(report.lines()))


def print_json(figures: object) -> None:
    """Figures on stdout as JSON."""
    import json

    print(json.dumps(figures, indent=2))


def complain_of_misuse(trace: Trace) -> int:
    """Say on stderr what the trace did wrong, a sentence each; the status is 1 if it did."""
    wrongs = [note for note in trace.skipped if note.misuse]
    for note in wrongs:
        complain(f"{trace.name}: {note}", FAILED)
    return FAILED if wrongs else DONE


def byte_count(text: str) -> int:
    """A number of bytes such as 4096, 64K, 1M or 2G (units of 1024)."""
    digits, unit = text, ""
    if text[-1:].upper() in UNITS:
        digits, unit = text[:-1], text[-1:].upper()
    if not is_number(digits):
        message = f"'{text}' is no size; expected a whole number of bytes, such as 4096, 64K or 1M"
        raise argparse.ArgumentTypeError(message)
    return int(digits) * UNITS[unit]


def policy_name(text: str) -> str:
    """The name of a placement policy, or all of them."""
    from glassheap import policies

    names = [policy.name for policy in policies()]
    if text not in (*names, ALL):
        known = ", ".join(names)
        raise argparse.ArgumentTypeError(f"there is no policy '{text}'; there are: {known}, {ALL}")
    return text


def columns(text: str) -> int:
    """A width in columns, at least 1."""
    if not (is_number(text) and int(text)):
        raise argparse.ArgumentTypeError(f"'{text}' is no width; expected a number of columns")
    return int(text)


def seconds(text: str) -> float:
    """A time to wait, from 0 to a day."""
    try:
        time = float(text)
    except ValueError:
        time = -1
    if not 0 <= time <= 86400:
        raise argparse.ArgumentTypeError(f"'{text}' is no time; expected a number of seconds")
    return time


def is_number(text: str) -> bool:
    """Whether `text` is a whole number in plain digits, and not absurdly long."""
    return text.isascii() and text.isdigit() and len(text) <= len(str(2**64))


def complain(sentence: str, status: int) -> int:
    """Print one sentence on stderr and return `status`."""
    print(f"glassheap: {sentence}", file=sys.stderr)
    return status


def keep_printable(stream: object) -> None:
    """Let names that the terminal's encoding lacks come out escaped instead of raising."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


def abandon_output() -> None:
    """Point stdout at nothing: Python would otherwise fail again when it flushes at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


COMMANDS = {
    "demo": demo_command,
    "fsck": fsck_command,
    "inspect": inspect_command,
    "ostep": ostep_command,
    "policies": policies_command,
    "replay": replay_command,
}

if __name__ == "__main__":
    sys.exit(main())
