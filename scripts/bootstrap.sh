#!/bin/sh
# Finds a Python that this project runs on (3.11 or 3.12, PYTHON overrides) and lets it build the environments named.
set -eu
cd "$(dirname "$0")/.."

# A name on the PATH may be a dead shim, so each candidate has to answer.
fits() { "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' >/dev/null 2>&1; }

for candidate in ${PYTHON:-python3.11 python3.12 python3 python}; do
    if fits "$candidate"; then
        exec "$candidate" scripts/bootstrap.py "$@"
    fi
done
echo "paywright needs Python 3.11 or 3.12 with venv (Debian: python3 python3-venv), and found none." >&2
echo "Where it has another name: make setup PYTHON=/path/to/python3.11" >&2
exit 1
