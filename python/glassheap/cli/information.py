"""The options without a command: --version, --cmakedir, --pkgconfigdir, --includes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassheap.cli.base import DONE, FAILED, print_error

if TYPE_CHECKING:
    import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add("--version", action="store_true", help="print the version and exit")
    add("--cmakedir", action="store_true", help="print the directory for find_package(glassheap)")
    add("--pkgconfigdir", action="store_true", help="print the directory for PKG_CONFIG_PATH")
    add("--includes", action="store_true", help="print the directory of the C and C++ headers")


def is_requested(chosen: argparse.Namespace) -> bool:
    """True if one of the options was given."""
    return bool(chosen.version or chosen.cmakedir or chosen.pkgconfigdir or chosen.includes)


def print_info(chosen: argparse.Namespace) -> int:
    """Print the version and the directories that were requested, one a line."""
    from glassheap import __version__, paths

    if chosen.version:
        print(f"glassheap {__version__}")
    try:
        if chosen.cmakedir:
            print(paths.cmake_dir())
        if chosen.pkgconfigdir:
            print(paths.pkgconfig_dir())
        if chosen.includes:
            print(paths.include_dir())
    except FileNotFoundError as error:
        return print_error(str(error), FAILED)
    return DONE
