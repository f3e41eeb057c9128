"""Finds the program that a command names, and why it could not be recorded.

The dynamic loader loads the recorder before all other libraries.  It does not do so for a program
that runs with more rights than its user has, and a static program has no loader.
"""

from __future__ import annotations

import os
import shutil
import stat
import sysconfig

from glassheap.recording import elf

NOT_RECORDABLE, NOT_EXECUTABLE, NOT_FOUND = 2, 126, 127
"""Exit statuses; those of a program that cannot be started are those of env, nice and timeout."""

MOST_INTERPRETERS = 4
"""Scripts that the kernel follows from one to the other."""


class ProgramError(Exception):
    """The program cannot be started or recorded.  The message is one sentence."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def find(command: str) -> str:
    """The path of a command.  Raises `ProgramError` if and only if it cannot be started."""
    path = command if os.sep in command else shutil.which(command)
    if path is None:
        raise ProgramError(f"there is no command '{command}' in PATH", NOT_FOUND)
    if not os.path.exists(path):
        raise ProgramError(f"there is no program {path}", NOT_FOUND)
    if os.path.isdir(path) or not os.access(path, os.X_OK):
        raise ProgramError(f"{path} is no program that may be executed", NOT_EXECUTABLE)
    return path


def check(path: str, recorder: str) -> None:
    """Raise `ProgramError` if and only if the recorder cannot be loaded into a program.

    A program that may not be read is not checked.
    """
    try:
        program = interpreter(path)
        found = elf.read(program)
    except PermissionError:
        return
    if found is None:
        message = f"{program} is neither a program in ELF nor a script that begins with #!"
        raise ProgramError(message, NOT_EXECUTABLE)
    if reason := obstacle(program, found, recorder):
        raise ProgramError(f"{program} cannot be recorded: {reason}", NOT_RECORDABLE)


def interpreter(path: str) -> str:
    """The program that runs a script, or the program itself."""
    for _ in range(MOST_INTERPRETERS):
        with open(path, "rb") as file:
            line = file.readline(256)
        words = line[2:].split(maxsplit=1)
        if not line.startswith(b"#!") or not words:
            break
        path = find(os.fsdecode(words[0]))
    return path


def obstacle(path: str, program: elf.Program, recorder: str) -> str:
    """Why the recorder cannot be loaded into a program, or ""."""
    own = elf.read(recorder)
    if own is None or program.kind != own.kind:
        return "it is for another architecture than the recorder of this glassheap"
    if program.cut_off:
        return "its file is cut off; expected a whole program"
    if not program.loader:
        return "it is linked statically, and so has a malloc of its own"
    if is_musl(program.loader) != is_musl(sysconfig.get_config_var("HOST_GNU_TYPE") or ""):
        return f"it is for another C library ({program.loader}) than this Python"
    if gains_rights(path):
        return "it runs with more rights than you have (set-uid, set-gid or capabilities)"
    return ""


def is_musl(name: str) -> bool:
    """True if the path of a loader, or the name of a platform, is musl's."""
    return "musl" in name


def gains_rights(path: str) -> bool:
    """True if the program runs with rights that its user has not."""
    status = os.stat(path)
    if os.statvfs(path).f_flag & os.ST_NOSUID:
        return False
    other_user = status.st_mode & stat.S_ISUID and status.st_uid != os.getuid()
    other_group = status.st_mode & stat.S_ISGID and status.st_gid != os.getgid()
    return bool(other_user or other_group) or (os.getuid() != 0 and has_capabilities(path))


def has_capabilities(path: str) -> bool:
    """True if the file of the program gives it capabilities."""
    try:
        return bool(os.getxattr(path, "security.capability"))
    except OSError:  # it has none, or its file system knows none
        return False
