#!/usr/bin/env bash
# Print a usable Python 3.11 or 3.12, or say what this machine lacks and how to
# get it. Usage: check_machine.sh [PYTHON]
set -euo pipefail

fail() {
    echo "error: $1" >&2
    exit 1
}

# Runs each candidate: a version manager's shim is found but may not run.
is_supported() {
    "$1" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' \
        >/dev/null 2>&1
}

python=''
for candidate in ${1:-python3.11 python3.12 python3 python}; do
    if is_supported "$candidate"; then
        python=$candidate
        break
    fi
done
[[ -n $python ]] || fail "no Python 3.11 or 3.12 among: ${1:-python3.11 python3.12 \
python3 python}. Install one (Debian, Ubuntu: sudo apt install python3.11 \
python3.11-venv python3.11-dev) or name it: make env PYTHON=/path/to/python3.11"

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "$python can't create virtual environments. Debian, Ubuntu: sudo apt \
install python$version-venv"
"$python" -c 'import os, sysconfig as s, sys
sys.exit(not os.path.exists(os.path.join(s.get_paths()["include"], "Python.h")))' ||
    fail "$python has no C headers (Python.h), which mmcv is compiled with. \
Debian, Ubuntu: sudo apt install python$version-dev"
command -v "${CXX:-c++}" >/dev/null ||
    fail "no C++ compiler (${CXX:-c++}), which mmcv is compiled with. Debian, \
Ubuntu: sudo apt install build-essential"

"$python" -c 'import sys; print(sys.executable)'
