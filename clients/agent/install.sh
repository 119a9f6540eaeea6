#!/bin/sh
# Puts the agent on this host: one file, its settings, a systemd unit. Run as root in a checkout with its packages (npm ci), or with a file that
# `node clients/agent/build.ts FILE` or, for a host without Node, `node clients/agent/build.ts --executable FILE` made:  sh install.sh [FILE]
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=${DESTDIR:-}

file=${1:-}
# Only an executable brings its own Node.
if [ -z "$file" ] || [ "$(head -c 2 "$file")" = '#!' ]; then
  node_major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
  [ "$node_major" -ge 24 ] || { echo "install.sh: Node 24 or newer must be on the path; or give it what build.ts --executable made" >&2; exit 1; }
fi
if [ -z "$file" ]; then
  file=$here/../../.build/agent/certctl-agent.mjs
  node "$here/build.ts" >/dev/null
fi
install -d -m 0755 "$root/usr/local/bin" "$root/etc/certctl-agent" "$root/etc/systemd/system"
install -m 0755 "$file" "$root/usr/local/bin/certctl-agent"
install -d -m 0700 "$root/var/lib/certctl-agent"
[ -e "$root/etc/certctl-agent/config.yaml" ] || install -m 0640 "$here/config.example.yaml" "$root/etc/certctl-agent/config.yaml"
install -m 0644 "$here/certctl-agent.service" "$root/etc/systemd/system/certctl-agent.service"
echo "installed; next:"
echo "  edit /etc/certctl-agent/config.yaml"
echo "  certctl-agent enrol --token-file FILE"
echo "  systemctl enable --now certctl-agent"
