#!/bin/sh
# Lock all dependencies with hashes, without the address of any registry. Needs `uv` on the path.
set -eu
cd "$(dirname "$0")/.."
lock() {
    out=$1
    shift
    uv pip compile "$@" --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate --no-emit-index-url --quiet --output-file "requirements/$out"
}
lock run.lock pyproject.toml --extra geo --group build
lock pages.lock --group pages
lock test.lock pyproject.toml --extra geo --extra postgres --group build --group test --group lint
if grep -nE 'https?://' requirements/*.lock; then
    echo "A lock file carries an address." >&2
    exit 1
fi
