"""The types of arguments: each reads a value, or raises the sentence for a wrong one."""

from __future__ import annotations

from argparse import ArgumentTypeError

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}
DAY = 86400
"""Seconds."""


def byte_count(text: str) -> int:
    """A number of bytes such as 4096, 64K, 1M or 2G (units of 1024)."""
    unit = text[-1:].upper()
    digits, unit = (text[:-1], unit) if unit in UNITS else (text, "")
    if not is_number(digits):
        message = f"'{text}' is no size; expected a whole number of bytes, such as 4096, 64K or 1M"
        raise ArgumentTypeError(message)
    return int(digits) * UNITS[unit]


def columns(text: str) -> int:
    """A width in columns, at least 1."""
    if not (is_number(text) and int(text)):
        raise ArgumentTypeError(f"'{text}' is no width; expected a number of columns")
    return int(text)


def seconds(text: str) -> float:
    """A time to wait, from 0 to a day."""
    try:
        time = float(text)
    except ValueError:
        time = -1
    if not 0 <= time <= DAY:
        raise ArgumentTypeError(f"'{text}' is no time; expected a number of seconds")
    return time


def is_number(text: str) -> bool:
    """True if `text` is a whole number in ASCII digits, no more of them than 2^64 has."""
    return text.isascii() and text.isdigit() and len(text) <= len(str(2**64))
