"""The C++ sources keep their order: each file includes only files of lower layers.

Then the library can be read from the bottom up, and a part can be tested, or replaced, without what
stands on top of it. The order is written down here, one layer a line; a file that stands nowhere in
it fails too, so nobody adds one without saying where it belongs.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SOURCE_TREE = Path(__file__).resolve().parents[2]

# From the bottom up. A name stands for the header and, where there is one, its .cpp; files of one
# layer do not include each other. A name that ends in / is a folder, whose files may.
LAYERS = (
    ("units", "layout", "version", "checks", "crash_point"),
    ("flight",),
    ("fault", "poison"),
    ("region",),
    ("bitmap", "zeros"),
    ("block",),
    ("block_map", "redzone"),
    ("walk",),
    ("check",),
    ("remains",),
    ("policy/policy",),
    ("policy/",),
    ("space/",),
    ("tally",),
    ("core",),
    ("batch",),
    ("heap_core",),
    ("options",),
    ("policies",),
    ("lock",),
    ("heap",),
    ("shared/segment", "shared/superblock", "shared/robust_lock"),
    ("shared/processes",),
    ("shared/everyone",),
    ("shared_heap",),
    ("my_malloc",),
    ("bindings/", "tools/", "main"),
)
SUFFIXES = {".c", ".h", ".cpp", ".hpp"}
# A class inside of another, in files of its own: who completes the outer one includes it.
INNER = {"shared_heap.cpp": "glassheap/shared/everyone.hpp"}
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def place(path: str) -> int:
    """The layer of a file, by its path below include/ or cpp/, or as an #include line spells it."""
    name = path.removeprefix("glassheap/").rsplit(".", 1)[0]
    folder = name.rpartition("/")[0] + "/"
    for layer, names in enumerate(LAYERS):
        if name in names or folder in names:
            return layer
    raise LookupError(f"{path} has no place in the order of layers: give it one in LAYERS.")


def may_include(path: str, included: str) -> bool:
    """Whether the order allows it: downwards; within a folder; and a .cpp its own header."""
    if INNER.get(path) == included:
        return True
    if place(included) != place(path):
        return place(included) < place(path)
    own, other = Path(path), Path(included.removeprefix("glassheap/"))
    return own.stem == other.stem or own.parent == other.parent != Path()


def breaches(sources: dict[str, str]) -> list[str]:
    """Each #include, of these texts by path, that leads to the same layer or a higher one."""
    found = []
    for path, text in sources.items():
        for included in INCLUDE.findall(text):
            beside = (Path(path).parent / included).as_posix()
            if not may_include(path, beside if beside in sources else included):
                found.append(f"{path} includes {included}")
    return found


def library() -> dict[str, str]:
    """All C and C++ sources, by their path below include/glassheap, include or cpp."""
    found: dict[str, str] = {}
    for root in ("include", "cpp"):
        for file in sorted((SOURCE_TREE / root).rglob("*.*")):
            if file.suffix not in SUFFIXES:
                continue
            path = file.relative_to(SOURCE_TREE / root).as_posix().removeprefix("glassheap/")
            found[path] = file.read_text(encoding="utf-8")
    return found


def test_every_file_includes_only_lower_layers() -> None:
    sources = library()
    assert {"heap.hpp", "heap.cpp", "policy/first_fit.hpp", "bindings/module.cpp"} <= set(sources)
    assert breaches(sources) == []


def test_every_layer_is_there() -> None:
    """A name that no file answers to is a layer that was renamed, and is checked no more."""
    used = {place(path) for path in library()}
    assert used == set(range(len(LAYERS)))


@pytest.mark.parametrize(
    ("path", "included"),
    [
        ("block.hpp", "glassheap/heap.hpp"),
        ("bitmap.cpp", "glassheap/block_map.hpp"),
        ("check.hpp", "glassheap/policy/first_fit.hpp"),
        ("policy/policy.hpp", "glassheap/policy/first_fit.hpp"),
        ("heap.cpp", "my_malloc.h"),
        ("layout.h", "glassheap/version.h"),
        ("main.cpp", "bindings/raise.hpp"),
        ("tools/block_ids.h", "bindings/raise.hpp"),
    ],
)
def test_an_include_upwards_or_sideways_is_seen(path: str, included: str) -> None:
    assert breaches({path: f'#include "{included}"\n'}) == [f"{path} includes {included}"]


def test_a_file_without_a_place_is_seen() -> None:
    with pytest.raises(LookupError, match="has no place"):
        breaches({"surprise.hpp": '#include "glassheap/units.hpp"\n'})
