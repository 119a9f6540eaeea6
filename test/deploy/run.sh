#!/usr/bin/env bash
# Installs the pinned emulator beside the build, then deploys to it with the real CDK CLI. Arguments go to vitest.
set -euo pipefail
cd "$(dirname "$0")/../.."
missing=()
for tool in lego openssl; do command -v "$tool" >/dev/null || missing+=("$tool"); done
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
if [ ${#missing[@]} -gt 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
venv=.build/emulator
if ! cmp -s test/deploy/requirements.txt "$venv/installed.txt"; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r test/deploy/requirements.txt
  cp test/deploy/requirements.txt "$venv/installed.txt"
fi
exec node_modules/.bin/vitest run --config vitest.deploy.config.ts "$@"
