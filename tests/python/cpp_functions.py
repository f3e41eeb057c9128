"""Find the functions of a C++ source and the lengths of their bodies.

It relies on the layout of clang-format: the closing brace of a body that has several lines stands
in a line of its own, indented like the first line of the function's head.
"""

from __future__ import annotations

import re

# Their contents may hold braces. The look-behind leaves the separators in 1'000'000 alone.
COMMENT_OR_LITERAL = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<!\w)'(?:\\.|[^'\\\n])+'""",
    re.DOTALL,
)
DIRECTIVE = re.compile(r"^[ \t]*#(?:.*\\\n)*.*", re.MULTILINE)
# A concept, or a type or namespace: its head has no parentheses, but for those of an attribute.
NOT_A_FUNCTION = re.compile(r"\bconcept\b|\b(?:class|struct|union|enum|namespace)\b[^()]*$")
ATTRIBUTE = re.compile(r"\b(?:alignas|requires)\s*\((?:[^()]|\([^()]*\))*\)")


def function_lengths(source: str) -> list[tuple[str, int]]:
    """Head and lines of code of the body of each function; comments and blank lines do not count.

    Raises ValueError if a body has no end.
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
