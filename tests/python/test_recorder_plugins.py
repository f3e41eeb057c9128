"""The tags of calls in libraries that a recorded program loads and unloads while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from command_helpers import output_of
from glassheap.traces import MALLOC, Trace
from recorder_helpers import CC, NEEDS_CALLERS, NEEDS_CC, NEEDS_LINUX, Recorder, recorder

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["recorder"]  # a fixture

pytestmark = [pytest.mark.any_interpreter, NEEDS_LINUX, NEEDS_CC, NEEDS_CALLERS]

SOURCE = """
#include <stdlib.h>
static void *volatile kept;
void work(void) { kept = malloc(321); }
__attribute__((destructor)) static void end(void) { free(kept); kept = malloc(123); }
"""
LOADING = """
#include <dlfcn.h>
static void *load(const char *name) {
  void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) exit(9);
  kept = dlsym(library, "work");
  ((void (*)(void))kept)();
  return library;
}
"""


def plugins(folder: Path) -> list[Path]:
    """Two libraries with the same code and the same size: they can lie at the same addresses."""
    for name in ("one", "two"):
        (folder / f"{name}.c").write_text(SOURCE)
        options = ("-shared", "-fPIC", "-fno-builtin", "-o", str(folder / f"{name}.so"))
        output_of(str(CC), *options, str(folder / f"{name}.c"))
    return [folder / "one.so", folder / "two.so"]


def files(trace: Trace, size: int) -> list[str]:
    """The files whose functions have asked for this size."""
    rows = zip(trace.kinds, trace.sizes, trace.tags, strict=True)
    tags = [tag for kind, found, tag in rows if (kind, found) == (MALLOC, size)]
    return [trace.tag_names[tag].partition("+")[0] for tag in tags]


def test_a_library_at_the_address_of_an_unloaded_one_has_tags_of_its_own(
    recorder: Recorder,
) -> None:
    """The calls in its destructor too, which it makes while it is unloaded."""
    one, two = plugins(recorder.folder)
    trace = recorder.record(
        f"""
        void *first = NULL;
        for (int i = 0; i < 3; ++i) {{
          dlclose(load("{one}"));
          if (first != NULL && kept != first) return 77;
          first = kept;
          dlclose(load("{two}"));
          if (kept != first) return 77;  /* it lies elsewhere, and this tests nothing */
        }}
        return 0;
        """,
        LOADING,
    )
    assert files(trace, 321) == files(trace, 123) == ["one.so", "two.so"] * 3
    assert len(set(trace.tag_names)) == len(trace.tag_names)


def test_a_library_that_was_opened_twice_stays_until_it_is_closed_twice(
    recorder: Recorder,
) -> None:
    one, _ = plugins(recorder.folder)
    trace = recorder.record(
        f"""
        void *library = load("{one}");
        if (load("{one}") != library || dlclose(library) != 0) return 1;
        if (dlsym(library, "work") == NULL || dlclose(library) != 0) return 2;
        return dlopen("{one}", RTLD_NOW | RTLD_NOLOAD) == NULL ? 0 : 3;
        """,
        LOADING,
    )
    assert files(trace, 321) == ["one.so"] * 2


def test_libraries_may_be_unloaded_beside_threads_that_allocate(recorder: Recorder) -> None:
    """A thread has the lock of the loader and waits for that of the recorder, never the reverse."""
    one, two = plugins(recorder.folder)
    trace = recorder.record(
        f"""
        pthread_t thread[2];
        for (long i = 0; i < 2; ++i) pthread_create(&thread[i], NULL, busy, NULL);
        for (int i = 0; i < 300; ++i) dlclose(load(i % 2 ? "{two}" : "{one}"));
        done = 1;
        for (long i = 0; i < 2; ++i) pthread_join(thread[i], NULL);
        return 0;
        """,
        LOADING
        + """
        static volatile int done;
        static void *busy(void *unused) { while (!done) free(malloc(9)); return unused; }
        """,
    )
    assert files(trace, 321) == files(trace, 123) == ["one.so", "two.so"] * 150
    assert set(files(trace, 9)) == {"program"}
