#!/bin/sh
# Every benchmark, one after the other; each prints ratios against a yardstick that it runs itself.
set -eu
cd "$(dirname "$0")/.."
export PYTHONPATH=src:.
for script in tests/bench/bench_*.py; do
  echo "== $(basename "$script" .py | sed 's/^bench_//')"
  .venv/bin/python "$script" ${BENCH_ARGS:-}
done
