"""`glassheap why`: why a recorded program does not fit in a region."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

from glassheap.cli.base import CONTRADICTED, DONE, MistakeError, print_json
from glassheap.cli.replay import ALL, add_layout_arguments, policy_name, progress_bar
from glassheap.cli.trace_files import FORMATS, read_trace, report_misuse
from glassheap.cli.values import byte_count

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from glassheap.replay import Why
    from glassheap.traces import Trace

NAME = "why"
HELP = "why a recorded program does not fit in a region"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Replay a trace up to the first request that fails, in a region of --size, or in a heap as "
        "the one that was recorded. Print why it fails, which blocks stand between the largest "
        "holes, who holds the memory, and which policy, layout, granule or size would have served "
        f"it. {FORMATS} The exit status is 0 whether a request fails or not, 1 if the trace "
        "misuses its memory, 4 if the replay contradicts the recording."
    )
    add = parser.add_argument
    add("file", metavar="FILE", help="the trace; - reads standard input")
    size = "size of the region (64K, 1M; default: that of the recorded heap)"
    add("--size", type=byte_count, metavar="BYTES", help=size)
    policy = "the placement policy (default: that of the recorded heap, or first_fit)"
    add("--policy", type=one_policy, metavar="NAME", help=policy)
    add_layout_arguments(parser)
    add("--json", action="store_true", help="print the answer as JSON")


def one_policy(text: str) -> str:
    """The name of a placement policy."""
    if text == ALL:
        raise ArgumentTypeError(f"'{ALL}' is no policy; expected one (see glassheap policies)")
    return policy_name(text)


def run(arguments: argparse.Namespace) -> int:
    """Print the answer; 1 is for a trace that misused its memory, 4 for a contradiction."""
    from glassheap.replay import recorded_heap, why, why_lines

    trace = read_trace(arguments.file)
    if arguments.size is None and recorded_heap(trace) is None:
        sentence = f"{trace.name} does not state the size of a heap: expected --size"
        raise MistakeError(sentence)
    headers = False if arguments.no_headers else None
    options = {"policy": arguments.policy, "headers": headers, "granule": arguments.granule}
    with progress_bar("explaining", trace) as bar:
        answer = why(trace, arguments.size, **options, progress=bar)
    if arguments.json:
        print_json(answer.as_dict())
    else:
        print("\n".join([*why_lines(answer), *notes(trace, answer)]))
    status = CONTRADICTED if answer.contradiction else DONE
    return report_misuse(trace.name, trace.skipped) or status


def notes(trace: Trace, answer: Why) -> Iterator[str]:
    """What the replay does not follow, a line each."""
    from glassheap.replay import recorded_heap

    yield from (f"note: {note}" for note in answer.skipped)
    recorded = recorded_heap(trace)
    if recorded and recorded.missing:
        yield f"note: options of the recorded heap, not followed: {', '.join(recorded.missing)}"
