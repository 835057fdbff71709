#!/bin/sh
# Every check and test. `test.sh quick` stops after the static checks.
set -eu
cd "$(dirname "$0")/.."
export PATH="$(pwd)/.venv/bin:$PATH"
unset PYTHONDONTWRITEBYTECODE # the tests start the stack many times: compile it once
said=$(mktemp -d)
beside=""
trap '[ -z "$beside" ] || kill $beside 2>/dev/null || true; rm -rf "$said"' EXIT

# What takes long runs beside the rest and is told when it ends: aside NAME COMMAND..., then told NAME.
aside() {
  name=$1
  shift
  { "$@" >"$said/$name" 2>&1 && echo 0 || echo 1; } >"$said/$name.code" &
  beside="$beside $!"
  eval "$name=$!"
}
told() {
  eval "wait \$$1"
  cat "$said/$1"
  [ "$(cat "$said/$1.code")" = 0 ]
}

echo "== format, lint, types, layers"
aside types basedpyright --level error src
[ "${1:-}" = quick ] || aside tools sh tools/test-tools.sh
ruff format --check -q .
ruff check -q .
aside layers lint-imports --no-cache
told layers
told types
if [ "${1:-}" = quick ]; then exit 0; fi

echo "== tools of the tests: a browser and independent clients"
told tools
beside=""

echo "== tests"
# A worker for each core; a file stays with one worker, because its tests share a stack.
python -m pytest -n auto --dist loadfile --no-loadscope-reorder "$@"
