"""Records as types that `json.dumps` accepts."""

from __future__ import annotations


def plain(value: object) -> object:
    """A record and those in it as dictionaries."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    if hasattr(value, "_asdict"):
        return {name: plain(field) for name, field in value._asdict().items()}
    return value
