#!/bin/sh
# Make .venv with the pinned packages: `env.sh run` for the product, `env.sh dev` for its tests as well.
set -eu
cd "$(dirname "$0")/.."
what=${1:-run}

python=""
for name in python3.13 python3.12 python3.11 python3; do
  if command -v "$name" >/dev/null 2>&1 &&
    "$name" -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' 2>/dev/null; then
    python=$name
    break
  fi
done
if [ -z "$python" ]; then
  echo "Python 3.11 or later is needed. On Debian or Ubuntu: apt install python3 python3-venv" >&2
  exit 1
fi

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null 2>&1; then sudo -n "$@"; else return 1; fi
}

if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
  echo "Making .venv with $python ..."
  rm -rf .venv
  if ! "$python" -m venv .venv >/dev/null 2>&1; then
    # Debian leaves venv out of its python3 package.
    echo "Installing python3-venv ..."
    rm -rf .venv
    (as_root apt-get update -qq && as_root apt-get install -y -qq python3-venv) >/dev/null 2>&1 || true
    "$python" -m venv .venv || {
      echo "Python lacks its venv module. Run: apt install python3-venv, then make again." >&2
      exit 1
    }
  fi
fi

install() {
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "requirements/$1.lock"
}

echo "Installing the pinned packages ($what) ..."
[ .venv/run.stamp -nt requirements/run.lock ] || install run # make has done it already when it wants `dev`
if [ "$what" = dev ]; then install dev; fi
# The package itself, from this checkout, so that a change is there at once.
echo "$(pwd)/src" >"$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')/msingi.pth"
printf '#!/bin/sh\nexec "%s/.venv/bin/python" -m msingi "$@"\n' "$(pwd)" >.venv/bin/msingi
chmod +x .venv/bin/msingi
touch .venv/run.stamp
if [ "$what" = dev ]; then touch .venv/dev.stamp; fi
