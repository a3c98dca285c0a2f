#!/bin/sh
# Make .venv hold exactly what requirements-dev.txt pins. Quick when nothing changed; uses uv where it is installed.
set -eu
cd "$(dirname "$0")/.."

stamp=.venv/.installed
wanted=$(cksum < requirements-dev.txt)
if [ -x .venv/bin/python ] && [ "$(cat $stamp 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi

find_python() {
    for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    echo "Letterpace needs Python 3.11 or newer, and found none. Install it, or set PYTHON to its path." >&2
    exit 1
}

make_venv() {
    python=$(find_python)
    if command -v uv >/dev/null; then
        uv venv --quiet --clear --python "$python" .venv
    elif "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        "$python" -m venv --clear .venv
    else
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        echo "This Python can't make environments. Install uv, or the package python$version-venv:" >&2
        echo "    apt-get install python$version-venv" >&2
        exit 1
    fi
}

if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    make_venv
fi
if command -v uv >/dev/null; then
    uv pip install --quiet --python .venv/bin/python --require-hashes -r requirements-dev.txt
else
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --use-pep517 --require-hashes -r requirements-dev.txt
fi
echo "$wanted" > $stamp
