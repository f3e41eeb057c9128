"""The directories of the package's C++ files.

The package contains the headers, the static library, a CMake config and a pkg-config file, so that
a C++ project can build against the same code that Python runs. One installation step puts them
beside the compiled module, so their directory is derived from that module's. This also holds for an
editable install, where the Python sources are elsewhere.
"""

from __future__ import annotations

from pathlib import Path

from glassheap import _core


def include_dir() -> Path:
    """The directory to give a compiler as `-I`: it holds `my_malloc.h` and `glassheap/`.

    Raises FileNotFoundError if and only if this installation lacks the headers.
    """
    return _installed("include")


def cmake_dir() -> Path:
    """The directory to give CMake as `-Dglassheap_DIR=`: it holds `glassheapConfig.cmake`.

    Raises FileNotFoundError if and only if this installation lacks the CMake config.
    """
    return _installed("lib", "cmake", "glassheap")


def pkgconfig_dir() -> Path:
    """The directory to add to `PKG_CONFIG_PATH`: it holds `glassheap.pc`.

    Raises FileNotFoundError if and only if this installation lacks the pkg-config file.
    """
    return _installed("lib", "pkgconfig")


def recorder() -> Path:
    """The library to preload into a program, whose calls of malloc it records.  Linux only.

    Raises FileNotFoundError if and only if this installation lacks it.
    """
    return _installed("lib", "glassheap") / "record_malloc.so"


def _installed(*parts: str) -> Path:
    directory = Path(_core.__file__).resolve().parent.joinpath(*parts)
    if not directory.is_dir():
        raise FileNotFoundError(
            f"{directory} is missing: this installation of glassheap lacks its C++ files. "
            "Install glassheap again from its wheel or its sources."
        )
    return directory
