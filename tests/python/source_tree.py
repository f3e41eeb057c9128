"""The texts of the source tree, the code on its pages, and the lengths of its functions."""

from __future__ import annotations

import ast
import re
from pathlib import Path

SOURCE_TREE = Path(__file__).resolve().parents[2]
CPP = (".c", ".h", ".cpp", ".hpp")
Sources = dict[str, str]
"""Texts by path."""


def sources(*roots: str, suffixes: tuple[str, ...] = CPP) -> Sources:
    """The texts of all files below these folders with these suffixes, by path."""
    files = [file for root in roots for file in sorted((SOURCE_TREE / root).rglob("*.*"))]
    found = {
        file.relative_to(SOURCE_TREE).as_posix(): file.read_text("utf-8")
        for file in files
        if file.suffix in suffixes
    }
    assert found
    return found


def code_blocks(page: Path, language: str) -> list[str]:
    """The blocks of code in this language on a page in Markdown."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)


def function_lengths(path: str, text: str) -> list[tuple[str, int]]:
    """Name and lines of code of the body of each function; comments do not count."""
    return python_functions(text) if path.endswith(".py") else cpp_functions(text)


def python_functions(source: str) -> list[tuple[str, int]]:
    """The functions of a Python source; docstrings do not count."""
    lines = source.splitlines()
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            statements = node.body[ast.get_docstring(node) is not None :]
            first = statements[0].lineno - 1 if statements else node.end_lineno
            body = lines[first : node.end_lineno]
            code = [line for line in body if not re.fullmatch(r"\s*(#.*)?", line)]
            found.append((node.name, len(code)))
    return found


# Their contents may hold braces. The look-behind leaves the separators in 1'000'000 alone.
COMMENT_OR_LITERAL = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<!\w)'(?:\\.|[^'\\\n])+'""",
    re.DOTALL,
)
DIRECTIVE = re.compile(r"^[ \t]*#(?:.*\\\n)*.*", re.MULTILINE)
# A concept, or a type or namespace: its head has no parentheses, but for those of an attribute.
NOT_A_FUNCTION = re.compile(r"\bconcept\b|\b(?:class|struct|union|enum|namespace)\b[^()]*$")
ATTRIBUTE = re.compile(r"\b(?:alignas|requires)\s*\((?:[^()]|\([^()]*\))*\)")


def cpp_functions(source: str) -> list[tuple[str, int]]:
    """The functions of a C++ source. Raises ValueError if a body has no end.

    It relies on the layout of clang-format: the closing brace of a body that has several lines
    stands in a line of its own, indented like the first line of the function's head.
    """
    text = DIRECTIVE.sub(blank, COMMENT_OR_LITERAL.sub(blank, source))
    lines = [line.rstrip() for line in text.split("\n")]
    found: list[tuple[str, int]] = []
    head: list[str] = []
    end = -1
    for number, line in enumerate(lines):
        if number <= end:
            continue  # in the body of the last function
        head = [*head, line] if line else []
        opened, _, body = " ".join(head).partition("{")
        if "(" in opened and not NOT_A_FUNCTION.search(ATTRIBUTE.sub("", opened)):
            if line.endswith("{"):
                indent = " " * (len(head[0]) - len(head[0].lstrip()))
                end = lines.index(indent + "}", number)
                found.append((opened.strip(), sum(map(bool, lines[number + 1 : end]))))
            elif line.endswith("}") and body:
                found.append((opened.strip(), int(body != "}")))
        if line.endswith(("{", "}", ";", ":")):
            head = []
    return found


def blank(match: re.Match[str]) -> str:
    """The line breaks of the matched text, so that the lines after it keep their numbers."""
    return "\n" * match[0].count("\n")
