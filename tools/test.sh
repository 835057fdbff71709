#!/bin/sh
# Every check and test. `test.sh quick` stops after the static checks.
set -eu
cd "$(dirname "$0")/.."
export PATH="$(pwd)/.venv/bin:$PATH"
unset PYTHONDONTWRITEBYTECODE # the tests start the stack many times: compile it once

echo "== format, lint, types, layers"
ruff format --check -q .
ruff check -q .
basedpyright --level error src
lint-imports --no-cache 2>&1 | tail -n 3
if [ "${1:-}" = quick ]; then exit 0; fi

echo "== tools of the tests: a browser and independent clients"
sh tools/test-tools.sh

echo "== tests"
# A worker for each core; a file stays with one worker, because its tests share a stack.
exec python -m pytest -n auto --dist loadfile --no-loadscope-reorder "$@"
