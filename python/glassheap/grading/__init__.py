"""Grades a student's malloc: a shared library plays recorded traces, and each answer is checked.

The library may do anything: crash, hang, exit, write anywhere.  So the grading process never loads
it.  Each trace has a child process of its own, which loads the library, plays the trace, and writes
its findings to a file.  The two share a page in which the child notes the operation that runs, so
that a crash or a hang can be named.

    this process                      the child
    grader.py   every trace in turn
    running.py  starts a child, and   child.py     does one job
                names its end         library.py   the functions of the library
                                      checking.py  plays a trace, and checks every answer
                                      blocks.py    which blocks live, and where
                                      pattern.py   the bytes in the payloads
                                      timing.py    plays a trace in C++, and takes the time
    report.py   the figures and the score
    table.py    their text
    rules.py    a trace of the calls that few traces make
                job.py: what both sides know

The child is no sandbox: the library has the rights of the user who grades it.
"""

from __future__ import annotations

from glassheap.grading.grader import grade
from glassheap.grading.job import Breach, LibraryError, Names
from glassheap.grading.report import Grade, TraceGrade

__all__ = ["Breach", "Grade", "LibraryError", "Names", "TraceGrade", "grade"]
