"""The C++ sources keep their order: a file includes its own folder and the folders above it.

The library can then be read from the top of the list down, and a part can be tested or replaced
without the parts that stand on it. A file belongs to the layer that its folder names. Only a public
header needs a line of its own, for the layer that implements it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from source_tree import SOURCE_TREE, Sources, sources

ALONE = ["c_api", "bindings", "tools"]
"""Nothing includes them but themselves."""
LAYERS = ["base", "block", "check", "policy", "space", "core", "heap", "shared", *ALONE]
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
MOST_PUBLIC = 14
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


def breaches(files: Sources) -> list[str]:
    """Each #include, of these texts by path, that the order forbids."""
    found = []
    for path, text in files.items():
        for included in INCLUDE.findall(text):
            beside = (Path(path).parent / included).as_posix()
            if not may_include(path, beside if beside in files else included):
                found.append(f"{path} includes {included}")
    return found


LIBRARY = {path.partition("/")[2]: text for path, text in sources("include", "cpp").items()}
"""All C and C++ sources, by their path below include or cpp."""


def test_every_file_includes_only_its_own_layer_and_those_above() -> None:
    assert {"heap/heap.cpp", "policy/first_fit.hpp", "bindings/module.cpp"} <= set(LIBRARY)
    assert breaches(LIBRARY) == []


def test_every_layer_has_files() -> None:
    """A layer without files was renamed, and is checked no more."""
    assert {layer(path) for path in LIBRARY} == {*LAYERS}


def test_there_are_few_public_headers_and_each_has_a_layer() -> None:
    headers = {path.removeprefix("include/") for path in sources("include")}
    assert headers == set(PUBLIC)
    assert len(headers) <= MOST_PUBLIC


def test_the_folders_stand_in_the_design_in_this_order() -> None:
    design = (SOURCE_TREE / "docs/design.md").read_text(encoding="utf-8")
    assert re.findall(r"^    cpp/(\w+)/ ", design, re.MULTILINE) == LAYERS


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
