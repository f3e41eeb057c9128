"""The promises of the allocation recorder.

The recorder (cpp/tools/record_malloc.c) is a C library to preload. The tests compile it, preload it
into small C programs with known calls, and compare its output with the expected script.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from command_helpers import completed
from glassheap.traces import FREE, MALLOC, REALLOC
from source_tree import SOURCE_TREE
from trace_helpers import read_strictly, states

SOURCE = SOURCE_TREE / "cpp" / "tools" / "record_malloc.c"
CC = shutil.which("cc")

pytestmark = [
    pytest.mark.any_interpreter,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="LD_PRELOAD is Linux's"),
    pytest.mark.skipif(CC is None, reason="no C compiler (cc) is installed"),
    pytest.mark.skipif(not SOURCE.exists(), reason=f"the source tree is not here: {SOURCE}"),
]

PRELUDE = """
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void *volatile kept;  /* volatile: a call whose result is stored here is not optimised out */
"""

# For a program that calls the C library past the recorder.
PAST_THE_RECORDER = """
#include <dlfcn.h>
static void *(*unseen_malloc)(size_t);
static void (*unseen_free)(void *);
static void find_unseen(void) {
  void *libc = dlopen("libc.so.6", RTLD_NOW);
  if (libc == NULL) exit(77);
  *(void **)&unseen_malloc = dlsym(libc, "malloc");
  *(void **)&unseen_free = dlsym(libc, "free");
}
"""
IMPOSSIBLE = 77
"""The exit status of a program that does not find the C library that it needs."""


def compile_c(output: Path, *arguments: str) -> Path:
    command = [str(CC), "-std=c99", "-O1", "-pthread", *arguments, "-o", str(output), "-ldl"]
    done = completed(*command)
    assert done.returncode == 0, done.stderr
    return output


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorder")
    return compile_c(folder / "librecord_malloc.so", "-shared", "-fPIC", str(SOURCE))


class Recorder:
    """The recorder, and the file that it writes."""

    def __init__(self, library: Path, folder: Path) -> None:
        self.library, self.folder, self.trace = library, folder, folder / "trace"

    def run(
        self, statements: str, before_main: str = "", *, trace: str | None = "", status: int = 0
    ) -> tuple[str, str]:
        """Compile these statements as the body of main, record the program; stdout and stderr.

        `trace` is another file to write; with None, GLASSHEAP_TRACE is not set.
        """
        source = self.folder / "program.c"
        source.write_text(f"{PRELUDE}\n{before_main}\nint main(void) {{ {statements} }}\n")
        program = compile_c(self.folder / "program", str(source), "-fno-builtin")
        environment = {"LD_PRELOAD": str(self.library)}
        environment |= {} if trace is None else {"GLASSHEAP_TRACE": trace or str(self.trace)}
        done = completed(program, env=environment)
        if done.returncode == IMPOSSIBLE:
            pytest.skip("no C library past the recorder, or one that places blocks in another way")
        assert done.returncode == status
        return done.stdout, done.stderr

    def record(self, statements: str, before_main: str = "", *, status: int = 0) -> str:
        """The trace of the program, which must print nothing."""
        assert self.run(statements, before_main, status=status) == ("", "")
        return self.trace.read_text()


@pytest.fixture
def recorder(library: Path, tmp_path: Path) -> Recorder:
    return Recorder(library, tmp_path)


def calls(script: str) -> list[tuple[str, int]]:
    """The letters and sizes of the operations of a valid script."""
    trace = read_strictly(script)
    letters = {MALLOC: "a", REALLOC: "r", FREE: "f"}
    return [(letters[kind], size) for kind, size in zip(trace.kinds, trace.sizes, strict=True)]


# --- The calls ------------------------------------------------------------------------------------
def test_every_successful_call_is_recorded_as_one_line(recorder: Recorder) -> None:
    """The exact script of known calls: calloc has the product, the ID freed last is reused first,
    frees of NULL and failed calls are left out, realloc is an allocation, a resize or a free."""
    script = recorder.record(
        """
        void *a = malloc(100);
        void *b = calloc(3, 50);
        void *c = aligned_alloc(64, 128);
        void *d = NULL;
        if (posix_memalign(&d, 256, 24) != 0) return 1;
        void *e = memalign(32, 8);
        free(NULL);
        b = realloc(b, 100000);
        free(a);
        kept = malloc(SIZE_MAX / 2);
        if (kept != NULL) return 2;
        kept = realloc(c, SIZE_MAX / 2);
        if (posix_memalign((void **)&kept, 3, 24) == 0) return 3;
        free(d);
        void *f = realloc(NULL, 7);
        void *g = malloc(0);
        kept = realloc(g, 0);
        b = realloc(b, 60);
        free(e); free(c); free(b);
        kept = f;
        return 0;
        """
    )
    assert script.split("\n") == [
        *("a 0 100", "a 1 150", "a 2 128", "a 3 24", "a 4 8", "r 1 100000", "f 0", "f 3"),
        *("a 3 7", "a 0 0", "f 0", "r 1 60", "f 4", "f 2", "f 1", ""),
    ]


def test_60000_live_blocks_keep_their_ids(recorder: Recorder) -> None:
    """The table grows, and frees in a scattered order name every block by its ID."""
    script = recorder.record(
        """
        for (size_t i = 0; i < COUNT; ++i) block[i] = malloc(i % 4000 + 1);
        for (size_t i = 0; i < COUNT; ++i) free(block[i * 7919 % COUNT]);
        for (size_t i = 0; i < COUNT; ++i) free(malloc(i % 50));
        return 0;
        """,
        "enum { COUNT = 60000 }; static void *block[COUNT];",
    )
    expected = [f"a {i} {i % 4000 + 1}\n" for i in range(60000)]
    expected += [f"f {i * 7919 % 60000}\n" for i in range(60000)]
    last = 59999 * 7919 % 60000
    expected += [f"a {last} {i % 50}\nf {last}\n" for i in range(60000)]
    assert script == "".join(expected)


def test_the_calls_of_two_threads_are_all_recorded_in_a_valid_order(recorder: Recorder) -> None:
    """The threads free blocks of each other."""
    script = recorder.record(
        """
        pthread_t other;
        if (pthread_create(&other, NULL, work, NULL) != 0) return 1;
        work(NULL);
        pthread_join(other, NULL);
        for (int i = 0; i < 64; ++i) free(shared[i]);
        return 0;
        """,
        """
        static void *shared[64];
        static void *work(void *unused) {
          for (size_t i = 0; i < 20000; ++i) {
            void *mine = realloc(malloc(7001), 7002);
            free(__atomic_exchange_n(&shared[i % 64], mine, __ATOMIC_ACQ_REL));
          }
          return unused;
        }
        """,
    )
    assert calls(script).count(("a", 7001)) == calls(script).count(("r", 7002)) == 40000
    *_, left = states(read_strictly(script))
    assert not {7001, 7002} & set(left.values())


@pytest.mark.parametrize(
    ("statements", "last_calls"),
    [
        # The free of a block allocated before recording is not recorded. Its realloc is recorded
        # as an allocation.
        (
            """
            kept = malloc(2000);
            free(unseen_malloc(300));
            kept = realloc(unseen_malloc(700), 800);
            free(kept);
            """,
            [("a", 2000), ("a", 800), ("f", 0)],
        ),
        # A free that the recorder has not seen is recorded when the address is returned again, by
        # malloc or by a realloc that moves the block.
        (
            """
            kept = malloc(2000);
            void *one = malloc(6000), *two = malloc(4000);
            kept = malloc(2000);
            void *three = malloc(5000);
            uintptr_t place_of_one = (uintptr_t)one, place_of_three = (uintptr_t)three;
            unseen_free(one);
            two = realloc(two, 6000);
            unseen_free(three);
            three = malloc(5000);
            if ((uintptr_t)two != place_of_one || (uintptr_t)three != place_of_three) return 77;
            """,
            [
                *(("a", 2000), ("a", 6000), ("a", 4000), ("a", 2000), ("a", 5000)),
                *(("f", 0), ("r", 6000), ("f", 0), ("a", 5000)),
            ],
        ),
    ],
)
def test_calls_that_the_recorder_did_not_see_leave_a_valid_trace(
    recorder: Recorder, statements: str, last_calls: list[tuple[str, int]]
) -> None:
    script = recorder.record(f"find_unseen(); {statements} return 0;", PAST_THE_RECORDER)
    assert calls(script)[-len(last_calls) :] == last_calls


# --- Processes ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("child", "status", "output"),
    [
        ("free(kept); for (int i = 0; i < 9000; ++i) kept = malloc(22); exit(3);", 3, ""),
        ('execl("/bin/sh", "sh", "-c", "echo started", (char *)NULL); _exit(9);', 0, "started\n"),
    ],
)
def test_neither_a_forked_child_nor_a_program_that_it_starts_writes_to_the_trace(
    recorder: Recorder, child: str, status: int, output: str
) -> None:
    """The file has neither the child's allocations nor a second copy of the parent's buffer."""
    program = f"""
        kept = malloc(11);
        pid_t child = fork();
        if (child < 0) return 1;
        if (child == 0) {{ {child} }}
        int status = 0;
        waitpid(child, &status, 0);
        free(kept);
        return WEXITSTATUS(status);
        """
    assert recorder.run(program, status=status) == (output, "")
    assert recorder.trace.read_text() == "a 0 11\nf 0\n"


def test_a_fork_beside_a_busy_thread_does_not_hang(recorder: Recorder) -> None:
    """The child can allocate at once, even if another thread held the recorder's lock."""
    recorder.record(
        """
        pthread_t other;
        if (pthread_create(&other, NULL, busy, NULL) != 0) return 1;
        for (int i = 0; i < 200; ++i) {
          pid_t child = fork();
          if (child == 0) { free(malloc(5)); _exit(0); }
          waitpid(child, NULL, 0);
        }
        return 0;
        """,
        "static void *busy(void *unused) { for (;;) free(malloc(9)); return unused; }",
    )


