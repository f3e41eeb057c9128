"""The examples of docs/shared.md run and print the documented output."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


def run(name: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        cwd=folder, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.stderr == ""
    return done


def test_the_workers_of_a_pool_share_one_array(tmp_path: Path) -> None:
    done = run("pool.py", folder=tmp_path)
    assert done.stdout == "the tasks say 2,500,000, and the array here 2,500,000\n"


def test_three_consumers_get_every_message_once_and_leave_no_block(tmp_path: Path) -> None:
    done = run("consumers.py", folder=tmp_path)
    assert done.stdout == "300 messages, sum 14850, 0 blocks left\n"


def test_a_cache_survives_a_kill_and_a_restart(tmp_path: Path) -> None:
    killed = run("cache.py", "cache.heap", "kill", folder=tmp_path)
    assert killed.returncode == -signal.SIGKILL
    for known in (10, 20):
        done = run("cache.py", "cache.heap", folder=tmp_path)
        assert done.stdout == f"{known} were known, 20 are now\n"


def test_every_example_is_named_on_the_page() -> None:
    page = (EXAMPLES.parent / "shared.md").read_text("utf-8")
    for example in EXAMPLES.glob("*.py"):
        assert f"(examples/{example.name})" in page
