#!/bin/bash
# ldirectord: a health checker that calls /sbin/ipvsadm. It sets the weights of failed servers to 0, and back.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

cat <<'X1'
A virtual service by NAT, whose servers and weights ldirectord sets.

                          director
  client  ---- wan ----  192.0.2.1 | 10.0.0.1  ---- lan ----  real1  10.0.0.11:8080
  192.0.2.10            (virtual address)              \----  real2  10.0.0.12:8080

The lab runs each line HOST# COMMAND on that host. On real machines, type the same commands.
X1

title "The machines and their addresses"
host client director real1 real2
network wan client=192.0.2.10/24 director=192.0.2.1/24
network lan director=10.0.0.1/24 real1=10.0.0.11/24 real2=10.0.0.12/24
on director "echo 1 >/proc/sys/net/ipv4/ip_forward"
for real in real1 real2; do
  on $real "ip route replace default via 10.0.0.1"
  web $real 8080
done
# ldirectord calls /sbin/ipvsadm. On the director, a layer in memory over that directory has the lab's program.
run director "mkdir -p /run/sbin/upper /run/sbin/work &&
  mount -t overlay sbin -o lowerdir=/usr/sbin,upperdir=/run/sbin/upper,workdir=/run/sbin/work /usr/sbin &&
  ln -sf '$(command -v ipvsadm)' /usr/sbin/ipvsadm"

title "ldirectord adds the service and the servers whose page has the expected text"
on director "cat >/run/ldirectord.cf <<'END'
checkinterval=1
checktimeout=10
logfile=\"/run/ldirectord.log\"
quiescent=yes
virtual=192.0.2.1:80
	real=10.0.0.11:8080 masq 50
	real=10.0.0.12:8080 masq 50
	service=http
	request=\"index.html\"
	receive=\"real\"
	scheduler=rr
	protocol=tcp
	checktype=negotiate
END"
on director "ldirectord /run/ldirectord.cf start"
look director "ipvsadm -L -n | grep -c 'Masq *50 '" '^2$'
on director "ipvsadm -L -n"
expect "real servers with a weight of 50" 2 "$(count 'Masq +50')"
ask client http://192.0.2.1 10
expect "answers by real1 of 10" 5 "$(answered real1)"
expect "answers by real2 of 10" 5 "$(answered real2)"

title "real2 still accepts connections, but its page is gone: its weight becomes 0, and its connections stay"
on real2 "mv /run/www/index.html /run/www/away.html"
look director "ipvsadm -L -n" '10.0.0.12:8080 +Masq +0'
expect "real servers with a weight of 0" 1 "$(count 'Masq +0')"
ask client http://192.0.2.1 4
expect "answers by real1 of 4" 4 "$(answered real1)"

title "The page is back, and so is the weight"
on real2 "mv /run/www/away.html /run/www/index.html"
look director "ipvsadm -L -n" '10.0.0.12:8080 +Masq +50'
expect "real servers with a weight of 50 again" 2 "$(count 'Masq +50')"

title "A service of its own beside ldirectord: it stays when ldirectord stops"
on director "ipvsadm -A -t 192.0.2.1:8443 -s rr"
on director "ldirectord /run/ldirectord.cf stop"
look director "ipvsadm -S -n" '!192.0.2.1:80 '
expect "lines saved after the stop" "-A -t 192.0.2.1:8443 -s rr" "$said"
on director "ipvsadm -D -t 192.0.2.1:8443"

conclude
