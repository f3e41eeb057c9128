"""`--explain` and `--show`, which add lines to the homework program's text.

They do not change the program's own lines, and their explanations and maps are true of the run.
Both are checked step by step on random runs of every kind.
"""

from __future__ import annotations

import random
import re

import pytest

from command_helpers import run
from glassheap.ostep.options import LIST_ORDERS, POLICIES
from ostep_records import ostep

pytestmark = pytest.mark.any_interpreter

SKIPPED = re.compile(r"^Invalid Free: Skipping\n(  .* is not below .*\n)?", re.M)


def steps_of(line: str) -> list[list[str]]:
    """The lines of each step of `glassheap ostep` that was made, without the options."""
    _, *steps = SKIPPED.sub("", ostep(line)).rstrip("\n").split("\n\n")
    return [step.split("\n") for step in steps]


def last_step(line: str) -> list[str]:
    """The lines that --explain or --show adds to the last step, made or skipped."""
    lines = ostep(line).rstrip("\n").rpartition("\n\n")[2].split("\n")
    return [text for text in lines if text.startswith("  ")]


def random_line(seed: int, *, size: int | None = None) -> str:
    """Random options of a run, chosen so that many different events occur in it."""
    draw = random.Random(seed)
    options = {"-s": f"{seed}", "-p": draw.choice([*POLICIES]), "-l": draw.choice([*LIST_ORDERS])}
    options |= {"-S": draw.choice(["16", "40", "100", "256", "4096"]), "-n": "40"}
    options |= {"-H": draw.choice(["0", "4", "16"]), "-a": draw.choice(["-1", "4", "16"])}
    options |= {"-r": draw.choice(["8", "30", "200"])} | ({"-C": ""} if draw.random() < 0.5 else {})
    if draw.random() < 0.3:
        operations = [draw.choice(["+0", "+5", "+20", "-0", "-1", "-9"]) for _ in range(20)]
        options["-A"] = ",".join(operations)
    if size is not None:
        options["-S"] = f"{size}"
    return " ".join(f"{name} {value}" for name, value in options.items())


ELEMENT = re.compile(r"addr:(\d+) sz:(\d+)")
VISIT = re.compile(r"  \[(\d+)\] addr:(\d+) sz:(\d+) +(refused|chosen): .+")


def elements(line: str) -> list[tuple[int, int]]:
    return [(int(addr), int(sz)) for addr, sz in ELEMENT.findall(line)]


@pytest.mark.parametrize("seed", range(60))
def test_explanations_and_maps_do_not_change_the_programs_own_lines(seed: int) -> None:
    line = random_line(seed)
    answers = ostep(f"{line} -c")
    for extra in ("--explain", "--show", "-c --explain --show"):
        lines = ostep(f"{line} {extra}").splitlines(keepends=True)
        assert "".join(line for line in lines if not line.startswith("  ")) == answers


@pytest.mark.parametrize("seed", range(60))
def test_an_explanation_agrees_with_the_run(seed: int) -> None:
    """It names each searched element in list order, and at most one choice, which is the block."""
    line = random_line(seed)
    size, header = (int(re.findall(f"-{option} ([0-9]+)", line)[0]) for option in "SH")
    header = 0 if "-A" in line else header
    before = [(1000, size)]
    for lines in steps_of(f"{line} --explain"):
        after = next(elements(line) for line in lines if line.startswith("Free List"))
        explanation = [line for line in lines if line.startswith("  ")]
        if match := re.search(r"returned (-?\d+) \(searched (\d+)", lines[0]):
            check_allocation(explanation, int(match[1]) - header, int(match[2]), before, after)
        elif lines[1] == "returned 0":
            check_free(explanation, before, after)
        else:
            assert before == after
            assert "nothing has changed" in explanation[-1]
        before = after


def check_allocation(
    explanation: list[str], block: int, searched: int,
    before: list[tuple[int, int]], after: list[tuple[int, int]],
) -> None:  # fmt: skip
    visits = [match for match in map(VISIT.fullmatch, explanation) if match]
    assert [(int(visit[2]), int(visit[3])) for visit in visits] == before[:searched]
    chosen = [int(visit[2]) for visit in visits if visit[4] == "chosen"]
    assert chosen == ([] if block == -1 else [block])
    assert ("elements are not searched" in "".join(explanation)) == (len(before) - searched > 1)
    assert explanation[-1].startswith("  fails") == (block == -1)
    if block == -1:
        assert before == after
    if "stays at its place" in explanation[-1]:
        (rest,) = elements(explanation[-1])
        assert rest in after
        assert (rest in before) == explanation[0].startswith("  needs 0 bytes")


