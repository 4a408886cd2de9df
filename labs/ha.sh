#!/bin/bash
# A failover pair: keepalived moves the virtual address and runs health checks. The sync daemons copy connections to the
# other director, so that they survive the move.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

cat <<'X'
Two directors for one virtual address, forwarding by direct routing, as in that lab.

  client  192.0.2.10 ---+--- lan ---+---  director1  192.0.2.1   \  192.0.2.100 is on
                        |           +---  director2  192.0.2.2   /  one of the two
                        |
                 real1 192.0.2.11   real2 192.0.2.12   both with 192.0.2.100 on lo

The lab runs each line HOST# COMMAND on that host. On real machines, type the same commands.
X

title "The machines and their addresses; the real servers do not answer ARP for the virtual one"
host client director1 director2 real1 real2
network lan client=192.0.2.10/24 director1=192.0.2.1/24 director2=192.0.2.2/24 real1=192.0.2.11/24 real2=192.0.2.12/24
for real in real1 real2; do
  on $real "echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore; echo 2 >/proc/sys/net/ipv4/conf/all/arp_announce"
  on $real "ip address add 192.0.2.100/32 dev lo"
  web $real 80
  on $real "mkdir /run/www/cgi-bin && cat >/run/www/cgi-bin/long <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n'
until [ -e /run/enough ]; do
  head -c 100000 /dev/zero
  sleep 0.1
done
echo the end
END
chmod +x /run/www/cgi-bin/long"
done

title "A service without health checks: ipvsadm adds it on both directors"
for director in director1 director2; do
  on $director "ipvsadm -A -t 192.0.2.100:8080 -s rr"
done

title "keepalived on both directors moves the virtual address and runs health checks"
# configure HOST PRIORITY
configure() {
  on "$1" "cat >/run/keepalived.conf <<'END'
global_defs {
  router_id $1
  vrrp_version 3
}
vrrp_instance web {
  interface lan
  virtual_router_id 51
  priority $2
  advert_int 1
  virtual_ipaddress {
    192.0.2.100/32
  }
}
virtual_server 192.0.2.100 80 {
  lb_algo rr
  lb_kind DR
  protocol TCP
  delay_loop 1
  real_server 192.0.2.11 80 {
    TCP_CHECK {
      connect_timeout 5
      retry 0
    }
  }
  real_server 192.0.2.12 80 {
    HTTP_GET {
      url {
        path /
        status_code 200
      }
      connect_timeout 5
      retry 0
    }
  }
}
END"
  on "$1" "keepalived -f /run/keepalived.conf"
}
configure director1 150
configure director2 100

title "The sync daemons: each director sends its connections with its own syncid, and receives the other's"
on director1 "ipvsadm --start-daemon master --mcast-interface lan --syncid 1"
on director1 "ipvsadm --start-daemon backup --mcast-interface lan --syncid 2"
on director2 "ipvsadm --start-daemon master --mcast-interface lan --syncid 2"
on director2 "ipvsadm --start-daemon backup --mcast-interface lan --syncid 1"
on director1 "ipvsadm -L --daemon"
expect "sync daemons on director1" 2 "$(count 'sync daemon')"

# holder DIRECTOR: waits until this director alone has the virtual address, and prints the directors that have it.
holder() {
  local host holders deadline=$((SECONDS + 60))
  while :; do
    holders=
    for host in director1 director2; do
      run $host "ip -4 -o address show dev lan to 192.0.2.100"
      [ -z "$said" ] || holders+="$host "
    done
    [ "$holders" != "$1 " ] && [ $SECONDS -lt $deadline ] || break
    sleep 0.2
  done
  printf '%s' "$holders"
}

title "The active director, and the table of both directors"
look director1 "ip -brief -4 address show dev lan" 192.0.2.100
expect "holds the virtual address at first" "director1 " "$(holder director1)"
for director in director1 director2; do
  look $director "ipvsadm -L -n" '192.0.2.12:80'
  expect "real servers that $director knows" 2 "$(count Route)"
done
ask client http://192.0.2.100 10
expect "answers by real1 of 10" 5 "$(answered real1)"
expect "answers by real2 of 10" 5 "$(answered real2)"

service=192.0.2.100:80 healthy director1 director2
healthy real1

title "real2 still accepts connections, but its page is gone: only the health check HTTP_GET detects this"
on real2 "mv /run/www/index.html /run/www/away.html"
for director in director1 director2; do
  look $director "ipvsadm -L -n" '!192.0.2.12'
  expect "real servers that $director has left without real2's page" "192.0.2.11:80" "$(awk '/Route/ { print $2 }' <<<"$said")"
done
on real2 "mv /run/www/away.html /run/www/index.html"
look director1 "ipvsadm -L -n" '192.0.2.12'
expect "real servers that director1 has with it again" 2 "$(count Route)"

