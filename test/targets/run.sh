#!/usr/bin/env bash
# Installs the servers of Debian's packages where it may, then deploys to each of them below folders of the tests' own.
# Arguments go to vitest.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PATH:/usr/sbin:/sbin"
declare -A package=([nginx]=nginx [haproxy]=haproxy [apache2]=apache2 [postfix]=postfix [dovecot]=dovecot-imapd [caddy]=caddy [keytool]=default-jre-headless [sshd]=openssh-server [ssh]=openssh-client)
missing=()
for server in "${!package[@]}"; do command -v "$server" >/dev/null || missing+=("${package[$server]}"); done
if [ ${#missing[@]} -gt 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # The packages' own services have nothing to do with the tests and must not take the ports.
  started=/usr/sbin/policy-rc.d
  if [ ! -e $started ]; then
    printf '#!/bin/sh\nexit 101\n' >$started
    chmod +x $started
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
node_modules/.bin/vitest run --config vitest.targets.config.ts "$@"
