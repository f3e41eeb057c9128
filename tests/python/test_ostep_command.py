"""`glassheap ostep` prints the text of the homework program, to the byte.

The recorded runs are the reference. A malformed argument is an error of one sentence, with its
place.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import ostep_records
from ostep_runner import Ostep

RECORDS = ostep_records.read()

each_record = pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["case"])


@pytest.fixture
def ostep(capsys: pytest.CaptureFixture[str]) -> Ostep:
    return Ostep(capsys)


# --- The homework program's own text --------------------------------------------------------------
@each_record
def test_with_c_the_output_is_the_recorded_one_to_the_byte(
    ostep: Ostep, record: ostep_records.Record
) -> None:
    assert ostep(*record["argv"], "-c") == ostep_records.answers(record)


@each_record
def test_without_c_the_output_leaves_the_answers_out(
    ostep: Ostep, record: ostep_records.Record
) -> None:
    assert ostep(*record["argv"]) == ostep_records.questions(record)


def test_the_first_example_of_the_homework(ostep: Ostep) -> None:
    """Written as literals, so that the tests' own formatter is checked, too."""
    options = ["-S", "100", "-b", "1000", "-H", "4", "-a", "4", "-p", "BEST", "-n", "2"]
    head = (
        "seed 0\nsize 100\nbaseAddr 1000\nheaderSize 4\nalignment 4\npolicy BEST\n"
        "listOrder ADDRSORT\ncoalesce False\nnumOps 2\nrange 10\npercentAlloc 50\nallocList \n"
    )
    assert ostep(*options, "-c") == head + (
        "compute True\n\n"
        "ptr[0] = Alloc(3) returned 1004 (searched 1 elements)\n"
        "Free List [ Size 1 ]: [ addr:1008 sz:92 ]\n\n"
        "Free(ptr[0])\nreturned 0\n"
        "Free List [ Size 2 ]: [ addr:1000 sz:8 ][ addr:1008 sz:92 ]\n\n"
    )
    assert ostep(*options) == head + (
        "compute False\n\n"
        "ptr[0] = Alloc(3) returned ?\nList? \n\n"
        "Free(ptr[0])\nreturned ?\nList? \n\n"
    )


def test_with_a_given_list_the_question_has_no_trailing_space(ostep: Ostep) -> None:
    assert ostep("-A", "+3,-0").endswith(
        "compute False\n\n"
        "ptr[0] = Alloc(3) returned ?\nList?\n\n"
        "Free(ptr[0])\nreturned ?\nList?\n\n"
    )


def test_the_header_is_added_to_a_pointer_only_for_random_operations(ostep: Ostep) -> None:
    fails = ["-H", "8", "-S", "8", "-c"]
    assert "Alloc(3) returned 7 (searched 1 elements)" in ostep(*fails, "-n", "1")
    assert "Alloc(3) returned -1 (searched 1 elements)" in ostep(*fails, "-A", "+3")
    assert "Alloc(3) returned 1008 (" in ostep("-H", "8", "-c", "-n", "1")
    assert "Alloc(3) returned 1000 (" in ostep("-H", "8", "-c", "-A", "+3")


def test_a_free_of_an_index_never_allocated_is_skipped_without_list_or_empty_line(
    ostep: Ostep,
) -> None:
    """The index is compared with the number of successful allocations, not with that of all."""
    printed = ostep("-S", "10", "-c", "-A", "+99,-0,+5,-1,-0,-7")
    assert printed.partition("\n\n")[2] == (
        "ptr[0] = Alloc(99) returned -1 (searched 1 elements)\n"
        "Free List [ Size 1 ]: [ addr:1000 sz:10 ]\n\n"
        "Invalid Free: Skipping\n"
        "ptr[1] = Alloc(5) returned 1000 (searched 1 elements)\n"
        "Free List [ Size 1 ]: [ addr:1005 sz:5 ]\n\n"
        "Invalid Free: Skipping\n"
        "Free(ptr[0])\nreturned -1\nFree List [ Size 1 ]: [ addr:1005 sz:5 ]\n\n"
        "Invalid Free: Skipping\n"
    )


def test_an_empty_free_list_is_printed_with_size_0(ostep: Ostep) -> None:
    assert ostep("-A", "+100,+1", "-c").endswith(
        "ptr[0] = Alloc(100) returned 1000 (searched 1 elements)\nFree List [ Size 0 ]: \n\n"
        "ptr[1] = Alloc(1) returned -1 (searched 0 elements)\nFree List [ Size 0 ]: \n\n"
    )


