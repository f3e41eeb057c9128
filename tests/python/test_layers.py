"""The C++ sources keep their order: a file includes its own folder and the folders above it.

The library can then be read from the top of the list down, and a part can be tested or replaced
without the parts that stand on it. A file belongs to the layer that its folder names. Only a public
header needs a line of its own, for the layer that implements it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SOURCE_TREE = Path(__file__).resolve().parents[2]

LAYERS = (
    "base",
    "block",
    "check",
    "policy",
    "space",
    "core",
    "heap",
    "shared",
    "c_api",
    "bindings",
    "tools",
)
ALONE = {"c_api", "bindings", "tools"}  # nothing includes them but themselves
PUBLIC = {
    "glassheap/types.hpp": "base",
    "glassheap/layout.h": "base",
    "glassheap/version.h": "base",
    "glassheap/fault.hpp": "base",
    "glassheap/options.hpp": "base",
    "glassheap/heap.hpp": "heap",
    "glassheap/memory_resource.hpp": "heap",
    "glassheap/shared_heap.hpp": "shared",
    "my_malloc.h": "c_api",
}
SUFFIXES = {".c", ".h", ".cpp", ".hpp"}
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def layer(path: str) -> str:
    """The layer of a file, by its path below include/ or cpp/."""
    folder = path.partition("/")[0]
    if path in PUBLIC:
        return PUBLIC[path]
    if folder in LAYERS:
        return folder
    raise LookupError(f"{path} has no layer: move it to a folder of LAYERS, or add it to PUBLIC.")


def may_include(path: str, included: str) -> bool:
    """True if the order allows it; a public header includes public headers alone."""
    own, other = layer(path), layer(included)
    if path in PUBLIC and included not in PUBLIC:
        return False
    if other in ALONE and other != own:
        return False
    return LAYERS.index(other) <= LAYERS.index(own)


def breaches(sources: dict[str, str]) -> list[str]:
    """Each #include, of these texts by path, that the order forbids."""
    found = []
    for path, text in sources.items():
        for included in INCLUDE.findall(text):
            beside = (Path(path).parent / included).as_posix()
            if not may_include(path, beside if beside in sources else included):
                found.append(f"{path} includes {included}")
    return found


def library() -> dict[str, str]:
    """All C and C++ sources, by their path below include or cpp."""
    found: dict[str, str] = {}
    for root in ("include", "cpp"):
        for file in sorted((SOURCE_TREE / root).rglob("*.*")):
            if file.suffix in SUFFIXES:
                path = file.relative_to(SOURCE_TREE / root).as_posix()
                found[path] = file.read_text(encoding="utf-8")
    return found


def test_every_file_includes_only_its_own_layer_and_those_above() -> None:
    sources = library()
    assert {"heap/heap.cpp", "policy/first_fit.hpp", "bindings/module.cpp"} <= set(sources)
    assert breaches(sources) == []


def test_every_layer_has_files() -> None:
    """A layer without files was renamed, and is checked no more."""
    assert {layer(path) for path in library()} == set(LAYERS)


def test_every_public_header_is_installed_and_no_other() -> None:
    headers = {
        file.relative_to(SOURCE_TREE / "include").as_posix()
        for file in (SOURCE_TREE / "include").rglob("*.h*")
    }
    assert headers == set(PUBLIC)


def test_the_folders_stand_in_the_design_in_this_order() -> None:
    design = (SOURCE_TREE / "docs/design.md").read_text(encoding="utf-8")
    drawn = re.findall(r"^    cpp/(\w+)/ ", design, re.MULTILINE)
    assert tuple(drawn) == LAYERS


@pytest.mark.parametrize(
    ("path", "included"),
    [
        ("base/bitmap.hpp", "block/block_map.hpp"),
        ("block/block.hpp", "glassheap/heap.hpp"),
        ("check/checker.hpp", "policy/first_fit.hpp"),
        ("core/heap_core.hpp", "heap/pins.hpp"),
        ("heap/heap.cpp", "my_malloc.h"),
        ("glassheap/heap.hpp", "core/core_interface.hpp"),
        ("c_api/demo.cpp", "bindings/raise.hpp"),
        ("tools/block_ids.h", "bindings/raise.hpp"),
    ],
)
def test_an_include_against_the_order_is_seen(path: str, included: str) -> None:
    assert breaches({path: f'#include "{included}"\n'}) == [f"{path} includes {included}"]


def test_a_file_without_a_layer_is_seen() -> None:
    with pytest.raises(LookupError, match="has no layer"):
        breaches({"surprise.hpp": '#include "glassheap/types.hpp"\n'})
