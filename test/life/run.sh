#!/usr/bin/env bash
# A whole life: certificates of six minutes that renew themselves on nginx and HAProxy for fifteen. LIFE_RENEWALS=1 for a short look.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PATH:/usr/sbin:/sbin"
for server in nginx haproxy; do
  if ! command -v "$server" >/dev/null; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "$server is not installed" >&2; exit 1; }
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # The package's own service has nothing to do with the test.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
      printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
      chmod +x /usr/sbin/policy-rc.d
      trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    apt-get install -y -qq --no-install-recommends "$server" >/dev/null
  fi
done
node_modules/.bin/vitest run --config vitest.life.config.ts "$@"
