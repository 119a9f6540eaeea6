#!/usr/bin/env bash
# Installs certbot, lego, Caddy, Apache, the small ACME clients, Go and Erlang with their ACME libraries, Ansible, pebble, curl, wget, GnuTLS, NSS, Java, Botan, strongSwan's pki,
# nginx, HAProxy, stunnel and OpenVPN from Debian, a recent certbot, schemathesis and pkilint from PyPI where that is possible, then drives the clients against a platform of
# the tests' own, tries pebble by the conformance suite and lets the linters judge what the platform issues.
# Arguments go to vitest.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/debian.sh
export PATH="$PATH:/usr/sbin:/sbin"
# A package may need others that it only recommends.
declare -A package=([certtool]=gnutls-bin [vfychain]=libnss3-tools [javac]=default-jdk-headless [unshare]=util-linux [go]=golang-go [ansible-playbook]=ansible [pki]='strongswan-pki libstrongswan-extra-plugins' [lacme]='lacme lacme-accountd libcrypt-openssl-rsa-perl libcrypt-openssl-bignum-perl')
missing=()
note_missing certbot lego caddy pebble openssl curl wget certtool vfychain javac apache2 dehydrated uacme lacme acmetool acme-tiny unshare go ansible-playbook botan pki nginx haproxy stunnel4 openvpn
ruby -e "require 'acme-client'" 2>/dev/null || missing+=(ruby ruby-acme-client)
[ -d /usr/share/gocode/src/golang.org/x/crypto/acme ] || missing+=(golang-golang-x-crypto-dev)
erl -noshell -eval 'halt(case code:lib_dir(p1_acme) of {error, _} -> 1; _ -> 0 end).' 2>/dev/null || missing+=(erlang-p1-acme)
if [ ${#missing[@]} -gt 0 ] && may_install; then install_debian "${missing[@]}"; fi
venv=${SCHEMATHESIS_VENV:-.build/schemathesis-4.32.5}
if [ ! -x "$venv/bin/schemathesis" ] && command -v python3 >/dev/null; then
  echo 'installing schemathesis'
  if python3 -m venv "$venv" 2>/dev/null || { may_install && install_debian python3-venv && python3 -m venv "$venv"; }; then
    "$venv/bin/pip" install --quiet --disable-pip-version-check schemathesis==4.32.5
  fi
fi
# Debian's certbot knows neither profiles nor renewal information.
recent=${CERTBOT_VENV:-.build/certbot-5.8.0}
if [ ! -x "$recent/bin/certbot" ] && command -v python3 >/dev/null; then
  echo 'installing a recent certbot'
  { python3 -m venv "$recent" && "$recent/bin/pip" install --quiet --disable-pip-version-check certbot==5.8.0; } || echo 'no recent certbot'
fi
CERTBOT_RECENT=$(realpath -m "$recent/bin/certbot")
export CERTBOT_RECENT
linters=${PKILINT_VENV:-.build/pkilint-0.13.3}
if [ ! -x "$linters/bin/lint_pkix_cert" ] && command -v python3 >/dev/null; then
  echo 'installing pkilint'
  { python3 -m venv "$linters" && "$linters/bin/pip" install --quiet --disable-pip-version-check pkilint==0.13.3; } || echo 'no pkilint'
fi
# Behind ours: a virtual environment brings a python, and must bring no other node.
export PATH="$PWD/node_modules/.bin:$PWD/$venv/bin:$PWD/$linters/bin:$PATH"
exec node_modules/.bin/vitest run --config vitest.interop.config.ts "$@"
