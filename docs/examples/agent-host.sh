# Sourced by examples: an agent on this machine, and a certificate that goes to a server which they have started. Everything lies in $folder and is
# gone in the end; the platform is the one that `npm start` runs (CERTCTL_HOME, CERTCTL_PORT).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export CERTCTL_HOME=${CERTCTL_HOME:-$root/.certctl} CERTCTL_PORT=${CERTCTL_PORT:-8443}
export PATH="$root/node_modules/.bin:$PATH:/usr/sbin"
folder=$(mktemp -d)
pids=()
agent_id=

finish() {
  if [ -n "$agent_id" ]; then certctl agents retire "$agent_id" --force --reason 'the example is over' >/dev/null || true; fi
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
  rm -rf "$folder"
}
trap finish EXIT

certctl() { node "$root/clients/cli/certctl.mjs" --output json "$@"; }

# Of JSON on standard input: field .id
field() { node -p "JSON.parse(require('node:fs').readFileSync(0, 'utf8'))$1"; }

# Waits a minute or two for a command that succeeds.
await() {
  for _ in $(seq 120); do
    if "$@"; then return; fi
    sleep 1
  done
  echo "not in time: $*" >&2
  return 1
}

# start_agent COMMANDS: the agent, which may write below $folder/tls and run these commands (JSON, lists of arguments).
start_agent() {
  mkdir -p "$folder/tls"
  cat >"$folder/config.yaml" <<SETTINGS
server: https://localhost:$CERTCTL_PORT
ca_file: $CERTCTL_HOME/ca.pem
name: example-$$
state_dir: $folder/state
allowed_paths: [$folder/tls]
allowed_commands: $1
SETTINGS
  node "$root/clients/agent/build.ts" "$folder/certctl-agent" >/dev/null
  certctl enrolment-tokens create --name-pattern 'example-*' | field .token >"$folder/token"
  agent_id=$("$folder/certctl-agent" enrol --config "$folder/config.yaml" --token-file "$folder/token" | grep -o 'agent-[0-9a-f]*')
  echo "enrolled $agent_id"
  "$folder/certctl-agent" run --config "$folder/config.yaml" >"$folder/agent.log" &
  pids+=($!)
}

# order TYPE CONFIG NAME: a target, and a certificate for it; its id in $certificate once it is in place.
order() {
  local target
  target=$(certctl targets create --name "example-$$" --type "$1" --agent "$agent_id" --config "$2" | field .id)
  certificate=$(certctl certs create --name "example-$$" --names "$3" --targets "$target" | field .certificate.id)
  await in_place ''
}

# in_place SERIAL: whether the server was seen with a certificate of another serial number.
in_place() {
  local seen
  seen=$(certctl certs get "$certificate" | node -e "
    const { serial, deployment, last_error } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
    if (last_error) console.error(last_error);
    console.log(deployment === 'verified' ? serial : '');")
  [ -n "$seen" ] && [ "$seen" != "$1" ]
}

# shown PORT NAME: the serial number that a client sees who trusts our CA and nobody else.
shown() {
  openssl s_client -connect "localhost:$1" -servername "$2" -verify_hostname "$2" -CAfile "$CERTCTL_HOME/ca.pem" -verify_return_error \
    </dev/null 2>/dev/null | openssl x509 -noout -serial
}

# renewal_shown SERVER PORT NAME: what a client sees before and after a renewal, ordered here as the policy will order it weeks from now.
renewal_shown() {
  local first second serial
  first=$(shown "$2" "$3")
  echo "$1 serves $first"
  serial=$(certctl certs get "$certificate" | field .serial)
  certctl certs renew "$certificate" >/dev/null
  await in_place "$serial"
  second=$(shown "$2" "$3")
  echo "$1 serves $second"
  [ "$first" != "$second" ]
}
