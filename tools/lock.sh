#!/bin/sh
# Pin all packages with hashes, for every supported Python. The lock files name no registry.
set -eu
cd "$(dirname "$0")/.."
uv=.venv/bin/uv
compile() {
  "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
    --no-emit-index-url --no-emit-find-links --upgrade "$@"
}
compile --extra hsm --extra telemetry pyproject.toml -o requirements/run.lock
compile --constraint requirements/run.lock requirements/dev.in -o requirements/dev.lock
