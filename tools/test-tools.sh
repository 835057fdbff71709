#!/bin/sh
# What the tests drive besides Python: Debian's Chromium, and clients from npm. Installs what is missing.
set -eu
cd "$(dirname "$0")/.."
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null 2>&1; then sudo -n "$@"; else return 1; fi
}
wanted=""
command -v chromium >/dev/null 2>&1 || wanted="$wanted chromium"
command -v node >/dev/null 2>&1 || wanted="$wanted nodejs"
command -v npm >/dev/null 2>&1 || wanted="$wanted npm"
command -v pdftoppm >/dev/null 2>&1 || wanted="$wanted poppler-utils"
command -v softhsm2-util >/dev/null 2>&1 || wanted="$wanted softhsm2"
command -v ip >/dev/null 2>&1 || wanted="$wanted iproute2"
if [ -n "$wanted" ]; then
  echo "Installing$wanted ..."
  # shellcheck disable=SC2086
  (as_root apt-get update -qq && as_root apt-get install -y -qq --no-install-recommends $wanted) >/dev/null 2>&1 || {
    echo "Could not install$wanted. Run as an administrator: apt install$wanted" >&2
    exit 1
  }
fi
stamp=tests/js/node_modules/.stamp
if [ -f tests/js/package-lock.json ] && [ ! "$stamp" -nt tests/js/package-lock.json ]; then
  (cd tests/js && npm ci --silent --no-audit --no-fund && touch node_modules/.stamp)
fi
