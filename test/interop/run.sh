#!/usr/bin/env bash
# Installs certbot and lego from Debian where that is possible, then drives them against a platform of the tests' own.
# Arguments go to vitest.
set -euo pipefail
cd "$(dirname "$0")/../.."
missing=()
for tool in certbot lego openssl; do command -v "$tool" >/dev/null || missing+=("$tool"); done
if [ ${#missing[@]} -gt 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
exec node_modules/.bin/vitest run --config vitest.interop.config.ts "$@"