@pytest.mark.parametrize("ending", ["return 4;", "exit(4);", "_exit(4);", "_Exit(4);"])
def test_every_way_of_ending_the_program_writes_the_buffer(recorder: Recorder, ending: str) -> None:
    """An existing file is overwritten."""
    recorder.trace.write_text("the trace of an earlier run\n" * 100)
    assert recorder.record(f"kept = malloc(44); {ending}", status=4) == "a 0 44\n"


# --- Failures: they are reported, and the program keeps its exit status and its errno -------------
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")


@pytest.mark.parametrize(
    ("trace", "sentence"),
    [
        (None, "nothing is recorded; set GLASSHEAP_TRACE to the file to write"),
        (
            "/missing/trace",
            "cannot open /missing/trace for the trace: No such file or directory; "
            "nothing is recorded",
        ),
        pytest.param(
            "/dev/full",
            "writing the trace failed: No space left on device; "
            "its last line may be cut, and nothing more is recorded",
            marks=FULL,
        ),
    ],
)
def test_a_failure_is_reported_once(recorder: Recorder, trace: str | None, sentence: str) -> None:
    program = "errno = 0; for (int i = 0; i < 50000; ++i) free(malloc(5)); return errno ? 1 : 7;"
    output = recorder.run(program, trace=trace, status=7)
    assert output == ("", f"record_malloc: {sentence}\n")
