# Completion of ipvsadm for fish: options that fit the command typed so far, and values that the kernel has. It prints
# no errors if there is no IPVS or no permission.

# --- From the programs' own table; `UPDATE=1 cargo test --test manual` writes it.
set -g __ipvsadm_table \
    'A add-service command nothing -' \
    'E edit-service command nothing -' \
    'D delete-service command nothing -' \
    'C clear command nothing -' \
    'R restore command nothing -' \
    'S save command nothing -' \
    'a add-server command nothing -' \
    'e edit-server command nothing -' \
    'd delete-server command nothing -' \
    'L,l list command nothing -' \
    'Z zero command nothing -' \
    ', set command nothing -' \
    ', start-daemon command value -' \
    ', stop-daemon command value -' \
    ', doctor command nothing -' \
    'h help command nothing -' \
    'v version command nothing -' \
    'n numeric numeric nothing save,list' \
    'c connection connection nothing list' \
    't tcp-service tcp-service value add-service,edit-service,delete-service,save,add-server,edit-server,delete-server,list,zero,doctor' \
    'u udp-service tcp-service value add-service,edit-service,delete-service,save,add-server,edit-server,delete-server,list,zero,doctor' \
    ', sctp-service tcp-service value add-service,edit-service,delete-service,save,add-server,edit-server,delete-server,list,zero,doctor' \
    'f fwmark-service tcp-service value add-service,edit-service,delete-service,save,add-server,edit-server,delete-server,list,zero,doctor' \
    's scheduler scheduler value add-service,edit-service' \
    'p persistent persistent maybe add-service,edit-service' \
    'M netmask netmask value add-service,edit-service' \
    'r real-server real-server value add-server,edit-server,delete-server,list' \
    'g gatewaying gatewaying nothing add-server,edit-server' \
    'i ipip gatewaying nothing add-server,edit-server' \
    'm masquerading gatewaying nothing add-server,edit-server' \
    'w weight weight value add-server,edit-server' \
    'x u-threshold u-threshold value add-server,edit-server' \
    'y l-threshold l-threshold value add-server,edit-server' \
    ', mcast-interface mcast-interface value start-daemon' \
    ', timeout timeout nothing list' \
    ', daemon daemon nothing list' \
    ', stats stats nothing list' \
    ', rate rate nothing list' \
    ', thresholds thresholds nothing list' \
    ', persistent-conn persistent-conn nothing list' \
    ', nosort nosort nothing list' \
    ', syncid syncid value list,start-daemon,stop-daemon' \
    'X exact exact nothing list' \
    'o ops ops nothing add-service,edit-service' \
    ', pe pe value add-service,edit-service' \
    'b sched-flags sched-flags value add-service,edit-service' \
    ', mcast-group mcast-group value start-daemon' \
    ', mcast-port mcast-port value start-daemon' \
    ', mcast-ttl mcast-ttl value start-daemon' \
    ', sync-maxlen sync-maxlen value start-daemon' \
    ', tun-info tun-info nothing list' \
    ', tun-type tun-type value add-server,edit-server' \
    ', tun-port tun-port value add-server,edit-server' \
    ', tun-nocsum tun-nocsum nothing add-server,edit-server' \
    ', tun-csum tun-csum nothing add-server,edit-server' \
    ', tun-remcsum tun-remcsum nothing add-server,edit-server' \
    ', json json nothing delete-service,save,edit-server,delete-server,list,doctor' \
    ', all all nothing save' \
    ', allow-empty allow-empty nothing save' \
    ', own-port own-port nothing add-server,edit-server' \
    ', drain drain nothing delete-service,edit-server,delete-server' \
    ', force force nothing delete-service,edit-server,delete-server' \
    ', within within value clear,save' \
    ', probe probe nothing doctor' \
    ', sample sample value doctor' \
    ', against against value doctor' \
    ', sort sort nothing add-service,edit-service,delete-service,clear,restore,save,add-server,edit-server,delete-server,list,zero,set,start-daemon,stop-daemon,doctor' \
    '6 ipv6 ipv6 nothing add-service,edit-service,delete-service,save,add-server,edit-server,delete-server,list,zero,doctor' \
    ', metrics metrics nothing list' \
    ', by by value list' \
    ', netns netns value add-service,edit-service,delete-service,clear,restore,save,add-server,edit-server,delete-server,list,zero,set,start-daemon,stop-daemon,doctor' \
    ', color color value add-service,edit-service,delete-service,clear,restore,save,add-server,edit-server,delete-server,list,zero,set,start-daemon,stop-daemon,doctor' \
    ', client client value list' \
    ', state state value list' \
    ', origin origin value list' \
    ', count count nothing list' \
    ', count-by count-by value list' \
    ', limit limit value list' \
    ', no-header no-header nothing list' \
    ', keep keep nothing edit-service,edit-server' \
    ', if-exists if-exists nothing edit-service,delete-service,edit-server,delete-server' \
    ', if-not-exists if-not-exists nothing add-service,add-server' \
    ', replace replace nothing add-service,add-server' \
    ', dry-run dry-run nothing add-service,edit-service,delete-service,clear,restore,add-server,edit-server,delete-server,zero,set,start-daemon,stop-daemon' \
    ', confirm confirm value add-service,edit-service,delete-service,clear,add-server,edit-server,delete-server,zero,set,start-daemon,stop-daemon' \
    ', watch watch nothing list' \
    ', monitor monitor nothing list' \
    ', settings settings nothing save,list' \
    ', digest digest nothing save' \
    ', summary summary nothing list'
