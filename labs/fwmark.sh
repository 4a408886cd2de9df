#!/bin/bash
# A firewall mark makes one service of several ports: iptables marks the packets, and IPVS balances all packets with the
# mark. With persistence, a client has the same server on all ports.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

cat <<'X'
One service of two ports, 80 and 8080, by a firewall mark. Forwarding is NAT, as in the first lab.

                                   director
  client  ---------- wan ------  192.0.2.1 | 10.0.0.1  ---- lan ----  real1  10.0.0.11:80 and :8080
  192.0.2.10 to 192.0.2.13     (virtual address)              \----  real2  10.0.0.12:80 and :8080

The lab runs each line HOST# COMMAND on that host. On real machines, type the same commands.
X

title "The machines and their addresses; the client has four addresses, as four clients"
host client director real1 real2
network wan client=192.0.2.10/24 client=192.0.2.11/24 client=192.0.2.12/24 client=192.0.2.13/24 director=192.0.2.1/24
network lan director=10.0.0.1/24 real1=10.0.0.11/24 real2=10.0.0.12/24
on director "echo 1 >/proc/sys/net/ipv4/ip_forward"
for real in real1 real2; do
  on $real "ip route replace default via 10.0.0.1"
  web $real 80
  web $real 8080
done

# visit ADDRESS...: sends three requests from each client to port 80 and to port 8080.
visit() {
  local address
  for address; do
    on client "curl -sS --max-time 10 --interface $address 'http://192.0.2.1:{80,8080}/?[1-3]' | sort | uniq -c"
    answers=$said
    servers+=("$(wc -l <<<"$said")")
    first+=("$(answered real1)")
  done
}

title "The mistake: with a persistent service for each port, each service has its own templates"
for port in 80 8080; do
  on director "ipvsadm -A -t 192.0.2.1:$port -s rr -p 600"
  on director "ipvsadm -a -t 192.0.2.1:$port -r 10.0.0.11 -m"
  on director "ipvsadm -a -t 192.0.2.1:$port -r 10.0.0.12 -m"
done
healthy director
on client "curl -sS --max-time 10 --interface 192.0.2.10 http://192.0.2.1:8080/"
servers=() first=()
visit 192.0.2.11 192.0.2.10
expect "servers that answer 192.0.2.11 and 192.0.2.10, whose order differs between the ports" "2 2" "${servers[*]}"
on director "ipvsadm -D -t 192.0.2.1:80"
on director "ipvsadm -D -t 192.0.2.1:8080"

title "One persistent service for a mark; the mistake: nothing sets the mark"
on director "ipvsadm -A -f 1 -s rr -p 600"
on director "ipvsadm -a -f 1 -r 10.0.0.11 -m"
on director "ipvsadm -a -f 1 -r 10.0.0.12 -m"
on client "curl -sS --max-time 1 http://192.0.2.1/ || true"
expect "answers without the mark" 0 "$(count '^real')"
doctor director
expect "the doctor's warning before a rule sets the mark" "LVS-SVC-12 warning" "$(codes)"

title "One mark for both ports"
on director "iptables -t mangle -A PREROUTING -d 192.0.2.1 -p tcp -m multiport --dports 80,8080 -j MARK --set-mark 1"
on director "ipvsadm -L -n"
expect "services by mark" 1 "$(count '^FWM  1 rr persistent 600$')"

title "Four clients, each on both ports"
servers=() first=()
visit 192.0.2.10 192.0.2.11 192.0.2.12 192.0.2.13
expect "servers that answer each of the four" "1 1 1 1" "${servers[*]}"
expect "clients with real1, of the four" 2 "$(printf '%s\n' "${first[@]}" | grep -c '^6$' || true)"
healthy director real1

title "The director keeps a template for each client, with port 0 and the mark as its address"
on director "ipvsadm -L -n -c | grep ' 0.0.0.1:0 '"
expect "templates" 4 "$(count '^IP .* (ASSURED|NONE) .* 0.0.0.1:0 ')"
on director "ipvsadm -L -n --persistent-conn"
expect "clients that --persistent-conn counts for each real server" "2 2" "$(awk '$1 == "->" && $4 ~ /^[0-9]/ { print $4 }' <<<"$said" | xargs)"

title "The rule's counters show that it marks packets"
on director "iptables -t mangle -S PREROUTING -v"
marked=$(sed -n 's/.* -c \([0-9]*\) .* -j MARK .*/\1/p' <<<"$said")
expect "packets that the rule has marked" yes "$([ "$marked" -gt 100 ] && echo yes)"

title "Removing the setup"
on director "ipvsadm -D -f 1"
on director "iptables -t mangle -D PREROUTING -d 192.0.2.1 -p tcp -m multiport --dports 80,8080 -j MARK --set-mark 1"
on director "ipvsadm -S -n"
expect "lines saved in the end" 0 "$(count .)"

conclude
