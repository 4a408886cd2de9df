# Functions of all labs: hosts, networks, commands that are printed and run, and expectations. The labs source this
# file. It first runs the lab again on a kernel with IPVS, where network namespaces are the hosts.
set -eu

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Only here, outside that kernel, is standard output possibly a terminal.
[ ! -t 1 ] || export LAB_BOLD=$'\e[1m' LAB_PLAIN=$'\e[0m'
[ -n "${WITH_IPVS:-}" ] || exec "$project/tests/with-ipvs" "$(readlink -f "$0")" "$@"

# --- Hosts, and the cables between them ----------------------------------------------------------------------------

hosts=()
failures=0
work=
# On the machine's own kernel, servers and namespaces would remain after the lab.
leave() {
  local host
  for host in "${hosts[@]}"; do
    ip netns pids "$host" | xargs -r kill 2>/dev/null || true
    ip netns delete "$host"
  done
  [ -z "$work" ] || { umount -l "$work" && rmdir "$work"; }
}

# The ipvsadm that the lab runs: the built one, or the one in the directory LAB_BIN.
PATH=${LAB_BIN:-$project/target/release}:$PATH:/usr/sbin:/sbin
command -v ipvsadm >/dev/null || { echo "no ipvsadm to show: cargo build --release" >&2; exit 2; }
trap leave EXIT
work=$(mktemp -d)
mount -t tmpfs lab "$work" && mount --make-private "$work"

# Links give the tools the names that they have on most machines. User Mode Linux has no nftables, so iptables is the
# legacy one.
mkdir "$work/bin"
PATH=$work/bin:$PATH
link() { ! command -v "$1" >/dev/null || ln -s "$(command -v "$1")" "$work/bin/$2"; }
link busybox arping
link iptables-legacy iptables
unpacked=$project/target/debian/root
link "$unpacked/usr/sbin/arptables-legacy" arptables
ln -s "$project/tests/keepalived" "$work/bin/keepalived"
perl_modules=$(printf '%s:' "$unpacked"/usr/share/perl5 "$unpacked"/usr/share/perl/* "$unpacked"/usr/lib/*/perl5/* "$unpacked"/usr/lib/*/perl/*)
printf '#!/bin/sh\nPERL5LIB=%q exec perl %q "$@"\n' "$perl_modules" "$unpacked/usr/sbin/ldirectord" >"$work/bin/ldirectord"
chmod +x "$work/bin/ldirectord"

# title TEXT: prints a heading for the next step and its reason.
title() { printf '\n--- %s\n' "$*"; }

# host NAME...: creates machines with only a loopback interface, and with a separate /run for pages, settings and
# process ids.
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

# is_up HOST INTERFACE: tests whether the interface sends and receives. The kernel drops packets until a work item has seen
# the carrier.
is_up() { [[ $(ip -n "$1" -o link show "$2") = *LOWER_UP*' state UP '* ]]; }
# network NAME HOST=ADDRESS/LENGTH...: creates a switch and connects each host to it. The host's interface has the name
# of the network, and the address. Repeat a host to give it a second address.
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
      until is_up "switch-$name" "$machine" && is_up "$machine" "$name"; do sleep 0.05; done
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

# on HOST COMMAND-LINE: prints a command, runs it on that host, and prints its output, which it keeps in $said. A
# command that fails ends the lab.
on() {
  local status=0
  typed "$1" "$2"
  run "$1" "$2" || status=$?
  [ -z "$said" ] || printf '%s\n' "$said"
  [ $status = 0 ] || { printf 'The last command failed (%s).\n' "$status"; exit 1; }
}

# look HOST COMMAND-LINE PATTERN [COUNT]: repeats a command until its output matches the pattern of grep -E, in COUNT lines if
# that is given, for at most 60 seconds. With a ! before the pattern, it repeats until the output does not match. `expect`
# checks the result.
look() {
  local deadline=$((SECONDS + 60)) found
  typed "$1" "$2"
  while run "$1" "$2" || true; do
    found=$(count "${3#!}")
    case $3,${4:-} in
    '!'*) [ "$found" != 0 ] || break ;;
    *,) [ "$found" = 0 ] || break ;;
    *) [ "$found" != "$4" ] || break ;;
    esac
    [ $SECONDS -lt $deadline ] || break
    sleep 0.2
  done
  [ -z "$said" ] || printf '%s\n' "$said"
}

# soon HOST COMMAND-LINE: repeats a command without printing it until it succeeds, for about a minute.
soon() {
  local attempt
  for attempt in {1..600}; do
    ! run "$1" "$2" || return 0
    sleep 0.1
  done
  printf 'This did not succeed on %s within a minute: %s\n' "$1" "$2"
  exit 1
}

# capture HOST INTERFACE COUNT FILTER: writes the next packets that match the filter of tcpdump to /run/seen.
capture() {
  run "$1" "rm -f /run/tcpdump"
  on "$1" "tcpdump -l -n -i $2 -c $3 '$4' >/run/seen 2>/run/tcpdump &"
  soon "$1" "grep -q listening /run/tcpdump"
}

# web HOST PORT: starts a web server whose only page is the host's name.
web() {
  on "$1" "mkdir -p /run/www && echo $1 >/run/www/index.html && busybox httpd -p $2 -h /run/www"
  soon "$1" "exec 3<>/dev/tcp/127.0.0.1/$2"
}

# ask HOST URL TIMES: sends TIMES requests, each on a separate connection, and prints the number of answers from each
# server.
ask() {
  on "$1" "curl -sS --max-time 10 '$2/?[1-$3]' | sort | uniq -c"
  answers=$said
}

# doctor HOST [OPTIONS]: lets ipvsadm look for faults there; it fails if it finds some.
doctor() {
  typed "$1" "ipvsadm --doctor${2:+ $2}"
  run "$1" "ipvsadm --doctor${2:+ $2}" || true
  printf '%s\n' "$said"
}

# healthy HOST...: the doctor has no finding above a note on these hosts. The variable `service` names one service.
healthy() {
  local name
  for name; do
    doctor "$name" "${service:+-t $service}"
    expect "findings of the doctor on $name" "0 errors, 0 warnings" "$(grep -oE '^[0-9]+ errors?, [0-9]+ warnings?' <<<"$said")"
  done
}

# --- Expectations --------------------------------------------------------------------------------------------------

# expect WHAT WANTED SEEN: compares a fact that the lab shows. If the fact is wrong, the lab continues and fails at its
# end.
seen=()
expect() {
  if [ "$2" = "$3" ]; then
    seen+=("  ok      $1: $3")
  else
    seen+=("  WRONG   $1: $3, not $2")
    failures=$((failures + 1))
  fi
}
# answered HOST: prints the number of the last requests that the host answered.
answered() { awk -v host="$1" '$2 == host { n = $1 } END { print n + 0 }' <<<"$answers"; }
# codes: prints the codes and severities of the doctor's findings above notes, in its last output.
codes() { sed -n 's/^\(LVS-[A-Z0-9-]* \(error\|warning\)\)$/\1/p' <<<"$said" | xargs; }
# count PATTERN: prints the number of lines of the last output that match the pattern.
count() { grep -cE -- "$1" <<<"$said" || true; }

# conclude: prints all facts, and exits with the lab's status.
conclude() {
  title "Seen, with $(command -v ipvsadm)"
  printf '%s\n' "${seen[@]}"
  [ $failures = 0 ] || { printf '%s of %s are not as they should be.\n' $failures ${#seen[@]}; exit 1; }
}