set -g __ipvsadm_codes LVS-KERNEL-01 LVS-KERNEL-02 LVS-KERNEL-03 LVS-KERNEL-04 LVS-KERNEL-05 LVS-KERNEL-06 LVS-KERNEL-07 LVS-KERNEL-08 LVS-DIR-01 LVS-DIR-02 LVS-DIR-03 LVS-DIR-04 LVS-DIR-05 LVS-DIR-06 LVS-DIR-07 LVS-DIR-08 LVS-DIR-09 LVS-NAT-01 LVS-NAT-02 LVS-NAT-03 LVS-DR-01 LVS-DR-02 LVS-DR-03 LVS-DR-04 LVS-DR-05 LVS-SRV-01 LVS-SRV-02 LVS-SRV-03 LVS-SRV-04 LVS-SRV-05 LVS-SRV-06 LVS-TUN-01 LVS-TUN-02 LVS-ARP-01 LVS-ARP-02 LVS-ARP-03 LVS-ARP-04 LVS-RS-01 LVS-RS-02 LVS-RS-03 LVS-RS-04 LVS-SVC-01 LVS-SVC-02 LVS-SVC-03 LVS-SVC-04 LVS-SVC-05 LVS-SVC-06 LVS-SVC-07 LVS-SVC-08 LVS-SVC-09 LVS-SVC-10 LVS-SVC-11 LVS-SVC-12 LVS-SYNC-01 LVS-SYNC-02 LVS-SYNC-03 LVS-SYNC-04 LVS-SYNC-05 LVS-SYNC-06 LVS-SYNC-07
complete -c ipvsadm -n '__ipvsadm_needs_command add-service' -s A -l add-service -d 'Add a virtual service'
complete -c ipvsadm -n '__ipvsadm_needs_command edit-service' -s E -l edit-service -d 'Edit a virtual service: options that are omitted return to their defaults'
complete -c ipvsadm -n '__ipvsadm_needs_command delete-service' -s D -l delete-service -d 'Delete a virtual service with its real servers'
complete -c ipvsadm -n '__ipvsadm_needs_command clear' -s C -l clear -d 'Delete all virtual services'
complete -c ipvsadm -n '__ipvsadm_needs_command restore' -s R -l restore -d 'Apply the lines of a file or of standard input'
complete -c ipvsadm -n '__ipvsadm_needs_command save' -s S -l save -d 'Save the table as lines that -R takes; without FILE, print it'
complete -c ipvsadm -n '__ipvsadm_needs_command add-server' -s a -l add-server -d 'Add a real server to a service'
complete -c ipvsadm -n '__ipvsadm_needs_command edit-server' -s e -l edit-server -d 'Edit a real server: options that are omitted return to their defaults'
complete -c ipvsadm -n '__ipvsadm_needs_command delete-server' -s d -l delete-server -d 'Delete a real server from a service'
complete -c ipvsadm -n '__ipvsadm_needs_command list' -s L -s l -l list -d 'List the table; the default command'
complete -c ipvsadm -n '__ipvsadm_needs_command zero' -s Z -l zero -d 'Zero the counters of a service, or of all'
complete -c ipvsadm -n '__ipvsadm_needs_command set' -l set -d 'Set the connection timeouts in seconds; 0 leaves one as it is'
complete -c ipvsadm -n '__ipvsadm_needs_command start-daemon' -l start-daemon -x -a '(__ipvsadm_values start-daemon)' -d 'Start a connection sync daemon'
complete -c ipvsadm -n '__ipvsadm_needs_command stop-daemon' -l stop-daemon -x -a '(__ipvsadm_values stop-daemon)' -d 'Stop a connection sync daemon'
complete -c ipvsadm -n '__ipvsadm_needs_command doctor' -l doctor -d 'Look for faults of this director and its network; with CODE, explain a finding'
complete -c ipvsadm -n '__ipvsadm_needs_command help' -s h -l help -d 'Print the help: short with -h, complete with --help'
complete -c ipvsadm -n '__ipvsadm_needs_command version' -s v -l version -d 'Print the version'
complete -c ipvsadm -n '__ipvsadm_takes numeric' -s n -l numeric -d 'Print addresses and ports as numbers'
complete -c ipvsadm -n '__ipvsadm_takes connection' -s c -l connection -d 'List the connections'
complete -c ipvsadm -n '__ipvsadm_takes tcp-service' -s t -l tcp-service -x -a '(__ipvsadm_values tcp-service)' -d 'The TCP service at an address'
complete -c ipvsadm -n '__ipvsadm_takes udp-service' -s u -l udp-service -x -a '(__ipvsadm_values udp-service)' -d 'The UDP service at an address'
complete -c ipvsadm -n '__ipvsadm_takes sctp-service' -l sctp-service -x -a '(__ipvsadm_values sctp-service)' -d 'The SCTP service at an address'
complete -c ipvsadm -n '__ipvsadm_takes fwmark-service' -s f -l fwmark-service -x -a '(__ipvsadm_values fwmark-service)' -d 'The service of packets with a firewall mark, 1 to 4294967295'
complete -c ipvsadm -n '__ipvsadm_takes scheduler' -s s -l scheduler -x -a '(__ipvsadm_values scheduler)' -d 'rr, wrr, lc, wlc, lblc, lblcr, dh, sh, sed, nq, fo, ovf, mh, twos or another that the kernel has [default: wlc]'
complete -c ipvsadm -n '__ipvsadm_takes persistent' -s p -l persistent -d 'Persistence timeout in seconds [default: 360]'
complete -c ipvsadm -n '__ipvsadm_takes netmask' -s M -l netmask -x -a '(__ipvsadm_values netmask)' -d 'Persistence netmask: a prefix length or, for IPv4, a mask [default: 32 or 128 bits]'
complete -c ipvsadm -n '__ipvsadm_takes real-server' -s r -l real-server -x -a '(__ipvsadm_values real-server)' -d 'The real server; its port is the service\'s if that comes first on the line. With -L -c: connections of this server'
complete -c ipvsadm -n '__ipvsadm_takes gatewaying' -s g -l gatewaying -d 'Forward by direct routing; the default'
complete -c ipvsadm -n '__ipvsadm_takes ipip' -s i -l ipip -d 'Forward through a tunnel'
complete -c ipvsadm -n '__ipvsadm_takes masquerading' -s m -l masquerading -d 'Forward by address translation (NAT)'
complete -c ipvsadm -n '__ipvsadm_takes weight' -s w -l weight -x -a '(__ipvsadm_values weight)' -d 'Capacity relative to the other servers; 0 drains the server [default: 1]'
complete -c ipvsadm -n '__ipvsadm_takes u-threshold' -s x -l u-threshold -x -a '(__ipvsadm_values u-threshold)' -d 'Number of connections at which the server gets no new ones; 0 for no limit'
complete -c ipvsadm -n '__ipvsadm_takes l-threshold' -s y -l l-threshold -x -a '(__ipvsadm_values l-threshold)' -d 'Number of connections below which the server gets new ones again'
complete -c ipvsadm -n '__ipvsadm_takes mcast-interface' -l mcast-interface -x -a '(__ipvsadm_values mcast-interface)' -d 'The interface of the daemon [default: eth0]'
complete -c ipvsadm -n '__ipvsadm_takes timeout' -l timeout -d 'List the connection timeouts'
complete -c ipvsadm -n '__ipvsadm_takes daemon' -l daemon -d 'List the sync daemons'
complete -c ipvsadm -n '__ipvsadm_takes stats' -l stats -d 'List the totals since the addition or -Z'
complete -c ipvsadm -n '__ipvsadm_takes rate' -l rate -d 'List the rates per second'
complete -c ipvsadm -n '__ipvsadm_takes thresholds' -l thresholds -d 'List the thresholds'
complete -c ipvsadm -n '__ipvsadm_takes persistent-conn' -l persistent-conn -d 'List the numbers of persistent clients; with -c, the data of persistence engines'
complete -c ipvsadm -n '__ipvsadm_takes nosort' -l nosort -d 'List in the kernel\'s order'
complete -c ipvsadm -n '__ipvsadm_takes syncid' -l syncid -x -a '(__ipvsadm_values syncid)' -d 'The daemon\'s number, 0 to 255; a backup accepts messages with its number [default: 0]'
complete -c ipvsadm -n '__ipvsadm_takes exact' -s X -l exact -d 'Print all digits of large numbers'
complete -c ipvsadm -n '__ipvsadm_takes ops' -s o -l ops -d 'Schedule each packet of a UDP service'
complete -c ipvsadm -n '__ipvsadm_takes pe' -l pe -x -a '(__ipvsadm_values pe)' -d 'Persistence engine that identifies clients: sip, or another that the kernel has'
complete -c ipvsadm -n '__ipvsadm_takes sched-flags' -s b -l sched-flags -x -a '(__ipvsadm_values sched-flags)' -d 'sh-fallback, sh-port, mh-fallback, mh-port, or flag-1, flag-2, flag-3 of any scheduler'
complete -c ipvsadm -n '__ipvsadm_takes mcast-group' -l mcast-group -x -a '(__ipvsadm_values mcast-group)' -d 'The multicast address of the daemon [default: 224.0.0.81]'
complete -c ipvsadm -n '__ipvsadm_takes mcast-port' -l mcast-port -x -a '(__ipvsadm_values mcast-port)' -d 'The UDP port of the daemon [default: 8848]'
complete -c ipvsadm -n '__ipvsadm_takes mcast-ttl' -l mcast-ttl -x -a '(__ipvsadm_values mcast-ttl)' -d 'The time to live of the daemon\'s packets [default: 1]'
complete -c ipvsadm -n '__ipvsadm_takes sync-maxlen' -l sync-maxlen -x -a '(__ipvsadm_values sync-maxlen)' -d 'The maximum message length [default: from the MTU]'
complete -c ipvsadm -n '__ipvsadm_takes tun-info' -l tun-info -d 'List the tunnels'
complete -c ipvsadm -n '__ipvsadm_takes tun-type' -l tun-type -x -a '(__ipvsadm_values tun-type)' -d 'The kind of tunnel: ipip, gue or gre [default: ipip]'
complete -c ipvsadm -n '__ipvsadm_takes tun-port' -l tun-port -x -a '(__ipvsadm_values tun-port)' -d 'The UDP port of a gue tunnel at the real server'
complete -c ipvsadm -n '__ipvsadm_takes tun-nocsum' -l tun-nocsum -d 'Send gue and gre packets without a checksum; the default'
complete -c ipvsadm -n '__ipvsadm_takes tun-csum' -l tun-csum -d 'Send gue and gre packets with a checksum'
complete -c ipvsadm -n '__ipvsadm_takes tun-remcsum' -l tun-remcsum -d 'Use remote checksum offload in a gue tunnel'
complete -c ipvsadm -n '__ipvsadm_takes json' -l json -d 'Print all data as JSON, with numbers instead of names; with -S, a document of rules; with --drain, an object for each step'
complete -c ipvsadm -n '__ipvsadm_takes all' -l all -d 'Save the timeouts and the running sync daemons too'
complete -c ipvsadm -n '__ipvsadm_takes allow-empty' -l allow-empty -d 'Let an empty table replace a file that contains rules'
complete -c ipvsadm -n '__ipvsadm_takes own-port' -l own-port -d 'Keep the port of -r with -g and -i; by default it is the service\'s'
complete -c ipvsadm -n '__ipvsadm_takes drain' -l drain -d 'Set the weight to 0, wait until no connection is left or SECONDS are over, then delete with -d and -D'
complete -c ipvsadm -n '__ipvsadm_takes force' -l force -d 'Drain although new connections would be refused; delete also if connections are left'
complete -c ipvsadm -n '__ipvsadm_takes within' -l within -x -a '(__ipvsadm_values within)' -d 'Only the services of a network, ADDRESS[/N], or of firewall marks, fwmark:LOW[-HIGH]; may be repeated'
complete -c ipvsadm -n '__ipvsadm_takes probe' -l probe -d 'Connect to each real server, and wait SECONDS for the answers [default: 1]'
complete -c ipvsadm -n '__ipvsadm_takes sample' -l sample -x -a '(__ipvsadm_values sample)' -d 'Look twice, SECONDS apart, and compare the counters'
complete -c ipvsadm -n '__ipvsadm_takes against' -l against -x -a '(__ipvsadm_values against)' -d 'Compare the table with that of another director, saved with -S -n; - is standard input'
complete -c ipvsadm -n '__ipvsadm_takes sort' -l sort -d 'Sort the listing; the default'
complete -c ipvsadm -n '__ipvsadm_takes ipv6' -s 6 -l ipv6 -d 'After -f: the packets are IPv6'
complete -c ipvsadm -n '__ipvsadm_takes metrics' -l metrics -d 'Print the state as metrics for Prometheus, or replace FILE with them'
complete -c ipvsadm -n '__ipvsadm_takes by' -l by -x -a '(__ipvsadm_values by)' -d 'With --metrics: add up the real servers of each service'
complete -c ipvsadm -n '__ipvsadm_takes netns' -l netns -x -a '(__ipvsadm_values netns)' -d 'Work in another network namespace: its name in /run/netns, a path, or the PID of a process'
complete -c ipvsadm -n '__ipvsadm_takes color' -l color -x -a '(__ipvsadm_values color)' -d 'Colour messages, help and tables: auto, always or never [default: auto]'
complete -c ipvsadm -n '__ipvsadm_takes client' -l client -x -a '(__ipvsadm_values client)' -d 'With -c: connections of clients in this network'
complete -c ipvsadm -n '__ipvsadm_takes state' -l state -x -a '(__ipvsadm_values state)' -d 'With -c: connections in one of these states, such as ESTABLISHED'
complete -c ipvsadm -n '__ipvsadm_takes origin' -l origin -x -a '(__ipvsadm_values origin)' -d 'With -c: connections that this director has scheduled, or those from its sync daemon'
complete -c ipvsadm -n '__ipvsadm_takes count' -l count -d 'With -c: print the number of connections'
complete -c ipvsadm -n '__ipvsadm_takes count-by' -l count-by -x -a '(__ipvsadm_values count-by)' -d 'With -c: count by client, client/24 or client/24,64 (networks), service, server, state or origin'
complete -c ipvsadm -n '__ipvsadm_takes limit' -l limit -x -a '(__ipvsadm_values limit)' -d 'Print the largest groups alone'
complete -c ipvsadm -n '__ipvsadm_takes no-header' -l no-header -d 'Print tables of counts, --summary and --settings without titles'
complete -c ipvsadm -n '__ipvsadm_takes keep' -l keep -d 'Keep all settings that the line omits; -w may be +N, -N or N%'
complete -c ipvsadm -n '__ipvsadm_takes if-exists' -l if-exists -d 'Do nothing if the service or the server is missing'
complete -c ipvsadm -n '__ipvsadm_takes if-not-exists' -l if-not-exists -d 'Do nothing if the same service or server exists'
complete -c ipvsadm -n '__ipvsadm_takes replace' -l replace -d 'Add the service or the server, or edit it if it exists'
complete -c ipvsadm -n '__ipvsadm_takes dry-run' -l dry-run -d 'Print the entries that would change, before and after; change nothing'
complete -c ipvsadm -n '__ipvsadm_takes confirm' -l confirm -x -a '(__ipvsadm_values confirm)' -d 'Undo the change unless Enter is pressed on the terminal in time'
complete -c ipvsadm -n '__ipvsadm_takes watch' -l watch -d 'Repeat the listing until Ctrl-C [default: every 2 seconds]'
complete -c ipvsadm -n '__ipvsadm_takes monitor' -l monitor -d 'Print changes of the table until Ctrl-C; look for them every 2 seconds by default'
complete -c ipvsadm -n '__ipvsadm_takes settings' -l settings -d 'With -L: list the kernel\'s settings net.ipv4.vs.*; with -S: print those that differ from the defaults as sysctl.conf(5) has them, or replace FILE with them'
complete -c ipvsadm -n '__ipvsadm_takes digest' -l digest -d 'Print the SHA-256 digest of the saved lines without weights, or of all that they say'
complete -c ipvsadm -n '__ipvsadm_takes summary' -l summary -d 'List one line for each service, the totals, the share of each CPU, and application helpers'
# --- End of the table.

