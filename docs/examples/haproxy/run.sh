#!/usr/bin/env bash
# A host whose HAProxy renews itself: see README.md.
. "$(dirname "$0")/../agent-host.sh"
port=${PORT:-9443}
name=www.example.com
pem=$folder/tls/site.pem

cat >"$folder/haproxy.cfg" <<CONFIGURATION
global
  master-worker
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend site
  bind 127.0.0.1:$port ssl crt $pem
  http-request return status 204
CONFIGURATION
mkdir -p "$folder/tls"
# HAProxy wants a certificate to start with; any will do.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj "/CN=$name" -keyout "$pem" -out "$folder/first.crt" 2>/dev/null
cat "$folder/first.crt" >>"$pem"
haproxy -W -f "$folder/haproxy.cfg" &
master=$!
pids+=("$master")

check="[\"haproxy\", \"-c\", \"-f\", \"$folder/haproxy.cfg\"]"
reload="[\"kill\", \"-USR2\", \"$master\"]"
start_agent "[$check, $reload]"

order haproxy "{
  \"pem_path\": \"$pem\", \"check_command\": $check, \"reload_command\": $reload,
  \"verify\": {\"host\": \"127.0.0.1\", \"port\": $port, \"server_name\": \"$name\"}}" "$name"
renewal_shown HAProxy "$port" "$name"