def test_an_allocation_of_0_bytes_is_valid(ostep: Ostep) -> None:
    assert "Alloc(0) returned 1000 (searched 1 elements)" in ostep("-A", "+0,+0,+5,-2,-0", "-c")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["-S", "0x40"], "size 64"),
        (["-S", "0b101"], "size 5"),
        (["-S", "0100"], "size 64"),
        (["-S100"], "size 100"),
        (["--size=100"], "size 100"),
        (["--si", "100"], "size 100"),
        (["-s", "-5"], "seed -5"),
        (["-a", "-1"], "alignment -1"),
        (["-cC"], "coalesce True"),
        (["-n", "0"], "numOps 0"),
        (["-P", "150"], "percentAlloc 150"),
        (["-A", "+10, -0"], "allocList +10, -0"),
        # A list can begin with a free, which looks like an option.
        (["-A", "-0,+10"], "allocList -0,+10"),
        (["-cA", "-0,+10"], "allocList -0,+10"),
        (["--allocList", "-0,+10"], "allocList -0,+10"),
        (["-A-0"], "allocList -0"),
        (["-A", ""], "allocList "),
    ],
)
def test_options_are_parsed_as_by_the_homework_program(
    ostep: Ostep, arguments: list[str], line: str
) -> None:
    assert line in ostep(*arguments).split("\n")


def test_at_100_percent_every_operation_allocates_and_only_live_blocks_are_freed(
    ostep: Ostep,
) -> None:
    assert "Free(" not in ostep("-P", "100", "-n", "50")
    printed = ostep("-P", "1", "-n", "20", "-c")
    assert printed.count("Alloc(") == printed.count("Free(") == 10
    assert "returned -1" not in printed


# --- Usage errors ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "phrase"),
    [
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
    ],
)
def test_a_malformed_list_is_an_error_with_the_number_of_the_entry(
    ostep: Ostep, text: str, phrase: str
) -> None:
    assert phrase in ostep.usage_error("-A", text)
    assert phrase in ostep.usage_error("-c", f"--allocList={text}")


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (["-S", "-1"], "-S/--size: '-1' is invalid; expected 0 or more"),
        (["-S", "ten"], "-S/--size: 'ten' is invalid; expected a whole number"),
        (["-S", "9" * 5000], "expected a whole number"),
        (["-S", hex(2**63)], "expected a whole number up to 9223372036854775807"),
        (["-S", "08"], "'08' is invalid"),
        (["-b", "-1"], "-b/--baseAddr: '-1'"),
        (["-H", "-1"], "-H/--headerSize: '-1'"),
        (["-a", "0"], "-a/--alignment: '0' is invalid; expected 1 or more, or -1 for no"),
        (["-a", "-2"], "-a/--alignment: '-2'"),
        (["-n", "-1"], "-n/--numOps"),
        (["-r", "-1"], "-r/--range"),
        (["-P", "0"], "-P/--percentAlloc: '0' is invalid; expected 1 or more"),
        (["-p", "NEXT"], "-p/--policy: invalid choice: 'NEXT'"),
        (["-l", "SORTED"], "-l/--listOrder: invalid choice: 'SORTED'"),
        (["-A"], "-A/--allocList: expected one argument"),
        (["more"], "unrecognized arguments: more"),
    ],
)
def test_every_other_usage_error_is_one_sentence(
    ostep: Ostep, arguments: list[str], phrase: str
) -> None:
    assert phrase in ostep.usage_error(*arguments)


def test_the_process_ends_with_status_0_or_with_2_after_a_usage_error() -> None:
    command = [sys.executable, "-m", "glassheap", "ostep", "-n", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("List? \n\n")
    done = subprocess.run(
        [*command, "-A", "+1,*2"], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "entry 2 of the list, '*2'," in done.stderr


# --- The answers as JSON. -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [[], ["-H", "4", "-a", "4", "-n", "30", "-C"], ["-S", "20", "-A", "+10,+20,-0,-7,-0"]],
)
def test_the_json_has_the_answers_of_the_text(ostep: Ostep, arguments: list[str]) -> None:
    figures = json.loads(ostep(*arguments, "--json"))
    options, *texts = ostep(*arguments, "-c").rstrip("\n").split("\n\n")
    told = {name: str(value) for name, value in figures["options"].items()}
    told["compute"] = "True"
    assert [f"{name} {value}" for name, value in told.items()] == options.split("\n")
    steps = [step for step in figures["steps"] if step["operation"] != "skipped"]
    texts = "\n\n".join(texts).replace("Invalid Free: Skipping\n", "").split("\n\n")
    for step, text in zip(steps, texts, strict=True):
        assert f"returned {step['returned']}" in text
        listed = "".join(f"[ addr:{one['addr']} sz:{one['sz']} ]" for one in step["free_list"])
        assert text.endswith(f"Free List [ Size {len(step['free_list'])} ]: {listed}")
        if step["operation"] == "Alloc":
            call = f"ptr[{step['number']}] = Alloc({step['size']}) returned {step['returned']} "
            assert text.startswith(f"{call}(searched {step['searched']} elements)")
        else:
            assert text.startswith(f"Free(ptr[{step['number']}])")
    assert len(figures["steps"]) - len(steps) == arguments.count("+10,+20,-0,-7,-0")