# Parses the words typed so far as the program does. fish evaluates many conditions for the same line, so it is parsed
# only once.
function __ipvsadm_read
    set -l tokens (commandline -opc)
    set -l line (string join \n -- $tokens | string collect)
    test "$line" = "$__ipvsadm_line"; and return
    set -g __ipvsadm_line $line
    set -g __ipvsadm_command
    set -g __ipvsadm_given
    set -g __ipvsadm_pending
    set -g __ipvsadm_service_option
    set -g __ipvsadm_service
    set -g __ipvsadm_scheduler
    set -l maybe
    for token in $tokens[2..]
        if test -n "$__ipvsadm_pending"
            __ipvsadm_note_value $__ipvsadm_pending $token
            set __ipvsadm_pending
            continue
        else if test -n "$maybe"; and not string match -q -- '-*' $token
            set maybe
            continue
        end
        set maybe
        if string match -q -- '--*' $token
            set -l parts (string split -m 1 = -- $token)
            set -l row (string match -r -- "^\S+ "(string escape --style=regex -- (string sub -s 3 -- $parts[1]))" .*" $__ipvsadm_table)
            test -n "$row"; or continue
            set -l fields (string split ' ' -- $row)
            __ipvsadm_note $fields
            if set -q parts[2]
                __ipvsadm_note_value $fields[2] $parts[2]
            else if test $fields[4] = value
                set __ipvsadm_pending $fields[2]
            else if test $fields[4] = maybe
                set maybe $fields[2]
            end
        else if string match -qr -- '^-.' $token
            for i in (seq 2 (string length -- $token))
                set -l letter (string sub -s $i -l 1 -- $token)
                set -l row (string match -r -- "^\S*"(string escape --style=regex -- $letter)"\S* .*" $__ipvsadm_table)
                test -n "$row"; or break
                set -l fields (string split ' ' -- $row[1])
                __ipvsadm_note $fields
                test $fields[4] = nothing; and continue
                set -l rest (string sub -s (math $i + 1) -- $token)
                if test -n "$rest"
                    __ipvsadm_note_value $fields[2] (string replace -r '^=' '' -- $rest)
                else if test $fields[4] = value
                    set __ipvsadm_pending $fields[2]
                else
                    set maybe $fields[2]
                end
                break
            end
        end
    end
