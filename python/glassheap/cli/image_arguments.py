"""The arguments and the errors that `fsck` and `inspect` share."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from glassheap.cli.base import MistakeError
from glassheap.cli.values import seconds

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator


def add_shared_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --json and --timeout."""
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=5.0,
        metavar="S",
        help="seconds to wait for a moment at which no process is inside the heap (default: 5)",
    )


@contextmanager
def image_errors(file: str) -> Iterator[None]:
    """Raise `MistakeError` for an image, in that file, that cannot be read or written."""
    from glassheap.images.errors import ImageError

    try:
        yield
    except ImageError as error:
        raise MistakeError(str(error)) from None
    except OSError as error:
        if error.filename is not None:  # a sentence of its own
            raise
        raise MistakeError(f"cannot read {file}: {error.strerror or error}") from None
    except MemoryError:
        raise MistakeError("this machine has no memory for a copy of the image") from None