title "real1 loses its cable, which every health check detects"
on real1 "ip link set lan down"
look director1 "ipvsadm -L -n" '!192.0.2.11'
expect "real servers that director1 has left without real1" "192.0.2.12:80" "$(awk '/Route/ { print $2 }' <<<"$said")"
ask client http://192.0.2.100 4
expect "answers by real2 of 4 meanwhile" 4 "$(answered real2)"
on real1 "ip link set lan up"
for director in director1 director2; do
  look $director "ipvsadm -L -n" '192.0.2.11'
  expect "real servers that $director has with real1 again" 2 "$(count Route)"
done

title "A long transfer begins. director2 sees none of its packets, and receives the connection from the sync daemon"
on client "curl -sS -o /run/transfer -w '%{http_code}\n' http://192.0.2.100/cgi-bin/long >/run/status 2>&1 &"
look director1 "ipvsadm -L -n -c | grep ESTABLISHED" ESTABLISHED
through=$(awk '{ print $4, $6 }' <<<"$said")
look director2 "ipvsadm -L -n -c | grep ESTABLISHED" ESTABLISHED
expect "client and real server of the connection, on director2 as on director1" "$through" "$(awk '{ print $4, $6 }' <<<"$said")"

title "Each director tells its own connections from those that it has received"
on director1 "ipvsadm -L -c --state ESTABLISHED --count-by origin"
expect "origin on director1" "local 1" "$(awk 'NR == 2 { print $1, $2 }' <<<"$said")"
on director2 "ipvsadm -L -c --state ESTABLISHED --count-by origin"
expect "origin on director2" "synced 1" "$(awk 'NR == 2 { print $1, $2 }' <<<"$said")"
on director2 "ipvsadm -L -c --origin local --count --no-header"
expect "connections that director2 has made itself" 0 "$(awk '{ print $1 }' <<<"$said")"

title "director1 loses its cable: director2 takes over the virtual address and the connection"
on director1 "ip link set lan down"
look director2 "ip -brief -4 address show dev lan" 192.0.2.100
expect "holds the virtual address now" "director2 " "$(holder director2)"
ask client http://192.0.2.100 10
expect "answers by real1 of 10, through director2" 5 "$(answered real1)"
on director2 "ipvsadm -L -c --origin local --count --no-header"
expect "connections that director2 has made itself since it took over" 10 "$(awk '{ print $1 }' <<<"$said")"
on director2 "ipvsadm -L -c --state ESTABLISHED --count-by origin --no-header"
expect "origin of the transfer, which director1 began" "synced 1" "$(awk '{ print $1, $2 }' <<<"$said")"
on director2 "ipvsadm -L -n -c | grep ESTABLISHED"
expect "the connection continues through director2" "$through" "$(awk '{ print $4, $6 }' <<<"$said")"

title "director1 returns, and takes the address back"
on director1 "ip link set lan up"
look director1 "ip -brief -4 address show dev lan" 192.0.2.100
expect "holds the virtual address in the end" "director1 " "$(holder director1)"
# Its health checks failed without the cable.
look director1 "ipvsadm -L -n | grep -c Route" '^2$'
expect "real servers that director1 has after its return" 2 "$said"
on director1 "ipvsadm -L -n"
on director2 "ipvsadm -L -n"
on real1 "touch /run/enough"
on real2 "touch /run/enough"
look client "cat /run/status" .
expect "status of the transfer" 200 "$said"
on client "tail -c 8 /run/transfer"
expect "its end" "the end" "$said"

title "Manual changes apply to one director only, until keepalived changes the same server"
on director1 "ipvsadm -e -t 192.0.2.100:80 -r 192.0.2.11 -g -w 0"
ask client http://192.0.2.100 4
expect "answers by real2 of 4, with real1 at weight 0" 4 "$(answered real2)"
on director2 "ipvsadm -L -n"
expect "real1's weight on director2" 1 "$(awk '/192.0.2.11/ { print $4 }' <<<"$said")"
on director2 "ipvsadm -S -n"
doctor director1 "--against - <<'END'
$said
END"
expect "the doctor's warning about the difference" "LVS-SYNC-03 warning" "$(codes | grep -o 'LVS-SYNC.*')"

title "Removing the setup: keepalived removes its rules and the address, and no others"
for director in director1 director2; do
  on $director "kill \$(cat /run/keepalived.pid)"
  look $director "ipvsadm -S -n" '!:80 '
  expect "lines saved on $director without keepalived" "-A -t 192.0.2.100:8080 -s rr" "$said"
  on $director "ipvsadm -D -t 192.0.2.100:8080"
  on $director "ipvsadm --stop-daemon master"
  on $director "ipvsadm --stop-daemon backup"
  on $director "ipvsadm -L --daemon"
  expect "sync daemons on $director in the end" 0 "$(count .)"
  look $director "test -e /run/keepalived.pid || echo keepalived has ended" ended
done

