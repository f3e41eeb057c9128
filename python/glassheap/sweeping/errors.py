"""The error of a sweep."""

from __future__ import annotations


class SweepError(RuntimeError):
    """The sweep cannot go on.  The message is one sentence."""
