# What every lab is made of: hosts, networks, commands that are shown and then run, and what must have been seen.
# Sourced by the labs; moves the lab onto a kernel with IPVS first, where hosts are network namespaces.
set -eu

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Only out here can one see whether a person is watching.
[ ! -t 1 ] || export LAB_BOLD=$'\e[1m' LAB_PLAIN=$'\e[0m'
[ -n "${WITH_IPVS:-}" ] || exec "$project/tests/with-ipvs" "$(readlink -f "$0")" "$@"

# The ipvsadm under the lens: the one that was built, unless a directory with another is given.
PATH=${LAB_BIN:-$project/target/release}:$PATH:/usr/sbin:/sbin
command -v ipvsadm >/dev/null || { echo "no ipvsadm to show: cargo build --release" >&2; exit 2; }

hosts=()
failures=0
# On the machine's own kernel, servers and namespaces would outlive the lab.
leave() {
  local host
  for host in "${hosts[@]}"; do
    ip netns pids "$host" | xargs -r kill 2>/dev/null || true
    ip netns delete "$host"
  done
}
trap leave EXIT
mount -t tmpfs pages /srv # for the web servers' pages, in our own mount namespace

# title TEXT: what comes next, and why.
title() { printf '\n--- %s\n' "$*"; }

# host NAME...: machines with nothing but a loopback.
host() {
  local name
  for name; do
    ip netns add "$name"
    ip -n "$name" link set lo up
    hosts+=("$name")
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

# on HOST COMMAND-LINE: shows a command as it could be typed on that machine, runs it there, shows what it says, and
# keeps that in $said. A command that fails ends the lab.
on() {
  local status=0
  printf '%s# %s\n' "$1" "${LAB_BOLD:-}$2${LAB_PLAIN:-}"
  said=$(ip netns exec "$1" bash -c "$2" 2>&1) || status=$?
  [ -z "$said" ] || printf '%s\n' "$said"
  [ $status = 0 ] || { printf 'The last command failed (%s).\n' "$status"; exit 1; }
}

# web HOST PORT: a real web server there, whose only page is the host's name.
web() {
  on "$1" "mkdir /srv/$1 && echo $1 >/srv/$1/index.html && busybox httpd -p $2 -h /srv/$1"
}

# ask HOST URL TIMES: that many requests, each on a connection of its own, and how often each server answered.
ask() {
  on "$1" "curl -sS --max-time 10 '$2/?[1-$3]' | sort | uniq -c"
  answers=$said
}

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

# conclude: what was seen, and the lab's exit status.
conclude() {
  title "Seen, with $(command -v ipvsadm)"
  printf '%s\n' "${seen[@]}"
  [ $failures = 0 ] || { printf '%s of %s are not as they should be.\n' $failures ${#seen[@]}; exit 1; }
}