def check_free(
    explanation: list[str], before: list[tuple[int, int]], after: list[tuple[int, int]]
) -> None:
    """Undo the explained merges and remove the freed element: the result is the list before."""
    undone = list(after)
    for line in explanation:
        if line.startswith("  merges addr"):
            *pieces, whole = elements(line)
            assert whole == (pieces[0][0], sum(sz for _, sz in pieces))
            undone.remove(whole)
            undone += pieces
    (freed,) = elements(explanation[0])
    undone.remove(freed)
    assert sorted(undone) == sorted(before)


EXPLAINED = """\
-p BEST -H 4 -a 4 -A +6,+6,+6,+6,-0,-2,+5
  needs 12 bytes: asked for 5, rounded up to 8, a multiple of 4, and 4 of header
  [0] addr:1000 sz:12  chosen: the smallest that is large enough, an exact fit
  [1] addr:1024 sz:12  refused: large enough, but [0] has the same size and is earlier in the list
  [2] addr:1048 sz:52  refused: large enough, but [0] is smaller
  takes the whole of [0], which leaves the list
-p WORST -A +6,+6,-0,+9
  needs 9 bytes: asked for 9
  [0] addr:1000 sz:6   refused: 3 bytes too small
  [1] addr:1012 sz:88  chosen: the largest
  splits [1]: takes 9 bytes at 1012; addr:1021 sz:79 stays at its place in the list
-p FIRST -A +6,+6,-0,+2
  needs 2 bytes: asked for 2
  [0] addr:1000 sz:6  chosen: the first that is large enough
  the search ends here: 1 element is not searched
  splits [0]: takes 2 bytes at 1000; addr:1002 sz:4 stays at its place in the list
-S 12 -A +4,+4,+4,-0,-2,+5
  needs 5 bytes: asked for 5
  [0] addr:1000 sz:4  refused: 1 byte too small
  [1] addr:1008 sz:4  refused: 1 byte too small
  fails, because no element is large enough (though all together have 8 bytes): returns -1;
    nothing has changed
-S 4 -A +4,+5
  needs 5 bytes: asked for 5
  fails, because the list is empty: returns -1; nothing has changed
-S 8 -H 8 -n 1
  needs 11 bytes: asked for 3, and 8 of header
  [0] addr:1000 sz:8  refused: 3 bytes too small
  fails, because no element is large enough (all together have 8 bytes): returns -1, printed as 7
    because the header is added to it; nothing has changed
-A +4,+4,-0
  frees addr:1000 sz:4
  the list is sorted by address, which puts it at place [0] of 2
  coalescing is off: nothing is merged
-C -A +4,+4,-0,-1
  frees addr:1004 sz:4
  the list is sorted by address, which puts it at place [1] of 3
  merges addr:1000 sz:4 + addr:1004 sz:4 + addr:1008 sz:92 = addr:1000 sz:100
-C -l INSERT-FRONT -S 8 -A +4,+4,-0,-1
  frees addr:1004 sz:4
  it goes to the front of the list, which is place [0] of 2
  merges nothing: no element ends where the next one in the list begins
  does not merge addr:1000 sz:4 and addr:1004 sz:4, which are adjacent: the first is not directly
    before the second in the list
-l SIZESORT+ -p FIRST -S 20 -A +4,+6,+10,-0,-1,+5,-2
  frees addr:1010 sz:10
  the list is sorted by size, smallest first, which puts it at place [2] of 3; elements split
    since the last sort change places too
  coalescing is off: nothing is merged
-A +4,-0,-0
  ptr[0] was freed before; returns -1, and nothing has changed
-S 4 -A +9,+4,-0
  ptr[0] has no block: its allocation failed; returns -1, and nothing has changed
-l INSERT-BACK -p FIRST -S 4 -A +4,-0,+4,-0
  ptr[0] was freed before, and its address was reused: this frees addr:1000 sz:4, the block of
    ptr[1]
  it goes to the back of the list, which is place [0] of 1
  coalescing is off: nothing is merged
-A +4,-1
  1 is not below 1: 1 allocation has succeeded so far
"""
"""Arguments, and the explanation of their last step; a sentence may go on in an indented line."""


