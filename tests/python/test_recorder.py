"""The library that records malloc: every call, of every thread and process, and no harm.

It is preloaded into small programs in C with known calls. `test_record_command.py` has the command
and real programs.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from command_helpers import completed, output_of
from glassheap import paths
from glassheap.traces import MALLOC, REALLOC, Trace, read
from glassheap.traces.recording import EARLY, REUSED, UNCHECKED, UNKNOWN_FREED, UNKNOWN_RESIZED
from recorder_helpers import (
    NEEDS_CALLERS,
    NEEDS_CC,
    NEEDS_LINUX,
    Call,
    Recorder,
    calls,
    preloaded,
    recorder,
)
from trace_helpers import states

__all__ = ["recorder"]  # a fixture

pytestmark = [pytest.mark.any_interpreter, NEEDS_LINUX]
needs_cc = NEEDS_CC
needs_callers = NEEDS_CALLERS


# --- The library ----------------------------------------------------------------------------------
PUBLIC = (
    "_Exit _exit aligned_alloc calloc dlclose free free_aligned_sized free_sized malloc memalign "
    "posix_memalign pvalloc quick_exit realloc reallocarray valloc"
)


def tool(name: str) -> str:
    return shutil.which(name) or pytest.skip(f"{name} (binutils) is not installed")


def test_the_library_exports_malloc_and_ends_of_programs_and_libraries_alone() -> None:
    """A name of its own would replace the program's."""
    lines = output_of(tool("nm"), "-D", "--defined-only", str(paths.recorder())).splitlines()
    assert sorted(line.split()[-1] for line in lines) == PUBLIC.split()


def test_the_library_needs_that_of_c_alone_and_allocates_no_memory_for_threads() -> None:
    """The library of C++ would come into every program. The loader allocates for dynamic TLS."""
    dynamic = output_of(tool("readelf"), "-d", str(paths.recorder()))
    needed = re.findall(r"NEEDED.*\[(.*)\]", dynamic)
    assert needed
    assert all(re.match(r"(libc|libdl|libpthread|ld-linux|libc\.musl)\b", one) for one in needed)
    assert "__tls_get_addr" not in output_of(tool("nm"), "-D", str(paths.recorder()))


