"""`glassheap ostep` prints the text of the homework program, to the byte.

The recorded runs are the reference, for the command and for the model that it runs on. A malformed
argument is an error of one sentence, with its place.
"""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from command_helpers import assert_mistake, command, run
from ostep_records import RECORDS, Record, each_record, options_of, ostep, text


# --- The homework program's own text --------------------------------------------------------------
def test_all_recorded_runs_are_present() -> None:
    assert len(RECORDS) == 18
    assert sum(len(record["ops"]) for record in RECORDS) == 3067


@each_record
def test_the_output_is_the_recorded_one_to_the_byte(record: Record) -> None:
    """With -c it has the answers, and without it none."""
    line = shlex.join(record["argv"])
    assert ostep(f"{line} -c") == text(options_of(record), record["ops"], compute=True)
    assert ostep(line) == text(options_of(record), record["ops"], compute=False)


def test_the_first_example_of_the_homework() -> None:
    """Written as literals, so that the tests' own formatter is checked, too."""
    line = "-S 100 -b 1000 -H 4 -a 4 -p BEST -n 2"
    head = (
        "seed 0\nsize 100\nbaseAddr 1000\nheaderSize 4\nalignment 4\npolicy BEST\n"
        "listOrder ADDRSORT\ncoalesce False\nnumOps 2\nrange 10\npercentAlloc 50\nallocList \n"
    )
    assert ostep(f"{line} -c") == head + (
        "compute True\n\n"
        "ptr[0] = Alloc(3) returned 1004 (searched 1 elements)\n"
        "Free List [ Size 1 ]: [ addr:1008 sz:92 ]\n\n"
        "Free(ptr[0])\nreturned 0\n"
        "Free List [ Size 2 ]: [ addr:1000 sz:8 ][ addr:1008 sz:92 ]\n\n"
    )
    assert ostep(line) == head + (
        "compute False\n\n"
        "ptr[0] = Alloc(3) returned ?\nList? \n\n"
        "Free(ptr[0])\nreturned ?\nList? \n\n"
    )


@pytest.mark.parametrize(
    ("line", "end"),
    [
        # With a given list a question has no trailing space.
        (
            "-A +3,-0",
            "compute False\n\n"
            "ptr[0] = Alloc(3) returned ?\nList?\n\n"
            "Free(ptr[0])\nreturned ?\nList?\n\n",
        ),
        # A free of an index never allocated is skipped without list or empty line. The index is
        # compared with the number of successful allocations, not with that of all.
        (
            "-S 10 -c -A +99,-0,+5,-1,-0,-7",
            "compute True\n\n"
            "ptr[0] = Alloc(99) returned -1 (searched 1 elements)\n"
            "Free List [ Size 1 ]: [ addr:1000 sz:10 ]\n\n"
            "Invalid Free: Skipping\n"
            "ptr[1] = Alloc(5) returned 1000 (searched 1 elements)\n"
            "Free List [ Size 1 ]: [ addr:1005 sz:5 ]\n\n"
            "Invalid Free: Skipping\n"
            "Free(ptr[0])\nreturned -1\nFree List [ Size 1 ]: [ addr:1005 sz:5 ]\n\n"
            "Invalid Free: Skipping\n",
        ),
        # An empty free list has the size 0.
        (
            "-A +100,+1 -c",
            "ptr[0] = Alloc(100) returned 1000 (searched 1 elements)\nFree List [ Size 0 ]: \n\n"
            "ptr[1] = Alloc(1) returned -1 (searched 0 elements)\nFree List [ Size 0 ]: \n\n",
        ),
    ],
)
def test_the_text_of_what_no_recorded_run_has(line: str, end: str) -> None:
    assert ostep(line).endswith(end)


@pytest.mark.parametrize(
    ("line", "returned"),
    [
        # The header is added to a pointer only for random operations.
        ("-H 8 -S 8 -c -n 1", "Alloc(3) returned 7 (searched 1 elements)"),
        ("-H 8 -S 8 -c -A +3", "Alloc(3) returned -1 (searched 1 elements)"),
        ("-H 8 -c -n 1", "Alloc(3) returned 1008 ("),
        ("-H 8 -c -A +3", "Alloc(3) returned 1000 ("),
        # An allocation of 0 bytes is valid.
        ("-A +0,+0,+5,-2,-0 -c", "Alloc(0) returned 1000 (searched 1 elements)"),
    ],
)
def test_the_pointers_returned(line: str, returned: str) -> None:
    assert returned in ostep(line)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("-S 0x40", "size 64"),
        ("-S 0b101", "size 5"),
        ("-S 0100", "size 64"),
        ("-S100", "size 100"),
        ("--size=100", "size 100"),
        ("--si 100", "size 100"),
        ("-s -5", "seed -5"),
        ("-a -1", "alignment -1"),
        ("-cC", "coalesce True"),
        ("-n 0", "numOps 0"),
        ("-P 150", "percentAlloc 150"),
        ("-A '+10, -0'", "allocList +10, -0"),
        # A list can begin with a free, which looks like an option.
        ("-A -0,+10", "allocList -0,+10"),
        ("-cA -0,+10", "allocList -0,+10"),
        ("--allocList -0,+10", "allocList -0,+10"),
        ("-A-0", "allocList -0"),
        ("-A ''", "allocList "),
    ],
)
def test_options_are_parsed_as_by_the_homework_program(arguments: str, line: str) -> None:
    assert line in ostep(arguments).split("\n")


