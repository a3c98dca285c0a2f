#!/bin/sh
# Pin everything again from pyproject.toml: exact versions with hashes, and no host of any registry in the files.
set -eu
cd "$(dirname "$0")/.."
flags="--quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header"
uv pip compile $flags "$@" pyproject.toml -o requirements.txt
uv pip compile $flags "$@" pyproject.toml --group dev -c requirements.txt -o requirements-dev.txt