end

function __ipvsadm_note -a short long group
    set -a __ipvsadm_given $group $long
    test $group = command; and test -z "$__ipvsadm_command"; and set __ipvsadm_command $long
end

function __ipvsadm_note_value -a long value
    switch $long
        case '*-service'
            set __ipvsadm_service_option $long
            set __ipvsadm_service $value
        case scheduler
            set __ipvsadm_scheduler $value
    end
end

# Succeeds if a command may come next; while the value of a command is typed, fish asks for that command again.
function __ipvsadm_needs_command -a long
    __ipvsadm_read
    test -z "$__ipvsadm_command"; or test "$__ipvsadm_pending" = "$long"
end

# Succeeds if an option may come next, or if its value is being typed.
function __ipvsadm_takes -a long
    __ipvsadm_read
    test "$__ipvsadm_pending" = $long; and return
    contains -- $long netns color; and not contains -- $long $__ipvsadm_given; and return
    test -n "$__ipvsadm_command"; or return
    set -l fields (string split ' ' -- (string match -r -- "^\S+ $long .*" $__ipvsadm_table))
    contains -- $__ipvsadm_command (string split , -- $fields[5]); or return
    contains -- $fields[3] $__ipvsadm_given; and return 1
    switch $long
        case ipv6
            test "$__ipvsadm_service_option" = fwmark-service
        case real-server
            test "$__ipvsadm_command" != list; or contains connection $__ipvsadm_given
        case client state origin count count-by
            contains connection $__ipvsadm_given
        case limit
            contains count-by $__ipvsadm_given
        case no-header
            string match -qr '^(count|count-by|summary|settings)$' -- $__ipvsadm_given
        case by
            contains metrics $__ipvsadm_given
        case tun-type tun-port tun-nocsum tun-csum tun-remcsum
            contains ipip $__ipvsadm_given
        case '*'
            true
    end
