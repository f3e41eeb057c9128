"""The promises of the allocation recorder.

The recorder (cpp/tools/record_malloc.c) is a C library to preload. The tests compile it, preload it
into small C programs with known calls, and compare its output with the expected script.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from recording import CC, PAST_THE_RECORDER, compile_c, compile_program, run_recorded
from trace_scripts import live_at_end, operations

if TYPE_CHECKING:
    from subprocess import CompletedProcess

SOURCE = Path(__file__).resolve().parents[2] / "cpp" / "tools" / "record_malloc.c"

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="LD_PRELOAD is Linux's"),
    pytest.mark.skipif(CC is None, reason="no C compiler (cc) is installed"),
    pytest.mark.skipif(not SOURCE.exists(), reason=f"the source tree is not here: {SOURCE}"),
]


@pytest.fixture(scope="session")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorder")
    return compile_c(["-shared", "-fPIC", str(SOURCE)], folder / "librecord_malloc.so")


class Run(Protocol):
    """Compile a program of these statements, with code before main, and record it."""

    def __call__(
        self, statements: str, *, before_main: str = "", trace: Path | None = ...
    ) -> CompletedProcess[str]: ...


@pytest.fixture
def run(recorder: Path, tmp_path: Path) -> Run:
    def compiled_and_recorded(
        statements: str, *, before_main: str = "", trace: Path | None = tmp_path / "trace"
    ) -> CompletedProcess[str]:
        return run_recorded(recorder, compile_program(statements, before_main, tmp_path), trace)

    return compiled_and_recorded


def script(folder: Path) -> list[str]:
    return (folder / "trace").read_text().splitlines(keepends=True)


def test_every_successful_call_is_recorded_as_one_line(run: Run, tmp_path: Path) -> None:
    """The exact script of known calls: calloc has the product, the ID freed last is reused first,
    frees of NULL and failed calls are left out, realloc is an allocation, a resize or a free."""
    done = run(
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
    assert (done.returncode, done.stderr) == (0, "")
    assert "".join(script(tmp_path)).split("\n") == [
        *("a 0 100", "a 1 150", "a 2 128", "a 3 24", "a 4 8", "r 1 100000", "f 0", "f 3"),
        *("a 3 7", "a 0 0", "f 0", "r 1 60", "f 4", "f 2", "f 1", ""),
    ]


def test_60000_live_blocks_keep_their_ids(run: Run, tmp_path: Path) -> None:
    """The table grows, and frees in a scattered order name every block by its ID."""
    done = run(
        """
        for (size_t i = 0; i < COUNT; ++i) block[i] = malloc(i % 4000 + 1);
        for (size_t i = 0; i < COUNT; ++i) free(block[i * 7919 % COUNT]);
        for (size_t i = 0; i < COUNT; ++i) free(malloc(i % 50));
        return 0;
        """,
        before_main="enum { COUNT = 60000 }; static void *block[COUNT];",
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = script(tmp_path)
    expected = [f"a {i} {i % 4000 + 1}\n" for i in range(60000)]
    expected += [f"f {i * 7919 % 60000}\n" for i in range(60000)]
    last = 59999 * 7919 % 60000
    for i in range(60000):
        expected += [f"a {last} {i % 50}\n", f"f {last}\n"]
    assert lines == expected


def test_the_calls_of_two_threads_are_all_recorded_in_a_valid_order(
    run: Run, tmp_path: Path
) -> None:
    """The threads free blocks of each other."""
    done = run(
        """
        pthread_t other;
        if (pthread_create(&other, NULL, work, NULL) != 0) return 1;
        work(NULL);
        pthread_join(other, NULL);
        for (int i = 0; i < 64; ++i) free(shared[i]);
        return 0;
        """,
        before_main="""
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
    assert (done.returncode, done.stderr) == (0, "")
    lines = script(tmp_path)
    calls = [(letter, size) for letter, _, size in operations(lines)]
    assert calls.count(("a", 7001)) == calls.count(("r", 7002)) == 40000
    assert not {7001, 7002} & set(live_at_end(lines).values())


def test_a_block_allocated_before_recording_starts_at_its_realloc(run: Run, tmp_path: Path) -> None:
    """The free of such a block is not recorded; its realloc is recorded as an allocation."""
    done = run(
        """
        find_unseen();
        kept = malloc(2000);
        free(unseen_malloc(300));
        kept = realloc(unseen_malloc(700), 800);
        free(kept);
        return 0;
        """,
        before_main=PAST_THE_RECORDER,
    )
    if done.returncode == 77:
        pytest.skip("no C library that can be called past the recorder")
    assert (done.returncode, done.stderr) == (0, "")
    last = [(letter, size) for letter, _, size in operations(script(tmp_path))][-3:]
    assert last == [("a", 2000), ("a", 800), ("f", 0)]


