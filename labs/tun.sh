#!/bin/bash
# Tunneling: the real servers are in any network that the director can reach. The director encapsulates the clients'
# packets; the real servers decapsulate them and answer the clients directly. The lab shows IPIP, GUE and GRE.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

cat <<'X'
A virtual service by tunneling: real servers in other networks, which have the virtual address on a tunnel's end.

  client 192.0.2.10  ---+--- wan ---+---  director 192.0.2.1  and 192.0.2.100, the virtual address
                        |
                      router 192.0.2.254
                        |
                        +--- east 10.1.0.254 ---  real1 10.1.0.11   192.0.2.100 on tunl0
                        +--- west 10.2.0.254 ---  real2 10.2.0.12   192.0.2.100 on tunl0

The lab runs each line HOST# COMMAND on that host. On real machines, type the same commands.
X

title "The machines, their addresses, and the routes between the networks"
host client director router real1 real2
network wan client=192.0.2.10/24 director=192.0.2.1/24 router=192.0.2.254/24
network east router=10.1.0.254/24 real1=10.1.0.11/24
network west router=10.2.0.254/24 real2=10.2.0.12/24
on router "echo 1 >/proc/sys/net/ipv4/ip_forward"
on client "ip route replace default via 192.0.2.254"
on director "ip route replace default via 192.0.2.254"
on real1 "ip route replace default via 10.1.0.254"
on real2 "ip route replace default via 10.2.0.254"
web real1 80
web real2 80

title "The tunnel device of each real server, with the virtual address: it accepts packets from any director"
for real in real1 real2; do
  on $real "modprobe ipip"
  on $real "ip address add 192.0.2.100/32 dev tunl0"
  on $real "ip link set tunl0 up"
done

title "The virtual service: round robin, both servers by tunneling (-i)"
on director "ip address add 192.0.2.100/32 dev wan"
on director "ipvsadm -A -t 192.0.2.100:80 -s rr"
on director "ipvsadm -a -t 192.0.2.100:80 -r 10.1.0.11 -i"
on director "ipvsadm -a -t 192.0.2.100:80 -r 10.2.0.12 -i"
on director "ipvsadm -L -n"
expect "real servers by tunneling" 2 "$(count ':80 +Tunnel')"

title "The most frequent mistake: the reverse path filter drops a client's packet, since it came from tunl0 and not from eth0"
for real in real1 real2; do
  on $real "echo 1 >/proc/sys/net/ipv4/conf/tunl0/rp_filter"
done
on client "curl -sS --max-time 4 'http://192.0.2.100/?[1-2]' || true"
look director "ipvsadm -L -n -c" SYN_RECV 2
expect "connections that stay in SYN_RECV with rp_filter" 2 "$(count 'SYN_RECV')"
look real1 "nstat -az TcpExtIPReversePathFilter" 'IPReversePathFilter +[1-9]'
expect "drops counted by real1's filter" 1 "$(count 'IPReversePathFilter +[1-9]')"
doctor real1
expect "the doctor's error on real1" "LVS-RS-01 error" "$(codes)"

title "Without the filter on the tunnel, ten requests take turns"
for real in real1 real2; do
  on $real "echo 0 >/proc/sys/net/ipv4/conf/tunl0/rp_filter"
  on $real "echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter"
done
ask client http://192.0.2.100 10
expect "IPIP, answers by real1 of 10" 5 "$(answered real1)"
expect "IPIP, answers by real2 of 10" 5 "$(answered real2)"
look director "ipvsadm -L -n -c" FIN_WAIT 10
expect "connections in FIN_WAIT: the director sees only the client's packets" 10 "$(count 'FIN_WAIT')"
healthy director real1 real2

title "Another mistake: the tunnel of real1 is down"
on real1 "ip link set tunl0 down"
on client "curl -sS --max-time 4 'http://192.0.2.100/?[1-2]' || true"
expect "answers by real2 alone" 1 "$(count '^real2$')"
doctor real1
expect "the doctor's error on real1, whose tunnel is down" "LVS-RS-02 error" "$(codes)"
on real1 "ip link set tunl0 up"
ask client http://192.0.2.100 10
expect "answers by real1 of 10, with its tunnel" 5 "$(answered real1)"

title "Encapsulated packets between the director and the router"
watch() { # PROTOCOL-FILTER PATTERN
  capture router wan 1 "$1"
  on client "curl -sS --max-time 10 'http://192.0.2.100/?[1-2]' | sort"
  look router "cat /run/seen" "$2"
}
watch "ip proto 4" 'IP 192.0.2.1 > 10.[12].0.1[12]: IP 192.0.2.10.'
expect "packets of protocol 4, IP in IP, seen" 1 "$(count 'IP 192.0.2.1 > 10.[12].0.1[12]: IP 192.0.2.10.')"

title "GUE uses UDP, which passes firewalls and is distributed over a network's parallel paths"
for real in real1 real2; do
  on $real "modprobe fou"
  on $real "ip fou add port 6080 gue"
done
on director "ipvsadm -e -t 192.0.2.100:80 -r 10.1.0.11 -i --tun-type gue --tun-port 6080"
on director "ipvsadm -e -t 192.0.2.100:80 -r 10.2.0.12 -i --tun-type gue --tun-port 6080"
on director "ipvsadm -L -n --tun-info"
expect "real servers by GUE to port 6080" 2 "$(count 'gue:6080')"
ask client http://192.0.2.100 10
expect "GUE, answers by real1 of 10" 5 "$(answered real1)"
expect "GUE, answers by real2 of 10" 5 "$(answered real2)"
watch "udp port 6080" '\.6080: UDP'
expect "packets to UDP port 6080 seen" 1 "$(count '\.6080: UDP')"

title "GRE, with the device gre0 on the real servers"
for real in real1 real2; do
  on $real "modprobe ip_gre"
  on $real "ip address add 192.0.2.100/32 dev gre0"
  on $real "ip link set gre0 up"
  on $real "echo 0 >/proc/sys/net/ipv4/conf/gre0/rp_filter"
done
on director "ipvsadm -e -t 192.0.2.100:80 -r 10.1.0.11 -i --tun-type gre"
on director "ipvsadm -e -t 192.0.2.100:80 -r 10.2.0.12 -i --tun-type gre"
on director "ipvsadm -L -n --tun-info"
expect "real servers by GRE" 2 "$(count ' gre:')"
ask client http://192.0.2.100 10
expect "GRE, answers by real1 of 10" 5 "$(answered real1)"
expect "GRE, answers by real2 of 10" 5 "$(answered real2)"
watch "ip proto 47" 'GREv0'
expect "packets of protocol 47, GRE, seen" 1 "$(count 'GREv0')"
healthy director real1

title "The rules, as ipvsadm-restore reads them"
on director "ipvsadm -S -n"
expect "lines saved with their tunnel" 2 "$(count '--tun-type gre')"

title "Removing the setup"
on director "ipvsadm -D -t 192.0.2.100:80"
on director "ip address del 192.0.2.100/32 dev wan"
for real in real1 real2; do
  on $real "ip address del 192.0.2.100/32 dev gre0"
  on $real "ip link set gre0 down"
  on $real "ip fou del port 6080"
  on $real "ip address del 192.0.2.100/32 dev tunl0"
  on $real "ip link set tunl0 down"
done
on director "ipvsadm -S -n"
expect "lines saved in the end" 0 "$(count .)"

conclude
