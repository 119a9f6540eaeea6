#!/usr/bin/env bash
# A certificate by ACME, renewed and revoked by certbot: see README.md.
set -euo pipefail
root=$(cd "$(dirname "$0")/../../.." && pwd)
home=${CERTCTL_HOME:-$root/.certctl}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export REQUESTS_CA_BUNDLE=$home/ca.pem
name=example-$$.localhost
server=https://localhost:${CERTCTL_PORT:-8443}/acme/profile/default/directory
certbot=(certbot --non-interactive --config-dir "$folder" --work-dir "$folder/work" --logs-dir "$folder/log")

"${certbot[@]}" certonly --server "$server" --agree-tos --register-unsafely-without-email \
  --standalone --http-01-port "${HTTP01_PORT:-5002}" -d "$name" --quiet
live=$folder/live/$name
openssl verify -CAfile "$home/ca.pem" -untrusted "$live/chain.pem" "$live/cert.pem"
first=$(openssl x509 -noout -serial -in "$live/cert.pem")

# certbot.timer does this without --force-renewal, twice a day.
"${certbot[@]}" renew --force-renewal --no-random-sleep-on-renew --quiet
second=$(openssl x509 -noout -serial -in "$live/cert.pem")
echo "renewed: $first, then $second"
[ "$first" != "$second" ]

"${certbot[@]}" revoke --server "$server" --cert-path "$live/cert.pem" --reason superseded --no-delete-after-revoke --quiet
echo "revoked $second"
