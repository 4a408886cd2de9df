#!/bin/bash
# NAT: the real servers are on a private network, with the director as their default gateway. Port 80 of the virtual
# address is mapped to port 8080. `make demo` runs this lab.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

cat <<'X'
A virtual service by NAT: the director sends each connection to one of two web servers.

                          director
  client  ---- wan ----  192.0.2.1 | 10.0.0.1  ---- lan ----  real1  10.0.0.11:8080
  192.0.2.10            (virtual address)              \----  real2  10.0.0.12:8080

The lab runs each line HOST# COMMAND on that host. On real machines, type the same commands.
X

title "The machines and their addresses"
host client director real1 real2
network wan client=192.0.2.10/24 director=192.0.2.1/24
network lan director=10.0.0.1/24 real1=10.0.0.11/24 real2=10.0.0.12/24

title "A web server on each real server, whose page is its name"
web real1 8080
web real2 8080

title "The virtual service: round robin, both servers by masquerading"
on director "ipvsadm -A -t 192.0.2.1:80 -s rr"
on director "ipvsadm -a -t 192.0.2.1:80 -r 10.0.0.11:8080 -m"
on director "ipvsadm -a -t 192.0.2.1:80 -r 10.0.0.12:8080 -m"
on director "ipvsadm -L -n"

title "Answers must return through the director, which restores the virtual address as their source"
doctor director
expect "the doctor's error before the director forwards" "LVS-DIR-01 error" "$(codes)"
on director "echo 1 >/proc/sys/net/ipv4/ip_forward"
on real2 "ip route replace default via 10.0.0.1"

title "The most frequent mistake: the director is not real1's default gateway, and the answers are lost"
on client "curl -sS --max-time 4 'http://192.0.2.1/?[1-6]' || true"
look director "ipvsadm -L -n -c | grep -v TIME_WAIT" 'SYN_RECV .* 10.0.0.11:8080$' 3
expect "connections in SYN_RECV to real1" 3 "$(count 'SYN_RECV .* 10.0.0.11:8080$')"
doctor director
expect "the doctor's error while answers are lost" "LVS-NAT-02 error" "$(codes)"
on real1 "ip route replace default via 10.0.0.1"

title "Ten requests take turns"
ask client http://192.0.2.1 10
expect "round robin, answers by real1 of 10" 5 "$(answered real1)"
expect "round robin, answers by real2 of 10" 5 "$(answered real2)"

title "Each request was a connection; the director keeps it until it times out"
look director "ipvsadm -L -n -c" 'TIME_WAIT .* 192.0.2.1:80 ' 13
expect "connections in TIME_WAIT that -L -c shows: ten, and three that real2 answered before" 13 "$(count 'TIME_WAIT .* 192.0.2.1:80 ')"
healthy director real1 real2

title "Weights: real1 gets three times as many connections"
on director "ipvsadm -E -t 192.0.2.1:80 -s wrr"
on director "ipvsadm -e -t 192.0.2.1:80 -r 10.0.0.11:8080 -m -w 3"
ask client http://192.0.2.1 40
expect "weights 3 and 1, answers by real1 of 40" 30 "$(answered real1)"
expect "weights 3 and 1, answers by real2 of 40" 10 "$(answered real2)"

title "Totals and rates; the kernel updates them every two seconds"
look director "ipvsadm -L -n --stats" "^TCP +192.0.2.1:80 +56 "
expect "connections that --stats counts, with the six of before" 56 "$(awk '$1 == "TCP" { print $3 }' <<<"$said")"
on director "ipvsadm -L -n --rate"

title "Maintenance: weight 0 drains real2"
on director "ipvsadm -e -t 192.0.2.1:80 -r 10.0.0.12:8080 -m -w 0"
ask client http://192.0.2.1 4
expect "weight 0, answers by real2 of 4" 0 "$(answered real2)"
on director "ipvsadm -L -n"

title "The rules, as ipvsadm-restore reads them"
on director "ipvsadm -S -n"
expect "lines saved" 3 "$(wc -l <<<"$said")"

title "Removing the setup"
on director "ipvsadm -D -t 192.0.2.1:80"
on director "echo 0 >/proc/sys/net/ipv4/ip_forward"
on director "ipvsadm -S -n"
expect "lines saved in the end" 0 "$(count .)"

conclude
