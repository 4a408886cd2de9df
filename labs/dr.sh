#!/bin/bash
# Direct routing: all machines are on one network, and each real server has the virtual address. The director forwards
# the clients' packets unchanged; the answers bypass it.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

cat <<'X'
A virtual service by direct routing: all on one network, with the virtual address on the director and, hidden, on
each real server, which answers the client itself.

  client  192.0.2.10  ---+--- lan ---+---  director  192.0.2.1   and 192.0.2.100, the virtual address
                         |           |
                  real1 192.0.2.11   real2 192.0.2.12   both with 192.0.2.100 on lo

The lab runs each line HOST# COMMAND on that host. On real machines, type the same commands.
X

title "The machines and their addresses"
host client director real1 real2
network lan client=192.0.2.10/24 director=192.0.2.1/24 real1=192.0.2.11/24 real2=192.0.2.12/24
web real1 80
web real2 80

title "The virtual address, on the director and on lo of each real server"
on director "ip address add 192.0.2.100/32 dev lan"
on real1 "ip address add 192.0.2.100/32 dev lo"
on real2 "ip address add 192.0.2.100/32 dev lo"

title "The most frequent mistake: all three machines answer ARP for 192.0.2.100, and the first answer gets all packets"
on client "arping -c 1 -I lan 192.0.2.100"
expect "machines that answer ARP for the virtual address, without the settings" 3 "$(count 'reply from')"
doctor real1
expect "the doctor's errors on real1" "LVS-ARP-01 error LVS-ARP-02 error" "$(codes)"

title "Real servers must answer ARP only for addresses of the receiving interface, and not send requests from lo"
for real in real1 real2; do
  on $real "echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore"
  on $real "echo 2 >/proc/sys/net/ipv4/conf/all/arp_announce"
done
on client "ip neighbour flush dev lan"
on client "arping -c 1 -I lan 192.0.2.100"
expect "machines that answer ARP for the virtual address, with them" 1 "$(count 'reply from')"
answer=$(sed -n 's/.*\[\(.*\)\].*/\1/p' <<<"$said")
on director "ip -brief link show dev lan"
expect "the one that answers is the director" 1 "$(count "$answer")"

title "The other way, on real2: arptables drops requests for the address, and gives its own requests another sender"
on real2 "echo 0 >/proc/sys/net/ipv4/conf/all/arp_ignore; echo 0 >/proc/sys/net/ipv4/conf/all/arp_announce"
on client "arping -c 1 -I lan 192.0.2.100"
expect "machines that answer without real2's settings" 2 "$(count 'reply from')"
on real2 "arptables -A INPUT -d 192.0.2.100 -j DROP"
on real2 "arptables -A OUTPUT -s 192.0.2.100 -j mangle --mangle-ip-s 192.0.2.12"
on client "ip neighbour flush dev lan"
on client "arping -c 1 -I lan 192.0.2.100"
expect "machines that answer with arptables on real2" 1 "$(count 'reply from')"

title "The virtual service: round robin, both servers by direct routing (-g); the port cannot be mapped"
on director "ipvsadm -A -t 192.0.2.100:80 -s rr"
on director "ipvsadm -a -t 192.0.2.100:80 -r 192.0.2.11 -g"
on director "ipvsadm -a -t 192.0.2.100:80 -r 192.0.2.12 -g"
on director "ipvsadm -L -n"
expect "real servers by direct routing" 2 "$(count ':80 +Route')"

title "A real server that lacks the virtual address drops the packets: its connections stay in SYN_RECV"
on real2 "ip address del 192.0.2.100/32 dev lo"
on client "curl -sS --max-time 4 'http://192.0.2.100/?[1-6]' || true"
look director "ipvsadm -L -n -c | grep -v FIN_WAIT" 'SYN_RECV .* 192.0.2.12:80$' 3
expect "connections in SYN_RECV to real2" 3 "$(count 'SYN_RECV .* 192.0.2.12:80$')"
doctor director
expect "the doctor's error on the director" "LVS-DR-02 error" "$(codes)"
on real2 "ip address add 192.0.2.100/32 dev lo"

title "Ten requests take turns"
ask client http://192.0.2.100 10
expect "round robin, answers by real1 of 10" 5 "$(answered real1)"
expect "round robin, answers by real2 of 10" 5 "$(answered real2)"

title "The director sees only the client's packets: a closed connection stays in FIN_WAIT"
look director "ipvsadm -L -n -c" 'FIN_WAIT .* 192.0.2.100:80 ' 13
expect "connections in FIN_WAIT: ten, and three that real1 answered before" 13 "$(count 'FIN_WAIT .* 192.0.2.100:80 ')"
healthy director real1 real2 client

title "real2 asks for the client's address with its own as the sender"
hardware=$(ip -n real2 -o link show dev lan | sed 's/.*ether \([^ ]*\).*/\1/')
capture client lan 1 "arp and ether src $hardware"
on real2 "ip neighbour flush dev lan"
on client "curl -sS --max-time 10 'http://192.0.2.100/?[1-2]' | sort"
look client "cat /run/seen" tell
expect "sender of real2's request" "192.0.2.12" "$(sed -n 's/.* tell \([0-9.]*\),.*/\1/p' <<<"$said")"
on real2 "arptables -L -n"
expect "packets of each of arptables' rules" 2 "$(count '^-[js]')"

title "Weights 3 and 1"
on director "ipvsadm -E -t 192.0.2.100:80 -s wrr"
on director "ipvsadm -e -t 192.0.2.100:80 -r 192.0.2.11 -g -w 3"
ask client http://192.0.2.100 40
expect "weights 3 and 1, answers by real1 of 40" 30 "$(answered real1)"
expect "weights 3 and 1, answers by real2 of 40" 10 "$(answered real2)"

title "No answer passed the director; the kernel updates the counters every two seconds"
look director "ipvsadm -L -n --stats" "^TCP +192.0.2.100:80 +58 "
expect "connections, and packets out, that --stats counts, with the eight of before" "58 0" "$(awk '$1 == "TCP" { print $3, $5 }' <<<"$said")"

title "Removing the setup"
on director "ipvsadm -D -t 192.0.2.100:80"
on director "ip address del 192.0.2.100/32 dev lan"
for real in real1 real2; do
  on $real "ip address del 192.0.2.100/32 dev lo"
  on $real "echo 0 >/proc/sys/net/ipv4/conf/all/arp_announce"
  on $real "echo 0 >/proc/sys/net/ipv4/conf/all/arp_ignore"
done
on director "ipvsadm -S -n"
expect "lines saved in the end" 0 "$(count .)"

conclude
