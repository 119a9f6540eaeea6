#!/usr/bin/env bash
# Installs the servers of Debian's packages where it may, then deploys to each of them below folders of the tests' own.
# Arguments go to vitest.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/debian.sh
export PATH="$PATH:/usr/sbin:/sbin"
# A server may come in several packages.
declare -A package=([nginx]=nginx [haproxy]=haproxy [apache2]=apache2 [postfix]=postfix [dovecot]='dovecot-imapd dovecot-pop3d' [caddy]=caddy [keytool]=default-jre-headless [pk12util]=libnss3-tools [sshd]=openssh-server [ssh]=openssh-client [faketime]=faketime [ip]=iproute2)
missing=()
note_missing "${!package[@]}"
# Somebody's Dovecot may speak IMAP alone.
[ -e /usr/lib/dovecot/pop3-login ] || [[ " ${missing[*]} " == *' dovecot-pop3d '* ]] || missing+=(dovecot-pop3d)
if [ ${#missing[@]} -gt 0 ] && may_install; then install_debian "${missing[@]}"; fi
venv=.build/targets
if ! cmp -s test/targets/requirements.txt "$venv/installed.txt" && python3 -c 'import ensurepip, venv' 2>/dev/null; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r test/targets/requirements.txt
  cp test/targets/requirements.txt "$venv/installed.txt"
fi
node_modules/.bin/vitest run --config vitest.targets.config.ts "$@"
