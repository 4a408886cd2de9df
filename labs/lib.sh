# What every lab is made of: hosts, networks, commands that are shown and then run, and what must have been seen.
# Sourced by the labs; moves the lab onto a kernel with IPVS first, where hosts are network namespaces.
set -eu

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Only out here can one see whether a person is watching.
[ ! -t 1 ] || export LAB_BOLD=$'\e[1m' LAB_PLAIN=$'\e[0m'
[ -n "${WITH_IPVS:-}" ] || exec "$project/tests/with-ipvs" "$(readlink -f "$0")" "$@"

# --- Hosts, and the cables between them ----------------------------------------------------------------------------

hosts=()
failures=0
work=
# On the machine's own kernel, servers and namespaces would outlive the lab.
leave() {
  local host
  for host in "${hosts[@]}"; do
    ip netns pids "$host" | xargs -r kill 2>/dev/null || true
    ip netns delete "$host"
  done
  [ -z "$work" ] || { umount -l "$work" && rmdir "$work"; }
}

# The ipvsadm under the lens: the one that was built, unless a directory with another is given.
PATH=${LAB_BIN:-$project/target/release}:$PATH:/usr/sbin:/sbin
command -v ipvsadm >/dev/null || { echo "no ipvsadm to show: cargo build --release" >&2; exit 2; }
trap leave EXIT
work=$(mktemp -d)
mount -t tmpfs lab "$work" && mount --make-private "$work"

# Tools by the names that they have on most machines. User Mode Linux has no nftables, hence the other iptables.
mkdir "$work/bin"
PATH=$work/bin:$PATH
link() { ! command -v "$1" >/dev/null || ln -s "$(command -v "$1")" "$work/bin/$2"; }
link busybox arping
link iptables-legacy iptables
unpacked=$project/target/debian/root
printf '#!/bin/sh\nLD_LIBRARY_PATH=%q exec %q "$@"\n' \
  "$unpacked/usr/lib/$(uname -m)-linux-gnu" "$unpacked/usr/sbin/keepalived" >"$work/bin/keepalived"
chmod +x "$work/bin/keepalived"

# title TEXT: what comes next, and why.
title() { printf '\n--- %s\n' "$*"; }

# host NAME...: machines with nothing but a loopback, and a /run of their own for pages, settings and process ids.
host() {
  local name
  for name; do
    ip netns add "$name"
    hosts+=("$name")
    : >"$work/$name"
    unshare --mount="$work/$name" --propagation private mount -t tmpfs run /run
    ip -n "$name" link set lo up
  done
}

# network NAME HOST=ADDRESS/LENGTH...: a switch, and a cable from it to each host, whose interface is named as the
# network and has that address. A host may be given again with a second address.
network() {
  local name=$1 pair machine address
  shift
  ip netns add "switch-$name"
  hosts+=("switch-$name")
  ip -n "switch-$name" link add bridge type bridge
  ip -n "switch-$name" link set bridge up
  for pair; do
    machine=${pair%%=*} address=${pair#*=}
    if ! ip -n "$machine" link show "$name" >/dev/null 2>&1; then
      ip -n "switch-$name" link add "$machine" master bridge type veth peer name "$name" netns "$machine"
      ip -n "switch-$name" link set "$machine" up
      ip -n "$machine" link set "$name" up
    fi
    case $address in
    *:*) on "$machine" "ip address add $address dev $name nodad" ;;
    *) on "$machine" "ip address add $address dev $name" ;;
    esac
  done
}

# --- Commands ------------------------------------------------------------------------------------------------------

typed() { printf '%s# %s\n' "$1" "${LAB_BOLD:-}$2${LAB_PLAIN:-}"; }
run() {
  said=$(nsenter --net="/run/netns/$1" --mount="$work/$1" bash -c "$2" 2>&1)
}

# on HOST COMMAND-LINE: shows a command as it could be typed on that machine, runs it there, shows what it says, and
# keeps that in $said. A command that fails ends the lab.
on() {
  local status=0
  typed "$1" "$2"
  run "$1" "$2" || status=$?
  [ -z "$said" ] || printf '%s\n' "$said"
  [ $status = 0 ] || { printf 'The last command failed (%s).\n' "$status"; exit 1; }
}

# look HOST COMMAND-LINE PATTERN: the same again and again until what it says matches the pattern (as grep -E does; a
# ! before the pattern: until it does not), for 20 seconds at most. Whether it then does is for `expect` to say.
look() {
  local deadline=$((SECONDS + 20)) found wanted=0
  [ "${3#!}" = "$3" ] || wanted=1
  typed "$1" "$2"
  while run "$1" "$2" || true; do
    found=0
    grep -qE -- "${3#!}" <<<"$said" || found=1
    [ $SECONDS -lt $deadline ] && [ $found != $wanted ] || break
    sleep 0.2
  done
  [ -z "$said" ] || printf '%s\n' "$said"
}

# web HOST PORT: a real web server there, whose only page is the host's name.
web() {
  on "$1" "mkdir -p /run/www && echo $1 >/run/www/index.html && busybox httpd -p $2 -h /run/www"
}

# ask HOST URL TIMES: that many requests, each on a connection of its own, and how often each server answered.
ask() {
  on "$1" "curl -sS --max-time 10 '$2/?[1-$3]' | sort | uniq -c"
  answers=$said
}

# --- What was seen -------------------------------------------------------------------------------------------------

# expect WHAT WANTED SEEN: a fact that the lab is there to show. It goes on where the fact is wrong, and fails at its end.
seen=()
expect() {
  if [ "$2" = "$3" ]; then
    seen+=("  ok      $1: $3")
  else
    seen+=("  WRONG   $1: $3, not $2")
    failures=$((failures + 1))
  fi
}
# answered HOST: how many of the last requests that one answered.
answered() { awk -v host="$1" '$2 == host { n = $1 } END { print n + 0 }' <<<"$answers"; }
# count PATTERN: how many lines of what was said last match it.
count() { grep -cE -- "$1" <<<"$said" || true; }

# conclude: what was seen, and the lab's exit status.
conclude() {
  title "Seen, with $(command -v ipvsadm)"
  printf '%s\n' "${seen[@]}"
  [ $failures = 0 ] || { printf '%s of %s are not as they should be.\n' $failures ${#seen[@]}; exit 1; }
}
