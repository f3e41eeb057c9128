"""The refusals: of the system, and of a bad image."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class ImageError(Exception):
    """The image cannot be read, shown or written; the message is a sentence."""


class BrokenImageError(Exception):
    """The bytes are no image, or not one that can be mended; `field` names the fault."""

    def __init__(self, field: str, meaning: str) -> None:
        super().__init__(meaning)
        self.field = field


def system_refusal(action: str, path: Path, error: OSError | ValueError) -> ImageError:
    """The sentence for an action that the system refused."""
    return ImageError(f"cannot {action} {path}: {getattr(error, 'strerror', None) or error}")
