#!/usr/bin/env bash
# A host whose nginx renews itself: see README.md.
. "$(dirname "$0")/../agent-host.sh"
port=${PORT:-9443}
name=www.example.com

cat >"$folder/nginx.conf" <<CONFIGURATION
daemon off; pid $folder/nginx.pid; error_log $folder/error.log;
events {}
http {
  access_log off; client_body_temp_path $folder; proxy_temp_path $folder; fastcgi_temp_path $folder; uwsgi_temp_path $folder; scgi_temp_path $folder;
  server {
    listen 127.0.0.1:$port ssl; server_name $name; return 204;
    ssl_certificate $folder/tls/site.crt; ssl_certificate_key $folder/tls/site.key;
  }
}
CONFIGURATION
nginx=(nginx -p "$folder" -c "$folder/nginx.conf")
check="[\"nginx\", \"-p\", \"$folder\", \"-c\", \"$folder/nginx.conf\", \"-t\"]"
reload="[\"nginx\", \"-p\", \"$folder\", \"-c\", \"$folder/nginx.conf\", \"-s\", \"reload\"]"
start_agent "[$check, $reload]"

# nginx wants a certificate to start with; any will do.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj "/CN=$name" \
  -keyout "$folder/tls/site.key" -out "$folder/tls/site.crt" 2>/dev/null
"${nginx[@]}" &
pids+=($!)

order nginx "{
  \"cert_path\": \"$folder/tls/site.crt\", \"key_path\": \"$folder/tls/site.key\",
  \"check_command\": $check, \"reload_command\": $reload,
  \"verify\": {\"host\": \"127.0.0.1\", \"port\": $port, \"server_name\": \"$name\"}}" "$name"
renewal_shown nginx "$port" "$name"
