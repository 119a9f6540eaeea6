#!/usr/bin/env bash
# Installs the pinned emulator beside the build, then deploys to it with the real CDK CLI. Arguments go to vitest.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/debian.sh
declare -A package=()
missing=()
note_missing lego openssl
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
if [ ${#missing[@]} -gt 0 ] && may_install; then install_debian "${missing[@]}"; fi
venv=.build/emulator
if ! cmp -s test/deploy/requirements.txt "$venv/installed.txt"; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r test/deploy/requirements.txt
  cp test/deploy/requirements.txt "$venv/installed.txt"
fi
exec node_modules/.bin/vitest run --config vitest.deploy.config.ts "$@"
