"""Where the C++ half of the package lies.

The package brings the headers, the static library and a CMake config along, so that a C++ project
can build against exactly what Python runs. The same installation step lays them beside the compiled
module, and that module is what their place is taken from: this is right for an editable install
too, where the Python sources are elsewhere.
"""

from __future__ import annotations

from pathlib import Path

from glassheap import _core


def include_dir() -> Path:
    """The directory to give a compiler as `-I`: it holds `my_malloc.h` and `glassheap/`.

    Raises FileNotFoundError if and only if this installation came without the headers.
    """
    return _installed("include")


def cmake_dir() -> Path:
    """The directory to give CMake as `-Dglassheap_DIR=`: it holds `glassheapConfig.cmake`.

    Raises FileNotFoundError if and only if this installation came without the CMake config.
    """
    return _installed("lib", "cmake", "glassheap")


def _installed(*parts: str) -> Path:
    place = Path(_core.__file__).resolve().parent.joinpath(*parts)
    if not place.is_dir():
        raise FileNotFoundError(
            f"{place} is missing: this installation of glassheap came without its C++ files. "
            "Install glassheap again from its wheel or its sources."
        )
    return place
