# Sourced by the scripts that install what their tests need from Debian's packages.

may_install() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
}

# Installs packages. Their own services have nothing to do with the tests and must not take the ports.
install_debian() {
  local policy=/usr/sbin/policy-rc.d ours=
  # Two lanes at a time: the second waits until the first has installed its own.
  exec 9>/var/lock/certctl-tests-install
  flock 9
  echo "installing $*"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
    ours=$policy
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  apt-get install -y -qq --no-install-recommends "$@" >/dev/null
  if [ -n "$ours" ]; then
    rm -f "$ours"
    trap - EXIT
  fi
  exec 9>&-
}

# Adds the packages of those commands that are not here to the array `missing`. The map `package` has them where they are several, or called otherwise.
note_missing() {
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || read -ra missing <<<"${missing[*]} ${package[$tool]:-$tool}"
  done
}