title "Three addresses: web belongs to director1, mail to director2, and admin stays with the director that has it"
# configure_three HOST WEB-PRIORITY MAIL-PRIORITY
configure_three() {
  on "$1" "cat >/run/sync <<'END'
#!/bin/sh
# The sync daemon has the role of the director: master or backup, or none after a fault. One script runs at a time.
exec 9>/run/sync.lock && flock 9
ipvsadm --stop-daemon master 2>/dev/null
ipvsadm --stop-daemon backup 2>/dev/null
[ \$1 = fault ] || ipvsadm --start-daemon \$1 --mcast-interface lan --syncid 1
END
chmod 755 /run/sync
touch /run/healthy"
  on "$1" "cat >/run/three.conf <<'END'
global_defs {
  router_id $1
  vrrp_version 3
  script_user root
  enable_script_security
  vrrp_garp_master_delay 1
  vrrp_garp_master_repeat 2
}
vrrp_script local {
  script \"/usr/bin/cat /run/healthy\"
  interval 1
  timeout 5
  fall 2
  rise 2
}
vrrp_instance web {
  interface lan
  virtual_router_id 51
  priority $2
  advert_int 1
  virtual_ipaddress {
    192.0.2.100/32
  }
  track_script {
    local weight -60
  }
  notify_master \"/run/sync master\"
  notify_backup \"/run/sync backup\"
  notify_fault \"/run/sync fault\"
}
vrrp_instance mail {
  interface lan
  virtual_router_id 52
  priority $3
  advert_int 1
  virtual_ipaddress {
    192.0.2.101/32
  }
  track_script {
    local weight -60
  }
}
vrrp_instance admin {
  state BACKUP
  nopreempt
  interface lan
  virtual_router_id 53
  priority $2
  advert_int 1
  virtual_ipaddress {
    192.0.2.102/32
  }
  track_script {
    local
  }
}
END"
  on "$1" "keepalived -f /run/three.conf"
}
# addresses: prints the last numbers of the virtual addresses that a director has.
addresses() { grep -oE '192\.0\.2\.10[0-2]' <<<"$said" | sed 's/.*\.//' | sort | xargs; }
configure_three director1 150 100
look director1 "ip -brief -4 address show dev lan" '192.0.2.100.*192.0.2.102|192.0.2.102.*192.0.2.100'
configure_three director2 100 150
look director2 "ip -brief -4 address show dev lan" 192.0.2.101
expect "addresses of director2" "101" "$(addresses)"
look director1 "ip -brief -4 address show dev lan" '!192.0.2.101'
expect "addresses of director1" "100 102" "$(addresses)"
look director1 "ipvsadm -L --daemon" master
expect "sync daemons of director1" "master" "$(awk '{ print $1 }' <<<"$said")"
look director2 "ipvsadm -L --daemon" backup
expect "sync daemons of director2" "backup" "$(awk '{ print $1 }' <<<"$said")"

title "The local check fails twice on director1, which keeps running and gives its addresses away"
capture client lan 4 'arp and arp[14:4] == 0xc0000264 and arp[24:4] == 0xc0000264'
on director1 "rm /run/healthy"
look director2 "ip -brief -4 address show dev lan" '192.0.2.100.*192.0.2.102|192.0.2.102.*192.0.2.100'
expect "addresses of director2 without director1's" "100 101 102" "$(addresses)"
look director2 "ipvsadm -L --daemon" master
expect "sync daemons of director2 then" "master" "$(awk '{ print $1 }' <<<"$said")"
look director1 "ipvsadm -L --daemon" backup
expect "sync daemons of director1 then" "backup" "$(awk '{ print $1 }' <<<"$said")"

title "The new owner announces the address twice at once, and twice again a second later"
look client "wc -l </run/seen" '^4$'
expect "announcements of 192.0.2.100" 4 "$said"
on client "cut -d. -f1 /run/seen | sort -u | wc -l"
expect "different seconds of the announcements" yes "$([ "$said" -gt 1 ] && echo yes)"

title "The check succeeds twice: web returns to director1, and admin stays, since it is not preempted"
on director1 "touch /run/healthy"
look director1 "ip -brief -4 address show dev lan" 192.0.2.100
expect "addresses of director1 again" "100" "$(addresses)"
look director2 "ip -brief -4 address show dev lan" '!192.0.2.100/'
expect "addresses of director2 afterwards" "101 102" "$(addresses)"
for director in director1 director2; do
  on $director "kill \$(cat /run/keepalived.pid)"
  look $director "ip -brief -4 address show dev lan" '!192.0.2.10'
  on $director "/run/sync fault"
done
for real in real1 real2; do
  on $real "ip address del 192.0.2.100/32 dev lo"
  on $real "echo 0 >/proc/sys/net/ipv4/conf/all/arp_announce; echo 0 >/proc/sys/net/ipv4/conf/all/arp_ignore"
done

conclude
