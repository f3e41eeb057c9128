"""The documentation of the package is complete and its examples run."""

from __future__ import annotations

import doctest
import importlib.metadata
import inspect
import re
from typing import TYPE_CHECKING

import pytest

import glassheap
from command_helpers import printed
from source_tree import SOURCE_TREE, code_blocks

if TYPE_CHECKING:
    from pathlib import Path

README = SOURCE_TREE / "README.md"
README_TEXT = README.read_text(encoding="utf-8")
PAGES = [README, *sorted((README.parent / "docs").glob("*.md"))]

CLASSES = [glassheap.Heap, glassheap.SharedHeap, glassheap.Block, glassheap.HeapStats]
PUBLIC = {name: getattr(glassheap, name) for name in glassheap.__all__ if name != "__version__"}
PUBLIC_CLASSES = {name: value for name, value in PUBLIC.items() if inspect.isclass(value)}
ERRORS = {name for name, cls in PUBLIC_CLASSES.items() if issubclass(cls, Exception)}
MEMBERS = {
    f"{cls.__name__}.{name}": getattr(member, "__func__", member)  # there if the method is static
    for cls in CLASSES
    for name, member in vars(cls).items()
    if not name.startswith("_")
}
METHODS = [name for name, member in MEMBERS.items() if callable(member)]


def documentation(name: str) -> str:
    return inspect.cleandoc(getattr(MEMBERS[name], "__doc__", None) or "")


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_a_description(name: str) -> None:
    first = inspect.cleandoc(PUBLIC[name].__doc__).splitlines()[0]
    assert first.endswith("."), first
    assert first[0].isupper()
    assert len(first) <= 110


@pytest.mark.parametrize("name", [n for n in MEMBERS if not n.startswith("HeapStats")])
def test_every_public_member_has_a_description(name: str) -> None:
    text = documentation(name)
    assert re.match(r"[A-Z].*", text), f"{name} has no description"
    assert text.endswith((".", ")."))


BUILTIN = {"BufferError", "ImportError", "TypeError", "ValueError"}
BUILTIN |= {"OSError", "FileExistsError", "FileNotFoundError"}
USES_MEMORY = [name for name in MEMBERS if re.match(r"(Shared)?Heap\.", name)]


@pytest.mark.parametrize("name", [name for name in USES_MEMORY if callable(MEMBERS[name])])
def test_every_method_documents_its_exceptions(name: str) -> None:
    """By names of existing exceptions, or by reference: `what malloc raises`."""
    text = documentation(name)
    raises = text[text.index("aises ") :]
    named = set(re.findall(r"\b[A-Z][a-z]+[A-Z]\w+\b", raises))
    assert named <= ERRORS | BUILTIN, named - ERRORS
    assert named or re.search(r"what \w+ raises", raises)


@pytest.mark.parametrize("name", METHODS)
def test_an_error_is_documented_by_its_exact_condition(name: str) -> None:
    """The class says when HeapClosed and HeapDamaged are raised, for all of its methods."""
    raises = documentation(name).rpartition("Raises ")[2]
    for error in ("HeapClosed", "HeapDamaged"):
        raises = raises.replace(error, "")
    assert not re.search(r"\b[A-Z][a-z]+[A-Z]\w+", raises) or "if and only if" in raises, raises


WITH_UNITS = ["malloc", "calloc", "realloc", "alloc", "malloc_many", "usable_size", "view", "copy"]
WITH_UNITS += ["available_memory", "largest_free", "own_memory", "free_list", "walk", "stats"]


@pytest.mark.parametrize("name", [*WITH_UNITS, "array", "size", "headers", "hexdump", "over"])
def test_sizes_are_documented_with_their_unit(name: str) -> None:
    assert re.search(r"\bbytes?\b", documentation(f"Heap.{name}"), re.IGNORECASE)


@pytest.mark.parametrize("name", [n for n in METHODS if n.startswith(("Heap.", "Sh", "Block."))])
def test_the_complexity_is_documented(name: str) -> None:
    text = " ".join(documentation(name).split())
    assert re.search(r"O\(\w+.*\)|as long as", text, re.IGNORECASE)


def test_every_field_of_the_statistics_has_a_description() -> None:
    """In the source, below the field: there are no docstrings of fields at run time."""
    source = inspect.getsource(glassheap.HeapStats)
    for name in inspect.get_annotations(glassheap.HeapStats):
        assert re.search(rf'    {name}: \w+(?: = 0)?\n    """[A-Z1][^"]+\."""', source), name


# --- The README and the pages ---------------------------------------------------------------------
def addresses(text: str) -> list[str]:
    """The addresses of the links and pictures in a text in Markdown."""
    return re.findall(r"\]\(([^)]+)\)", text)


def test_the_readme_says_which_python_to_start_before_its_first_example() -> None:
    """That of the environment into which its first command installs the package."""
    (folder,) = re.findall(r"^python3 -m venv (\S+) && ", README_TEXT, re.M)
    before, example, _ = README_TEXT.partition("```python\nimport glassheap\n")
    assert before.endswith(f"Start that one:\n\n```sh\n{folder}/bin/python\n```\n\n")
    assert example


def test_the_picture_and_every_page_that_the_readme_leads_to_are_there() -> None:
    assert "docs/map.svg" in addresses(README_TEXT)
    for address in addresses(README_TEXT):
        assert (README.parent / address).exists(), address


@pytest.mark.any_interpreter
def test_the_recording_in_the_readme_is_explained_as_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Line by line; the number of the thread is another one each time."""
    monkeypatch.chdir(tmp_path)
    (block,) = (block for block in code_blocks(README, "python") if "record=" in block)
    exec(block, {"glassheap": glassheap})
    (shown,) = re.findall(r"^```\n(app\.trace .*?)^```", README_TEXT, re.M | re.S)
    expected = [re.sub(r"thread \d+", "thread", line) for line in shown.splitlines()]
    printed_lines = re.sub(r"thread \d+", "thread", printed("why", "app.trace")).splitlines()
    assert [line for line in expected if line != "..." and line not in printed_lines] == []


def test_the_description_in_the_metadata_has_no_picture_and_no_link_that_leads_nowhere() -> None:
    """An index of packages shows the README without the files beside it."""
    text = importlib.metadata.metadata("glassheap")["Description"]
    assert text.startswith("# glassheap\n\nA real heap in a glass box")
    assert "[docs/shared.md]" not in text
    assert "docs/shared.md" in text
    assert [address for address in addresses(text) if not address.startswith("https://")] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In their order, in one session. An interactive example must print the text on the page."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for number, block in enumerate(code_blocks(page, "python")):
        if block.lstrip().startswith(">>>"):
            example = doctest.DocTestParser().get_doctest(block, names, page.stem, page.name, 0)
            runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
            runner.run(example, clear_globs=False)
            assert runner.summarize(verbose=False).failed == 0, capsys.readouterr().out
            names.update(example.globs)
        else:
            exec(compile(block, f"{page.name}, Python block {number + 1}", "exec"), names)
