#!/usr/bin/env bash
# What the tests start for real, from Debian. Not root, or no Debian: those tests are skipped with the reason, and fail
# in CI. None of it is started as a service: a Redis or a Prometheus of the machine's own is nobody's wish here.
set -euo pipefail

wanted=(
  debootstrap systemd-container lintian       # a real systemd in a container; the package
  postgresql                                  # a journal on a server
  prometheus prometheus-alertmanager          # rules, messages
  redis-server                                # beside the embedded Valkey
  logrotate openssh-server openssh-client     # log files under load; the forced command
  iptables iproute2                           # a network that is cut
  gcc libc6-dev                               # a clock that jumps, preloaded
  openssl procps
)

[ "$(id -u)" = 0 ] && command -v apt-get > /dev/null || exit 0
missing=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${wanted[@]}" 2>&1 | grep -v ' installed$' || true)
[ -n "$missing" ] || exit 0

policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod +x "$policy"
fi
mkdir -p .cache
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" > .cache/apt.log
