# shellcheck shell=bash
# The requirements of tests/run: a C++ compiler, a complete Python, GoogleTest. A missing package is
# installed where that needs no password; otherwise a message says what to install. tests/run and
# tests/fuzz/run source this file, which only defines functions.

compiler=${CXX:-c++}

complain() {
  printf 'tests/run: %s\n' "$*" >&2
}

# Installs system packages. Fails where that needs a password, or without apt-get.
apt_install() {
  command -v apt-get >/dev/null || return 1
  local as_root=(env DEBIAN_FRONTEND=noninteractive)
  if [[ $(id -u) != 0 ]]; then
    sudo -n true 2>/dev/null || return 1
    as_root=(sudo -n "${as_root[@]}")
  fi
  echo "Installing with apt-get: $*"
  "${as_root[@]}" apt-get install -qq -y "$@" >/dev/null 2>&1 ||
    { "${as_root[@]}" apt-get update -qq &&
      "${as_root[@]}" apt-get install -qq -y "$@" >/dev/null; }
}

need_compiler() {
  command -v "$compiler" >/dev/null && return
  complain "There is no C++ compiler '$compiler'. Install one with C++20 (Debian: g++)," \
    "or set CXX to one."
  return 1
}

need_gtest() {
  need_compiler
  printf '#include <gtest/gtest.h>\n' | "$compiler" -x c++ -E - >/dev/null 2>&1 && return
  apt_install libgtest-dev && return
  complain "GoogleTest is not installed. CMake will try to download it. If that fails," \
    "install libgtest-dev (Debian, Ubuntu), gtest-devel (Fedora) or googletest (Homebrew)."
}

# True if $1 is a Python interpreter of version $2, or of any version from 3.10 on if $2 is empty.
is_python() {
  "$1" - "$2" 2>/dev/null <<'PYTHON'
import sys
found = "%d.%d" % sys.version_info[:2]
sys.exit(sys.version_info < (3, 10) or sys.argv[1] not in ("", found))
PYTHON
}

find_python() {
  local wanted=$1 version=$1 candidate
  [[ $wanted =~ ^3\.[0-9]+$ ]] || version=
  local candidates=(python3 python3.13 python3.12 python3.11 python3.10)
  [[ -z $wanted ]] || candidates=("$wanted" "python$wanted" python3)
  [[ -z $version ]] || candidates+=("${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python)
  for candidate in "${candidates[@]}"; do
    is_python "$candidate" "$version" || continue
    "$candidate" -c 'import sys; print(sys.executable)'
    return
  done
  complain "Python ${wanted:-3.10 or newer} was not found. Choose one: tests/run --python PATH."
  return 1
}

# Debian has parts of Python in separate packages.
need_python_parts() {
  "$python" -c 'import ensurepip, venv' 2>/dev/null || apt_install "python$version-venv" || {
    complain "Python's venv module is missing. Install it (Debian: python$version-venv)."
    return 1
  }
  local headers
  headers=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
  [[ -f $headers/Python.h ]] || apt_install "python$version-dev" || {
    complain "Python's headers are missing. Install them (Debian: python$version-dev)."
    return 1
  }
}