end

function __ipvsadm_has_pending
    __ipvsadm_read
    test -n "$__ipvsadm_pending"
end

function __ipvsadm_takes_file
    __ipvsadm_read
    contains -- "$__ipvsadm_command" save restore; and test -z "$__ipvsadm_pending"
end

function __ipvsadm_types_code
    string match -q -- '--doctor=*' (commandline -ct)
end

function __ipvsadm_modules -a prefix
    set -l release (cat /proc/sys/kernel/osrelease 2>/dev/null)
    for file in /lib/modules/$release/kernel/net/netfilter/ipvs/$prefix*.ko* /sys/module/$prefix*
        set -l name (string replace -r '\..*' '' -- (string replace -r ".*/$prefix" '' -- $file))
        test $prefix = ip_vs_; and string match -qr '^(pe_.*|ftp)$' -- $name; and continue
        echo $name
    end
end

# Values of the option or command with a long name. The empty text after each prevents fish from adding the option's
# description.
function __ipvsadm_values -a long
    __ipvsadm_find_values $long | string replace -r '$' \t
end

function __ipvsadm_find_values -a long
    __ipvsadm_read
    set -l program (commandline -opc)[1]
    switch $long
        case tcp-service udp-service sctp-service fwmark-service
            test "$__ipvsadm_command" != add-service; and test -r /proc/net/ip_vs; or return
            set -l protocol (string upper (string replace -r -- '-.*' '' $long))
            string match -q FWMARK $protocol; and set protocol FWM
            command $program -L -n 2>/dev/null | string replace -rf "^$protocol +(\S+).*" '$1'
        case real-server
            contains -- "$__ipvsadm_command" edit-server delete-server list; and test -n "$__ipvsadm_service"; and test -r /proc/net/ip_vs; or return
            set -l family
            contains ipv6 $__ipvsadm_given; and set family -6
            command $program -L -n --$__ipvsadm_service_option $__ipvsadm_service $family 2>/dev/null | string match -v '*RemoteAddress:Port*' | string replace -rf '^ +-> (\S+).*' '$1'
        case scheduler
            set -l names (__ipvsadm_modules ip_vs_)
            set -q names[1]; or set names rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh
            string join \n -- $names
        case pe
            set -l names (__ipvsadm_modules ip_vs_pe_)
            set -q names[1]; or set names sip
            string join \n -- $names
        case sched-flags
            set -l flags flag-1 flag-2 flag-3
            contains -- "$__ipvsadm_scheduler" sh mh; and set flags $__ipvsadm_scheduler-{fallback,port}
            set -l typed (string replace -r '^.*=' '' -- (commandline -ct))
            set -l kept (string match -r '^.*,' -- $typed; or echo)
            for flag in $flags
                string match -q "*,$flag,*" ",$kept"; or echo $kept$flag
            end
        case state
            set -l typed (string replace -r '^.*=' '' -- (commandline -ct))
            set -l kept (string match -r '^.*,' -- $typed; or echo)
            for state in NONE ASSURED ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN SYNACK UDP INIT1 INIT COOKIE_SENT COOKIE_REPLIED COOKIE_WAIT COOKIE COOKIE_ECHOED SHUTDOWN_SENT SHUTDOWN_RECEIVED SHUTDOWN_ACK_SENT REJECTED CLOSED
                string match -q "*,$state,*" ",$kept"; or echo $kept$state
            end
        case by
            echo service
        case origin
            string join \n local synced
        case count-by
            string join \n client client/24 client/24,64 service server state origin
        case mcast-interface
            string replace /sys/class/net/ '' -- /sys/class/net/*
        case tun-type
            string join \n ipip gue gre
        case color
            string join \n auto always never
        case netns
            command ls /run/netns 2>/dev/null
        case start-daemon stop-daemon
            string join \n master backup
    end
end

complete -c ipvsadm -f
complete -c ipvsadm -n __ipvsadm_has_pending -a '(__ipvsadm_values $__ipvsadm_pending)'
complete -c ipvsadm -n __ipvsadm_types_code -a '--doctor=$__ipvsadm_codes'
complete -c ipvsadm -n __ipvsadm_takes_file -F