def test_at_100_percent_every_operation_allocates_and_only_live_blocks_are_freed() -> None:
    assert "Free(" not in ostep("-P 100 -n 50")
    output = ostep("-P 1 -n 20 -c")
    assert output.count("Alloc(") == output.count("Free(") == 10
    assert "returned -1" not in output


# --- Usage errors ---------------------------------------------------------------------------------
MALFORMED_LISTS = [
    ("+10,10,-0", "entry 2 of the list, '10', is not an operation; expected +SIZE or -NUMBER"),
    ("+10,+x", "entry 2 of the list, '+x', is not an operation"),
    ("10", "entry 1 of the list, '10', is not an operation"),
    ("+10,,-0", "entry 2 of the list is empty"),
    ("+10,", "entry 2 of the list is empty"),
    (",", "entry 1 of the list is empty"),
    (" ", "entry 1 of the list is empty"),
    ("+10,+1.5", "entry 2 of the list, '+1.5'"),
    ("+10,+-5", "entry 2 of the list, '+-5'"),
    ("+10+20", "entry 1 of the list, '+10+20'"),
    ("-1x,+3", "entry 1 of the list, '-1x'"),
    ("+1,+2,+3;-0", "entry 3 of the list, '+3;-0'"),
    ("+1,a\nb", r"entry 2 of the list, 'a\nb'"),
    ("+1,+٣", "entry 2 of the list"),
    (f"+{2**63}", "expected a number up to 9223372036854775807"),
    ("+" + "9" * 5000, "...', is not an operation; expected a number up to"),
]
OTHER_MISTAKES = [
    ("-S -1", "-S/--size: '-1' is invalid; expected 0 or more"),
    ("-S ten", "-S/--size: 'ten' is invalid; expected a whole number"),
    (f"-S {'9' * 5000}", "expected a whole number"),
    (f"-S {2**63:#x}", "expected a whole number up to 9223372036854775807"),
    ("-S 08", "'08' is invalid"),
    ("-b -1", "-b/--baseAddr: '-1'"),
    ("-H -1", "-H/--headerSize: '-1'"),
    ("-a 0", "-a/--alignment: '0' is invalid; expected 1 or more, or -1 for no"),
    ("-a -2", "-a/--alignment: '-2'"),
    ("-n -1", "-n/--numOps"),
    ("-r -1", "-r/--range"),
    ("-P 0", "-P/--percentAlloc: '0' is invalid; expected 1 or more"),
    ("-p NEXT", "-p/--policy: invalid choice: 'NEXT'"),
    ("-l SORTED", "-l/--listOrder: invalid choice: 'SORTED'"),
    ("-A", "-A/--allocList: expected one argument"),
    ("more", "unrecognized arguments: more"),
]


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        *((["-A", entries], phrase) for entries, phrase in MALFORMED_LISTS),
        *(([f"--allocList={entries}"], phrase) for entries, phrase in MALFORMED_LISTS),
        *((line.split(), phrase) for line, phrase in OTHER_MISTAKES),
    ],
)
def test_a_usage_error_is_one_sentence_with_its_place(arguments: list[str], phrase: str) -> None:
    assert_mistake(run("ostep", *arguments), phrase)


def test_the_process_ends_with_status_0_or_with_2_after_a_usage_error() -> None:
    done = command("ostep", "-n", "3")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", ostep("-n 3"))
    assert_mistake(command("ostep", "-n", "3", "-A", "+1,*2"), "entry 2 of the list, '*2',")


# --- The answers as JSON --------------------------------------------------------------------------
@pytest.mark.parametrize("line", ["", "-H 4 -a 4 -n 30 -C", "-S 20 -A +10,+20,-0,-7,-0"])
def test_the_json_has_the_answers_of_the_text(line: str) -> None:
    def as_recorded(step: dict[str, Any]) -> Record:
        free = [(element["addr"], element["sz"]) for element in step.get("free_list", [])]
        number, returned = step["number"], step.get("returned")
        recorded = {"op": step["operation"].lower(), "id": number, "free": free}
        return {**step, **recorded, "printed": returned, "rc": returned}

    figures = json.loads(ostep(f"{line} --json"))
    assert figures["options"].pop("compute") is True
    operations = [as_recorded(step) for step in figures["steps"]]
    assert text(figures["options"], operations, compute=True) == ostep(f"{line} -c")