def test_an_unseen_free_is_recorded_when_the_address_is_returned_again(
    run: Run, tmp_path: Path
) -> None:
    """The address is returned by malloc or by a realloc that moves the block."""
    done = run(
        """
        find_unseen();
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
        return 0;
        """,
        before_main=PAST_THE_RECORDER,
    )
    if done.returncode == 77:
        pytest.skip("no C library past the recorder, or one that places blocks in another way")
    assert (done.returncode, done.stderr) == (0, "")
    last = [(letter, size) for letter, _, size in operations(script(tmp_path))][-9:]
    assert last[:5] == [("a", 2000), ("a", 6000), ("a", 4000), ("a", 2000), ("a", 5000)]
    assert last[5:] == [("f", 0), ("r", 6000), ("f", 0), ("a", 5000)]


def test_a_forked_child_does_not_write_to_the_trace(run: Run, tmp_path: Path) -> None:
    """The file has neither the child's allocations nor a second copy of the parent's buffer."""
    done = run(
        """
        kept = malloc(11);
        pid_t child = fork();
        if (child < 0) return 1;
        if (child == 0) {
          free(kept);
          for (int i = 0; i < 9000; ++i) kept = malloc(22);
          exit(3);
        }
        int status = 0;
        waitpid(child, &status, 0);
        free(kept);
        return WEXITSTATUS(status);
        """
    )
    assert (done.returncode, done.stderr) == (3, "")
    assert script(tmp_path) == ["a 0 11\n", "f 0\n"]


def test_a_fork_beside_a_busy_thread_does_not_hang(run: Run) -> None:
    """The child can allocate at once, even if another thread held the recorder's lock."""
    done = run(
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
        before_main="""
        static void *busy(void *unused) { for (;;) free(malloc(9)); return unused; }
        """,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_program_started_by_the_recorded_one_does_not_touch_the_trace(
    run: Run, tmp_path: Path
) -> None:
    """The recorder is preloaded in the child, too, but does not write and prints no message."""
    done = run(
        """
        kept = malloc(33);
        pid_t child = fork();
        if (child == 0) { execl("/bin/sh", "sh", "-c", "echo started", (char *)NULL); _exit(9); }
        int status = 0;
        waitpid(child, &status, 0);
        free(kept);
        return WEXITSTATUS(status);
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "started\n", "")
    assert script(tmp_path) == ["a 0 33\n", "f 0\n"]


@pytest.mark.parametrize("ending", ["return 4;", "exit(4);", "_exit(4);", "_Exit(4);"])
def test_every_way_of_ending_the_program_writes_the_buffer(
    run: Run, tmp_path: Path, ending: str
) -> None:
    """An existing file is overwritten."""
    (tmp_path / "trace").write_text("the trace of an earlier run\n" * 100)
    done = run(f"kept = malloc(44); {ending}")
    assert (done.returncode, done.stderr) == (4, "")
    assert script(tmp_path) == ["a 0 44\n"]


def test_a_file_that_cannot_be_opened_is_reported(run: Run, tmp_path: Path) -> None:
    """On stderr, with its name and the reason; the program keeps its exit status."""
    nowhere = tmp_path / "missing" / "trace"
    done = run("free(malloc(5)); return 6;", trace=nowhere)
    assert done.returncode == 6
    assert done.stderr == (
        f"record_malloc: cannot open {nowhere} for the trace: No such file or directory; "
        "nothing is recorded\n"
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_reported_once(run: Run) -> None:
    """The program's errno does not change."""
    done = run(
        """
        errno = 0;
        for (int i = 0; i < 50000; ++i) free(malloc(5));
        return errno == 0 ? 7 : 1;
        """,
        before_main="#include <errno.h>",
        trace=Path("/dev/full"),
    )
    assert done.returncode == 7
    assert done.stderr == (
        "record_malloc: writing the trace failed: No space left on device; "
        "its last line may be cut, and nothing more is recorded\n"
    )


def test_a_missing_variable_is_reported(run: Run) -> None:
    done = run("free(malloc(5)); return 8;", trace=None)
    assert done.returncode == 8
    assert done.stderr == (
        "record_malloc: nothing is recorded; set GLASSHEAP_TRACE to the file to write\n"
    )
