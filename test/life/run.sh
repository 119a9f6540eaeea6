#!/usr/bin/env bash
# A whole life: certificates of six minutes that renew themselves on nginx and HAProxy for fifteen. LIFE_RENEWALS=1 for a short look.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/debian.sh
export PATH="$PATH:/usr/sbin:/sbin"
for server in nginx haproxy; do
  if ! command -v "$server" >/dev/null; then
    may_install || { echo "$server is not installed" >&2; exit 1; }
    install_debian "$server"
  fi
done
node_modules/.bin/vitest run --config vitest.life.config.ts "$@"
