"""The example policy of docs/policies.md is short, compiles as printed, and works.

A policy is part of the library, so it is compiled with the internal headers of the source tree. The
rest of the library is the installed one.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

import glassheap
from command_helpers import output_of
from glassheap import paths
from source_tree import SOURCE_TREE, code_blocks

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.any_interpreter

PAGE = SOURCE_TREE / "docs" / "policies.md"
LIBRARY = paths.include_dir().parent / "lib" / "libglassheap.a"
CXX = shutil.which("c++")

CHECK = r"""
#include "last_fit.hpp"

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "core/heap_core.hpp"

using namespace glassheap;

#define EXPECT(condition) \
  if (!(condition)) std::printf("line %d: %s\n", __LINE__, #condition), std::exit(1)

// Takes the highest block that fits.
void run(bool headers) {
  alignas(16) static std::byte region[4096];
  HeapCore<LastFit> core(region, {.headers = headers}, {});
  core.seed();
  const Size front = headers ? 16 : 0;
  Fault fault;
  std::vector<Block> blocks;
  for (int i = 0; i < 6; ++i) blocks.push_back(core.allocate(100, 16, fault));
  EXPECT(core.release(blocks[1].start + front, fault) && core.inspect().empty());
  EXPECT(core.release(blocks[3].start + front, fault) && core.inspect().empty());
  EXPECT(core.allocate(100, 16, fault).start == blocks[5].end());
  EXPECT(core.allocate(core.largest() - front, 16, fault));
  EXPECT(core.allocate(60, 16, fault).start == blocks[3].start);
  EXPECT(core.allocate(90, 16, fault).start == blocks[1].start);
}

// Random operations, some of them aligned; afterwards the region is one free block again.
void churn(bool headers) {
  alignas(4096) static std::byte region[16384];
  HeapCore<LastFit> core(region, {.headers = headers}, {});
  core.seed();
  std::vector<Offset> live;
  std::uint32_t random = 1;
  for (int i = 0; i < 20000; ++i) {
    random = random * 1664525 + 1013904223;
    Fault fault;
    if (random >> 31 && !live.empty()) {
      std::swap(live[(random >> 8) % live.size()], live.back());
      EXPECT(core.release(live.back(), fault));
      live.pop_back();
    } else {
      const Size align = 16 << (random >> 28 & 3);
      const Block block = core.allocate((random >> 8) % 300, align, fault);
      EXPECT(block || fault.kind == FaultKind::out_of_memory);
      if (block) live.push_back(block.start + (headers ? 16 : 0));
    }
    EXPECT(i % 100 != 0 || core.inspect().empty());
  }
  Fault fault;
  for (const Offset payload : live) EXPECT(core.release(payload, fault));
  EXPECT(core.free_list().size() == 1 && core.inspect().empty());
}

int main() {
  for (const bool headers : {true, false}) run(headers), churn(headers);
}
"""


def example() -> str:
    """The only C++ block on the page."""
    (block,) = code_blocks(PAGE, "cpp")
    return block


def test_the_example_has_fewer_than_60_lines() -> None:
    assert len(example().splitlines()) < 60
    assert max(map(len, example().splitlines())) <= 100


def test_every_policy_is_in_the_table_of_the_page() -> None:
    page = PAGE.read_text("utf-8")
    for policy in glassheap.policies():
        assert f"| `{policy.name}` |" in page


@pytest.mark.skipif(CXX is None, reason="there is no C++ compiler")
def test_the_example_compiles_and_works(tmp_path: Path) -> None:
    (tmp_path / "last_fit.hpp").write_text(example(), encoding="utf-8")
    (tmp_path / "check.cpp").write_text(CHECK, encoding="utf-8")
    compile_check = [str(CXX), "-std=c++20", "-O1", "-Wall", "-Wextra", "-Wshadow", "-Werror"]
    compile_check += ["-I", str(SOURCE_TREE / "cpp"), "-I", str(SOURCE_TREE / "include")]
    compile_check += ["check.cpp", str(LIBRARY), "-pthread", "-o", "check"]
    for command in (compile_check, ["./check"]):
        assert output_of(*command, cwd=tmp_path, timeout=300) == ""