# --- The calls ------------------------------------------------------------------------------------
@needs_cc
def test_every_call_is_recorded_with_size_and_alignment(recorder: Recorder) -> None:
    """calloc has the product; a realloc is an allocation, a resize or a free; free(NULL) and a call
    with an invalid alignment are no events; requests that failed are kept apart."""
    trace = recorder.record(
        """
        void *a = malloc(100);
        void *b = calloc(3, 50);
        void *c = aligned_alloc(64, 128);
        void *d = NULL;
        if (posix_memalign(&d, 256, 24) != 0) return 1;
        void *e = memalign(24, 8);
        free(NULL);
        b = realloc(b, 100000);
        b = reallocarray(b, 10, 30);
        free(a);
        if (malloc(SIZE_MAX / 2) || calloc(SIZE_MAX, 2) || realloc(c, SIZE_MAX / 4)) return 2;
        if (reallocarray(c, SIZE_MAX, 2) || errno != ENOMEM) return 3;
        if (posix_memalign((void **)&kept, 3, 24) != EINVAL) return 4;
        if (posix_memalign((void **)&kept, 64, SIZE_MAX / 2) != ENOMEM) return 4;
        free(d);
        void *f = realloc(NULL, 7);
        kept = realloc(malloc(0), 0);
        kept = valloc(9);
        kept = pvalloc(10);
        if (malloc_usable_size(kept) < getpagesize()) return 5;
        free(e); free(c); free(b); free(f);
        return 0;
        """
    )
    page = os.sysconf("SC_PAGESIZE")
    assert calls(trace) == [
        *(Call("a", 100), Call("a", 150), Call("a", 128, 64), Call("a", 24, 256), Call("a", 8, 32)),
        *(Call("r", 100000), Call("r", 300), Call("f"), Call("f"), Call("a", 7)),
        *(Call("a", 0), Call("f"), Call("a", 9, page), Call("a", 10, page)),
        *([Call("f")] * 4),
    ]
    largest = 2**64 - 1
    assert [(one.kind, one.size, one.align) for one in trace.refused] == [
        *((MALLOC, largest // 2, 0), (MALLOC, largest, 0), (REALLOC, largest // 4, 0)),
        (MALLOC, largest // 2, 64),
    ]
    *_, left = states(trace)
    assert (sorted(left.values()), trace.skipped) == ([9, 10], ())


@needs_cc
def test_60000_live_blocks_are_told_apart_by_their_addresses(recorder: Recorder) -> None:
    """Frees in a scattered order name every block, over many frames of the file."""
    trace = recorder.record(
        """
        for (size_t i = 0; i < COUNT; ++i) block[i] = malloc(i % 4000 + 1);
        for (size_t i = 0; i < COUNT; ++i) free(block[i * 7919 % COUNT]);
        return 0;
        """,
        "enum { COUNT = 60000 }; static void *block[COUNT];",
    )
    assert [*trace.sizes[:60000]] == [i % 4000 + 1 for i in range(60000)]
    ids = trace.ids[:60000]
    assert [*trace.ids[60000:]] == [ids[i * 7919 % 60000] for i in range(60000)]
    assert trace.times[0] >= 0
    assert [*trace.times] == sorted(trace.times)


@needs_cc
@needs_callers
def test_a_tag_is_the_place_in_the_program_that_made_the_call(recorder: Recorder) -> None:
    trace = recorder.record(
        "kept = first(3); kept = second(4); kept = first(5); free(kept); return 0;",
        """
        __attribute__((noinline)) static void *first(size_t n) { return kept = malloc(n); }
        __attribute__((noinline)) static void *second(size_t n) { return kept = calloc(1, n); }
        """,
    )
    assert [trace.tag_names[tag] for tag in trace.tags][-1] == ""  # the free
    program = str(recorder.folder / "program")
    names = [one.partition("+") for one in trace.tag_names[1:]]
    assert {file for file, _, _ in names} == {"program"}
    places = [place for _, _, place in names]
    functions = output_of(tool("addr2line"), "-f", "-e", program, *places).split("\n")[::2]
    tagged = [functions[tag - 1] for tag in trace.tags[:3]]
    assert tagged == ["first", "second", "first"]


@needs_cc
def test_calls_that_the_recorder_did_not_see_are_noted(recorder: Recorder) -> None:
    """The program calls the C library past the recorder."""
    trace = recorder.record(
        """
        void *libc = dlopen("libc.so.6", RTLD_NOW);
        if (libc == NULL) return 77;
        *(void **)&unseen_malloc = dlsym(libc, "malloc");
        *(void **)&unseen_free = dlsym(libc, "free");
        free(unseen_malloc(300));
        kept = realloc(unseen_malloc(700), 800);
        void *one = malloc(6000);
        unseen_free(one);
        kept = malloc(6000);
        return kept == one ? 0 : 77;
        """,
        """
        #include <dlfcn.h>
        static void *(*unseen_malloc)(size_t);
        static void (*unseen_free)(void *);
        """,
    )
    found = {note.reason: note.lines for note in trace.skipped}
    assert found == {UNKNOWN_FREED: 1, UNKNOWN_RESIZED: 1, REUSED: 1}
    assert calls(trace)[-4:] == [Call("a", 800), Call("a", 6000), Call("f"), Call("a", 6000)]


# --- Threads --------------------------------------------------------------------------------------
@needs_cc
def test_the_calls_of_all_threads_are_recorded_in_an_order_that_can_have_been(
    recorder: Recorder,
) -> None:
    """The threads free blocks of each other, and no address is given twice in the recording. They
    share one arena of glibc, so a thread gets at once what another one frees."""
    trace = recorder.record(
        """
        mallopt(M_ARENA_MAX, 1);
        pthread_t thread[4];
        for (long i = 0; i < 4; ++i) pthread_create(&thread[i], NULL, work, (void *)i);
        for (long i = 0; i < 4; ++i) pthread_join(thread[i], NULL);
        for (int i = 0; i < 64; ++i) free(shared[i]);
        return 0;
        """,
        """
        static void *shared[64];
        static void *work(void *number) {
          size_t size = 7000 + (size_t)number;
          for (size_t i = 0; i < 5000; ++i) {
            void *mine = realloc(malloc(size), 2 * size);
            free(__atomic_exchange_n(&shared[i % 64], mine, __ATOMIC_ACQ_REL));
          }
          for (size_t i = 0; i < 20000; ++i) free(malloc(2000));
          return NULL;
        }
        """,
    )
    assert trace.skipped == ()
    rows = [*zip(trace.kinds, trace.sizes, trace.threads, strict=True)]
    threads = {thread for kind, size, thread in rows if size in range(7000, 7004)}
    assert len(threads) == 4
    counted = Counter((kind, size) for kind, size, thread in rows if thread in threads)
    expected = {(MALLOC, 7000 + i): 5000 for i in range(4)}
    expected |= {(REALLOC, 14000 + 2 * i): 5000 for i in range(4)}
    assert expected.items() <= counted.items()
    by_size = {(thread, size) for kind, size, thread in rows if size in range(7000, 7004)}
    assert len(by_size) == 4
    *_, left = states(trace)
    assert not {*range(7000, 14007)} & set(left.values())


@needs_cc
def test_a_thread_is_not_cancelled_inside_of_malloc(recorder: Recorder) -> None:
    """Writing the file is where threads are cancelled, and this one has the recorder's lock."""
    trace = recorder.record(
        """
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, NULL) != 0) return 1;
        pthread_cancel(thread);
        pthread_join(thread, NULL);
        free(malloc(77));
        return 0;
        """,
        """
        static void *work(void *unused) {
          for (size_t i = 0; i < 20000; ++i) free(malloc(55));
          return unused;
        }
        """,
    )
    assert calls(trace)[-2:] == [Call("a", 77), Call("f")]
    assert calls(trace).count(Call("a", 55)) in {0, 20000}  # 0: cancelled before it began


# --- Processes ------------------------------------------------------------------------------------
FORKED = "pid_t child = fork(); if (child < 0) return 1; if (child == 0) {{ {} }}"
WAIT = "int status = 0; waitpid(child, &status, 0);"


@needs_cc
def test_a_forked_child_has_a_recording_of_its_own(recorder: Recorder) -> None:
    """The parent goes on with its own, beside the child."""
    child = "free(kept); for (int i = 0; i < 9000; ++i) kept = malloc(22); _exit(3);"
    trace = recorder.record(
        f"kept = malloc(11); {FORKED.format(child)} free(malloc(33)); {WAIT} free(malloc(44));"
        "return WEXITSTATUS(status);",
        status=3,
    )
    parent = [Call("a", 11), Call("a", 33), Call("f"), Call("a", 44), Call("f")]
    assert calls(trace) == parent
    (child_trace,) = recorder.children()
    assert calls(child_trace) == [Call("a", 22)] * 9000
    assert [note.reason for note in child_trace.skipped] == [UNKNOWN_FREED]
    assert {*trace.threads} == {process_of(trace)}
    assert {*child_trace.threads} == {process_of(child_trace)}
    assert process_of(trace) != process_of(child_trace)


def process_of(trace: Trace) -> int:
    (process,) = (fact for fact in trace.facts if fact.startswith("process="))
    return int(process.partition("=")[2])


@needs_cc
@needs_callers
def test_a_forked_child_defines_the_tags_anew(recorder: Recorder) -> None:
    """In a file of its own name, also if that of its parent is gone."""
    recorder.run(
        f"""
        kept = work();
        unlink(getenv("GLASSHEAP_TRACE"));
        {FORKED.format("kept = work(); _exit(0);")} {WAIT}
        return 0;
        """,
        "__attribute__((noinline)) static void *work(void) { return kept = malloc(11); }",
    )
    (child,) = recorder.children()
    assert [child.tag_names[tag].partition("+")[0] for tag in child.tags] == ["program"]


@needs_cc
@pytest.mark.parametrize(
    "child",
    [
        "_exit(0);",
        'execl("/bin/sh", "sh", "-c", "exit 0", (char *)NULL); _exit(9);',
    ],
)
def test_a_child_without_calls_leaves_the_recording_of_what_it_becomes_alone(
    recorder: Recorder, child: str
) -> None:
    trace = recorder.record(f"kept = malloc(11); {FORKED.format(child)} {WAIT} return status;")
    assert calls(trace) == [Call("a", 11)]
    commands = [one.facts[1] for one in recorder.children()]
    assert commands == (["command=sh -c exit 0"] if "exec" in child else [])


@needs_cc
def test_a_program_that_becomes_another_one_leaves_both_recordings(recorder: Recorder) -> None:
    exec_self = 'execl("/proc/self/exe", "again", (char *)NULL);'
    trace = recorder.record(
        f'kept = malloc(11); if (getenv("AGAIN")) return 0; setenv("AGAIN", "1", 1); {exec_self}'
    )
    (again,) = recorder.children()
    assert calls(trace)[0] == calls(again)[0] == Call("a", 11)
    assert process_of(trace) == process_of(again)
    assert "command=again" in again.facts


@needs_cc
def test_a_child_by_vfork_shares_the_recording_of_its_parent(recorder: Recorder) -> None:
    """Its calls are the parent's own, as its memory is. Nothing is written twice."""
    trace = recorder.record(
        """
        kept = malloc(11);
        pid_t child = vfork();
        if (child == 0) { kept = malloc(22); _exit(0); }
        int status = 0;
        waitpid(child, &status, 0);
        free(malloc(33));
        return 0;
        """
    )
    assert calls(trace) == [Call("a", 11), Call("a", 22), Call("a", 33), Call("f")]
    assert recorder.children() == []


@needs_cc
def test_a_child_that_no_handler_sees_does_not_write_to_its_parents_recording(
    recorder: Recorder,
) -> None:
    """A program may call the system itself: fork handlers do not run."""
    trace = recorder.record(
        """
        kept = malloc(11);
        long child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        if (child == 0) { free(malloc(22)); _exit(0); }
        int status = 0;
        waitpid((pid_t)child, &status, 0);
        free(malloc(33));
        return 0;
        """
    )
    assert calls(trace) == [Call("a", 11), Call("a", 33), Call("f")]
    (child,) = recorder.children()
    assert calls(child) == [Call("a", 22), Call("f")]


@needs_cc
def test_a_fork_beside_a_busy_thread_does_not_hang(recorder: Recorder) -> None:
    """The child can allocate at once, even if another thread held the recorder's lock."""
    recorder.record(
        """
        pthread_t other;
        if (pthread_create(&other, NULL, busy, NULL) != 0) return 1;
        for (int i = 0; i < 100; ++i) {
          pid_t child = fork();
          if (child == 0) { free(malloc(5)); _exit(0); }
          waitpid(child, NULL, 0);
        }
        return 0;
        """,
        "static void *busy(void *unused) { for (;;) free(malloc(9)); return unused; }",
    )
    assert [calls(child) for child in recorder.children()] == [[Call("a", 5), Call("f")]] * 100


# --- Endings: what a call added is in the file ----------------------------------------------------
@needs_cc
@pytest.mark.parametrize(
    "ending",
    [
        "return 4;",
        "exit(4);",
        "quick_exit(4);",
        "_exit(4);",
        "_Exit(4);",
        "abort();",
        "kill(getpid(), SIGKILL);",
    ],
)
def test_every_call_up_to_the_end_is_in_the_recording(recorder: Recorder, ending: str) -> None:
    """All have a checksum, unless a signal ended the program."""
    status = -9 if "KILL" in ending else -6 if "abort" in ending else 4
    trace = recorder.record(
        f"for (size_t i = 0; i < 12345; ++i) kept = malloc(i); {ending}", status=status
    )
    assert [*trace.sizes] == [*range(12345)]
    assert [note.reason for note in trace.skipped] == [UNCHECKED] * (status < 0)


@needs_cc
def test_a_program_that_closes_all_descriptors_keeps_its_files(recorder: Recorder) -> None:
    """A daemon does so. The file that it opens then is its own, whatever number it has."""
    own = recorder.folder / "own"
    recorder.run(
        f"""
        for (int i = 3; i < 1024; ++i) close(i);
        int own = -1;
        for (int i = 0; i < 200; ++i) own = open("{own}", O_CREAT | O_WRONLY, 0600);
        for (size_t i = 0; i < 30000; ++i) free(malloc(i));
        return own < 100;
        """
    )
    assert own.read_bytes() == b""


# --- Failures: they are reported, and the program keeps its exit status and its errno -------------
LOOP = "errno = 0; for (int i = 0; i < 50000; ++i) free(malloc(5)); return errno ? 1 : 7;"


@needs_cc
def test_a_file_that_may_not_grow_ends_the_recording_with_one_sentence(recorder: Recorder) -> None:
    """SIGXFSZ does not end the program, and the calls before the limit can be read."""
    out = recorder.run(
        f"""
        struct rlimit limit = {{17000, 17000}};
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
        {LOOP}
        """,
        status=7,
    )
    sentence = f"cannot write to {recorder.trace}: File too large; the recording ends here, and the"
    assert out == ("", f"glassheap: {sentence} program runs on\n")
    trace = read(recorder.trace)
    recorded = calls(trace)
    assert 1000 < len(recorded) < 100000
    assert [(note.reason, note.first_line) for note in trace.skipped] == [
        (EARLY[2], len(recorded) + 1)
    ]
    assert set(recorded) == {Call("a", 5), Call("f")}


@needs_cc
def test_a_sentence_that_nobody_reads_does_not_end_the_program(recorder: Recorder) -> None:
    """Its stderr is a pipe without a reader: writing to it sends SIGPIPE."""
    recorder.record(
        f"""
        int ends[2];
        for (int i = 3; i < 1024; ++i) close(i);
        if (pipe(ends) != 0) return 1;
        dup2(ends[1], 2);
        close(ends[0]);
        {LOOP}
        """,
        status=7,
    )


@needs_cc
def test_a_place_without_a_folder_is_reported_and_the_program_runs(recorder: Recorder) -> None:
    recorder.trace = Path("/missing/app.trace")
    child = "errno = 0; kept = malloc(5); _exit(errno);"
    out, err = recorder.run(f"{FORKED.format(child)} {WAIT} if (status) return 1; {LOOP}", status=7)
    where = r"glassheap: cannot record process \d+ to /missing/app.trace: No such file or directory"
    assert out == ""
    assert re.fullmatch(f"({where}; the program runs on\n){{2}}", err)


def test_an_existing_file_is_kept_and_the_recording_goes_beside_it(tmp_path: Path) -> None:
    trace = tmp_path / "app.trace"
    trace.write_text("letters")
    assert preloaded("/bin/ls", "/", trace=trace).returncode == 0
    assert trace.read_text() == "letters"
    assert len([*tmp_path.glob("app.trace.*")]) == 1


def test_without_a_place_nothing_is_recorded_or_said(tmp_path: Path) -> None:
    done = preloaded("/bin/ls", "/", trace=None, cwd=tmp_path)
    assert (done.returncode, done.stderr, [*tmp_path.iterdir()]) == (0, "", [])
    assert done.stdout == completed("/bin/ls", "/").stdout