@pytest.mark.parametrize("example", re.split(r"\n(?=-)", EXPLAINED.replace("\n    ", " ")))
def test_the_last_step_has_exactly_this_explanation(example: str) -> None:
    line, *sentences = example.splitlines()
    assert last_step(f"{line} --explain") == sentences


# --- The map --------------------------------------------------------------------------------------
def test_the_map_of_a_small_region_is_exact() -> None:
    shown = steps_of("-S 60 -H 2 -a 4 -A +5,+4,-0,+2 --show")
    assert shown[0][2:] == [
        "  1000  ██▒▒▒▒▒░░░○·······································",
        "        0",
        "  1050  ··········",
        "        a cell is 1 byte:   █ header   ▒ payload   ░ rounding",
        "        ○ start of a free element   · free   0 the number of a block's ptr",
    ]
    assert shown[-1][2:] == [
        "  1000  ██▒▒░░○···██▒▒▒▒○·································",
        "        2         1",
        "  1050  ··········",
    ]


@pytest.mark.parametrize(
    ("line", "drawing"),
    [
        # Without headers adjacent blocks and free elements are distinguishable.
        ("-S 20 -A +4,+5,+3,+4,-2,-3", ["  1000  ▒▒▒▒▓▓▓▓▓○··○···○···", "        0   1"]),
        # Numbers of blocks are printed only where they do not run together.
        ("-S 20 -A +1,+1,+2,+1", ["  1000  ▒▓▒▒▓○··············", "          2"]),
        # A page with headers of 16 has 256 cells of 16 bytes; the rounding is in the last one.
        (
            "-S 4096 -b 0 -H 16 -a 16 -A +100",
            ["  0     █▒▒▒▒▒▒░○" + "·" * 41, "        0"]
            + [f"  {800 * row:<6}{'·' * 50}" for row in range(1, 5)]
            + ["  4000  ······", "        a cell is 16 bytes:   █ header   ▒ payload   ░ rounding"],
        ),
        # Any other large region is shaded.
        ("-S 4096 -A +1000,+7,-0", ["  1000  " + "·" * 50, "  1800  " + "·" * 12 + "▒" + "·" * 37]),
        # The last cell of a shaded map can be smaller, and full.
        (
            "-S 4100 -A +4100",
            [f"  {1000 + 800 * row}  {'█' * 50}" for row in range(5)]
            + ["  5000  " + "█" * 7, "        a cell is 16 bytes:   · all free   ░ up to 1/3 live"],
        ),
    ],
)
def test_the_map_of_the_last_step(line: str, drawing: list[str]) -> None:
    lines = last_step(f"{line} --show")[: len(drawing)]
    assert [text[: len(end)] for text, end in zip(lines, drawing, strict=True)] == drawing


def test_an_empty_and_a_huge_region_can_be_drawn() -> None:
    assert ostep("-S 0 -A +0,+1,-0 --show").count("Free List") == 3
    for lines in steps_of(f"-S {2**62} -A +5,+99999999999999,-0 --show"):
        drawing = [line for line in lines if line.startswith("  ")]
        assert len(drawing) >= 6
        assert max(map(len, drawing)) <= 80


@pytest.mark.parametrize("seed", range(30))
def test_the_cells_of_an_exact_map_add_up_to_the_region(seed: int) -> None:
    for lines in steps_of(f"{random_line(seed, size=100)} --show"):
        listed = next(elements(line) for line in lines if line.startswith("Free List"))
        cells = "".join(line[8:] for line in lines if re.match(r"  1\d{3}  ", line))
        if not cells:
            continue
        assert len(cells) == 100
        free = {byte for addr, sz in listed for byte in range(addr - 1000, addr - 1000 + sz)}
        assert {index for index, sign in enumerate(cells) if sign in "○·"} == free
        starts = {addr - 1000 for addr, sz in listed if sz}
        assert {index for index, sign in enumerate(cells) if sign == "○"} == starts


def test_a_terminal_without_the_characters_of_the_map_gets_ascii() -> None:
    done = run("ostep", "-A", "+5", "--show", encoding="ascii")
    assert "  1000  #####o....." in done.stdout
