#!/bin/bash
# IPv6: NAT as with IPv4, and then an IPv6 service with tunnels to its real servers through an IPv4 network.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

cat <<'X'
Two IPv6 services: port 80 by NAT to servers next door, port 8080 by tunnels to servers to which the way is IPv4.

  client  --- wan ---  director  --- lan ---  real1  fd00::11      default route: the director
  2001:db8:1::10       2001:db8:1::1   \      real2  fd00::12
          |            fd00::1          \
          |                        far, IPv4: 198.51.100.1
          |                               \-- real3  198.51.100.13, 2001:db8:2::13   default route: the router
          \--- router 2001:db8:1::fe ---- far real4  198.51.100.14, 2001:db8:2::14

The lab runs each line HOST# COMMAND on that host. On real machines, type the same commands.
X

title "The machines and their addresses"
host client director router real1 real2 real3 real4
network wan client=2001:db8:1::10/64 director=2001:db8:1::1/64 router=2001:db8:1::fe/64
network lan director=fd00::1/64 real1=fd00::11/64 real2=fd00::12/64
network far director=198.51.100.1/24 real3=198.51.100.13/24 real4=198.51.100.14/24 \
  router=2001:db8:2::fe/64 real3=2001:db8:2::13/64 real4=2001:db8:2::14/64
web real1 8080
web real2 8080
web real3 8080
web real4 8080

title "NAT: answers must come back through the director"
on real1 "ip -6 route replace default via fd00::1"
on real2 "ip -6 route replace default via fd00::1"
on director "ipvsadm -A -t [2001:db8:1::1]:80 -s rr"
on director "ipvsadm -a -t [2001:db8:1::1]:80 -r [fd00::11]:8080 -m"
on director "ipvsadm -a -t [2001:db8:1::1]:80 -r [fd00::12]:8080 -m"
on director "ipvsadm -L -n"
expect "IPv6 real servers by masquerading" 2 "$(count '\[fd00::1[12]\]:8080 +Masq')"
doctor director
expect "the doctor's error before the director forwards" "LVS-DIR-01 error" "$(codes)"
on director "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"
ask client "http://[2001:db8:1::1]" 10
expect "NAT, answers by real1 of 10" 5 "$(answered real1)"
expect "NAT, answers by real2 of 10" 5 "$(answered real2)"
look director "ipvsadm -L -n -c" 'TIME_WAIT .*2001:db8:1::1' 10
expect "connections in TIME_WAIT: with NAT the director sees the packets of both sides" 10 "$(count 'TIME_WAIT .*2001:db8:1::1')"

title "The most frequent mistake: real1 loses its default route, and its answers with it"
on real1 "ip -6 route del default"
on client "curl -sS --max-time 4 'http://[2001:db8:1::1]/?[1-8]' 2>/dev/null || true"
expect "answers of 8 without the route" 4 "$(count '^real2$')"
# The finding compares the ages of connections, which the kernel gives in whole seconds.
look director "ipvsadm --doctor" LVS-NAT-02
expect "the doctor's error without the route" "LVS-NAT-02 error" "$(codes)"
on real1 "ip -6 route replace default via fd00::1"
ask client "http://[2001:db8:1::1]" 10
expect "NAT, answers by real1 of 10, with the route" 5 "$(answered real1)"

title "Tunnels: IPv6 packets in IPv4 packets. real3 and real4 decapsulate them on sit0, which has the virtual address"
for real in real3 real4; do
  on $real "modprobe sit"
  on $real "ip address add 2001:db8:1::1/128 dev sit0 nodad"
  on $real "ip link set sit0 up"
  on $real "ip -6 route replace default via 2001:db8:2::fe"
done
on router "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"
on director "ipvsadm -A -t [2001:db8:1::1]:8080 -s rr"
on director "ipvsadm -a -t [2001:db8:1::1]:8080 -r 198.51.100.13 -i"
on director "ipvsadm -a -t [2001:db8:1::1]:8080 -r 198.51.100.14 -i"
on director "ipvsadm -L -n -t [2001:db8:1::1]:8080"
expect "IPv4 real servers of an IPv6 service, by tunneling" 2 "$(count '198.51.100.1[34]:8080 +Tunnel')"
ask client "http://[2001:db8:1::1]:8080" 10
expect "tunnels, answers by real3 of 10" 5 "$(answered real3)"
expect "tunnels, answers by real4 of 10" 5 "$(answered real4)"
look director "ipvsadm -L -n -c | grep 198.51.100" FIN_WAIT 10
expect "connections in FIN_WAIT: the answers bypass the director" 10 "$(count 'FIN_WAIT')"
healthy director real1 real3

title "With other forwarding methods, ipvsadm refuses a real server of the other address family"
on director "ipvsadm -a -t [2001:db8:1::1]:80 -r 198.51.100.13 -m || true"
on director "ipvsadm -L -n -t [2001:db8:1::1]:80"
expect "real servers of the service by NAT" 2 "$(count ' -> .*Masq')"

title "The rules, as ipvsadm-restore reads them"
on director "ipvsadm -S -n"
expect "lines saved" 6 "$(count '^-[Aa] -t .2001:db8:1::1.:80')"

title "Removing the setup"
on director "ipvsadm -D -t [2001:db8:1::1]:80"
on director "ipvsadm -D -t [2001:db8:1::1]:8080"
for real in real3 real4; do
  on $real "ip address del 2001:db8:1::1/128 dev sit0"
  on $real "ip link set sit0 down"
done
on director "ipvsadm -S -n"
expect "lines saved in the end" 0 "$(count .)"

conclude
