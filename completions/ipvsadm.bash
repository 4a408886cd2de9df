# Completion of ipvsadm, ipvsadm-save, ipvsadm-restore and ipvsadm-top for bash: options that fit the command typed so
# far, and values that the kernel has. It needs only bash, and prints no errors if there is no IPVS or no permission.

# --- From the programs' own table; `UPDATE=1 cargo test --test manual` writes it.
_ipvsadm_commands='
A add-service command nothing -
E edit-service command nothing -
D delete-service command nothing -
C clear command nothing -
R restore command nothing -
S save command nothing -
a add-server command nothing -
e edit-server command nothing -
d delete-server command nothing -
L,l list command nothing -
Z zero command nothing -
, set command nothing -
, start-daemon command value -
, stop-daemon command value -
, doctor command nothing -
h help command nothing -
v version command nothing -
'
_ipvsadm_options='
n numeric numeric nothing save,list
c connection connection nothing list
t tcp-service tcp-service value add-service,edit-service,delete-service,save,add-server,edit-server,delete-server,list,zero,doctor
u udp-service tcp-service value add-service,edit-service,delete-service,save,add-server,edit-server,delete-server,list,zero,doctor
, sctp-service tcp-service value add-service,edit-service,delete-service,save,add-server,edit-server,delete-server,list,zero,doctor
f fwmark-service tcp-service value add-service,edit-service,delete-service,save,add-server,edit-server,delete-server,list,zero,doctor
s scheduler scheduler value add-service,edit-service
p persistent persistent maybe add-service,edit-service
M netmask netmask value add-service,edit-service
r real-server real-server value add-server,edit-server,delete-server,list
g gatewaying gatewaying nothing add-server,edit-server
i ipip gatewaying nothing add-server,edit-server
m masquerading gatewaying nothing add-server,edit-server
w weight weight value add-server,edit-server
x u-threshold u-threshold value add-server,edit-server
y l-threshold l-threshold value add-server,edit-server
, mcast-interface mcast-interface value start-daemon
, timeout timeout nothing list
, daemon daemon nothing list
, stats stats nothing list
, rate rate nothing list
, thresholds thresholds nothing list
, persistent-conn persistent-conn nothing list
, nosort nosort nothing list
, syncid syncid value list,start-daemon,stop-daemon
X exact exact nothing list
o ops ops nothing add-service,edit-service
, pe pe value add-service,edit-service
b sched-flags sched-flags value add-service,edit-service
, mcast-group mcast-group value start-daemon
, mcast-port mcast-port value start-daemon
, mcast-ttl mcast-ttl value start-daemon
, sync-maxlen sync-maxlen value start-daemon
, tun-info tun-info nothing list
, tun-type tun-type value add-server,edit-server
, tun-port tun-port value add-server,edit-server
, tun-nocsum tun-nocsum nothing add-server,edit-server
, tun-csum tun-csum nothing add-server,edit-server
, tun-remcsum tun-remcsum nothing add-server,edit-server
, json json nothing delete-service,save,edit-server,delete-server,list,doctor
, all all nothing save
, allow-empty allow-empty nothing save
, own-port own-port nothing add-server,edit-server
, drain drain nothing delete-service,edit-server,delete-server
, force force nothing delete-service,edit-server,delete-server
, within within value clear,save
, probe probe nothing doctor
, sample sample value doctor
, against against value doctor
, sort sort nothing add-service,edit-service,delete-service,clear,restore,save,add-server,edit-server,delete-server,list,zero,set,start-daemon,stop-daemon,doctor
6 ipv6 ipv6 nothing add-service,edit-service,delete-service,save,add-server,edit-server,delete-server,list,zero,doctor
, metrics metrics nothing list
, by by value list
, netns netns value add-service,edit-service,delete-service,clear,restore,save,add-server,edit-server,delete-server,list,zero,set,start-daemon,stop-daemon,doctor
, color color value add-service,edit-service,delete-service,clear,restore,save,add-server,edit-server,delete-server,list,zero,set,start-daemon,stop-daemon,doctor
, client client value list
, state state value list
, origin origin value list
, count count nothing list
, count-by count-by value list
, limit limit value list
, no-header no-header nothing list
, keep keep nothing edit-service,edit-server
, if-exists if-exists nothing edit-service,delete-service,edit-server,delete-server
, if-not-exists if-not-exists nothing add-service,add-server
, replace replace nothing add-service,add-server
, dry-run dry-run nothing add-service,edit-service,delete-service,clear,restore,add-server,edit-server,delete-server,zero,set,start-daemon,stop-daemon
, confirm confirm value add-service,edit-service,delete-service,clear,add-server,edit-server,delete-server,zero,set,start-daemon,stop-daemon
, watch watch nothing list
, monitor monitor nothing list
, settings settings nothing save,list
, digest digest nothing save
, summary summary nothing list
'
_ipvsadm_codes='LVS-KERNEL-01 LVS-KERNEL-02 LVS-KERNEL-03 LVS-KERNEL-04 LVS-KERNEL-05 LVS-KERNEL-06 LVS-KERNEL-07 LVS-KERNEL-08 LVS-DIR-01 LVS-DIR-02 LVS-DIR-03 LVS-DIR-04 LVS-DIR-05 LVS-DIR-06 LVS-DIR-07 LVS-DIR-08 LVS-DIR-09 LVS-NAT-01 LVS-NAT-02 LVS-NAT-03 LVS-DR-01 LVS-DR-02 LVS-DR-03 LVS-DR-04 LVS-DR-05 LVS-SRV-01 LVS-SRV-02 LVS-SRV-03 LVS-SRV-04 LVS-SRV-05 LVS-SRV-06 LVS-TUN-01 LVS-TUN-02 LVS-ARP-01 LVS-ARP-02 LVS-ARP-03 LVS-ARP-04 LVS-RS-01 LVS-RS-02 LVS-RS-03 LVS-RS-04 LVS-SVC-01 LVS-SVC-02 LVS-SVC-03 LVS-SVC-04 LVS-SVC-05 LVS-SVC-06 LVS-SVC-07 LVS-SVC-08 LVS-SVC-09 LVS-SVC-10 LVS-SVC-11 LVS-SVC-12 LVS-SYNC-01 LVS-SYNC-02 LVS-SYNC-03 LVS-SYNC-04 LVS-SYNC-05 LVS-SYNC-06 LVS-SYNC-07'
_ipvsadm_save='--netns --color -n --all --allow-empty --within --json --digest -h --help -v -V --version'
_ipvsadm_restore='--netns --color --check --diff --json --metrics --noflush --allow-empty --no-empty --keep-weights --within --wait --confirm -h --help -v -V --version'
# --- End of the table.
# --- From ipvsadm-top's own table; `UPDATE=1 cargo test --features top --test manual` writes it.
_ipvsadm_top='--netns --color -n --numeric -i --interval -h --help -v -V --version'
# --- End of ipvsadm-top's table.

# Splits a text into the array `lines`. The builtins read and mapfile read a pipe with one system call for each byte,
# and a here-string may be a pipe; a command substitution is read in blocks.
_ipvsadm_lines() {
  local - IFS=$'\n'
  set -f
  lines=($1)
}

# Splits a text into the array `words`.
_ipvsadm_words() {
  local - IFS=$' \t\n'
  set -f
  words=($1)
}

# The functions that find values add them to the array `values`.

# Adds the names of kernel modules without their prefix ip_vs_ or ip_vs_pe_.
_ipvsadm_modules() {
  local file name release prefix=$1 found=' '
  { read -r release </proc/sys/kernel/osrelease; } 2>/dev/null
  for file in "/lib/modules/$release/kernel/net/netfilter/ipvs/$prefix"*.ko* "/sys/module/$prefix"*; do
    [[ -e $file ]] || continue
    name=${file##*/"$prefix"}
    name=${name%%.*}
    [[ ($prefix = ip_vs_ && ($name = pe_* || $name = ftp)) || $found = *" $name "* ]] && continue
    found+="$name "
    values+=("$name")
  done
  [[ $found != ' ' ]]
}

# The services of a protocol, as a listing has it in its first column.
_ipvsadm_services() {
  local line
  local -a lines
  [[ -r /proc/net/ip_vs ]] || return
  _ipvsadm_lines "$("$1" -L -n 2>/dev/null)"
  for line in "${lines[@]}"; do
    [[ $line = "$2 "* ]] || continue
    line=${line#"$2"}
    line=${line#"${line%%[! ]*}"}
    values+=("${line%% *}")
  done
}

# The real servers of a service: an option and its value.
_ipvsadm_servers() {
  local line
  local -a lines
  [[ -r /proc/net/ip_vs ]] || return
  _ipvsadm_lines "$("$1" -L -n "--$2" "$3" $4 2>/dev/null)"
  for line in "${lines[@]}"; do
    [[ $line = '  -> '* && $line != *RemoteAddress:Port* ]] || continue
    line=${line#'  -> '}
    values+=("${line%% *}")
  done
}

# Adds the values of the option or command with a long name, each after a prefix.
_ipvsadm_values() {
  local program=$1 option=$2 before=$3 typed=$4 kept name
  local -a values=()
  case $option in
  tcp-service | udp-service | sctp-service | fwmark-service)
    [[ $command != add-service ]] || return
    name=${option%%-*}
    [[ $name = fwmark ]] && name=FWM || name=${name^^}
    _ipvsadm_services "$program" "$name" ;;
  real-server)
    [[ $command = edit-server || $command = delete-server || $command = list ]] && [[ -n $service ]] || return
    _ipvsadm_servers "$program" "$service_option" "$service" ${ipv6:+-6} ;;
  scheduler)
    _ipvsadm_modules ip_vs_ || values=(rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh) ;;
  pe)
    _ipvsadm_modules ip_vs_pe_ || values=(sip) ;;
  sched-flags)
    case $scheduler in
    sh | mh) values=("$scheduler-fallback" "$scheduler-port") ;;
    *) values=(flag-1 flag-2 flag-3) ;;
    esac
    _ipvsadm_list ;;
  state)
    values=(NONE ASSURED ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN SYNACK UDP INIT1 INIT COOKIE_SENT COOKIE_REPLIED COOKIE_WAIT COOKIE COOKIE_ECHOED SHUTDOWN_SENT SHUTDOWN_RECEIVED SHUTDOWN_ACK_SENT REJECTED CLOSED)
    _ipvsadm_list ;;
  origin) values=(local synced) ;;
  by) values=(service) ;;
  count-by) values=(client client/24 client/24,64 service server state origin) ;;
  mcast-interface)
    for name in /sys/class/net/*; do
      [[ ! -d $name ]] || values+=("${name##*/}")
    done ;;
  tun-type) values=(ipip gue gre) ;;
  color) values=(auto always never) ;;
  netns)
    for name in /run/netns/*; do
      [[ ! -e $name ]] || values+=("${name##*/}")
    done ;;
  start-daemon | stop-daemon) values=(master backup) ;;
  doctor) values=($_ipvsadm_codes) ;;
  esac
  for name in "${values[@]}"; do
    [[ $name != "$typed"* || ",$kept" = *",$name,"* ]] || _ipvsadm_add "$before$name"
  done
}

# The last word of a list is completed; the words before it stay.
_ipvsadm_list() {
  if [[ $typed = *,* ]]; then
    kept=${typed%,*},
    before+=$kept
    typed=${typed##*,}
  fi
}

# Adds a completion, quoted: an interface may be called $(id).
_ipvsadm_add() {
  local word=$1 safe='[]a-zA-Z0-9.:,=_@%+/[-]'
  [[ -z ${word//$safe/} ]] || printf -v word %q "$word"
  COMPREPLY+=("$word")
}

# readline completes only the part after its last word break, not the whole word.
_ipvsadm_reply() {
  local typed=$1 breaks=${COMP_WORDBREAKS//[!:=]/} head=
  [[ -z $breaks || $typed != *["$breaks"]* ]] || head=${typed%"${typed##*["$breaks"]}"}
  COMPREPLY=("${COMPREPLY[@]#"$head"}")
}

_ipvsadm_files() {
  local -a lines
  compopt -o filenames
  _ipvsadm_lines "$(compgen -f -- "$1")"
  COMPREPLY+=("${lines[@]}")
}

_ipvsadm() {
  local -a words lines
  local line=${COMP_LINE:0:COMP_POINT} typed word rest letter i
  local command= given=' ' service= service_option= scheduler= ipv6=
  local -A takes=() option_of=() group_of=()
  local pending= maybe= long

  _ipvsadm_lines "$_ipvsadm_commands$_ipvsadm_options"
  for word in "${lines[@]}"; do
    _ipvsadm_words "$word"
    long=${words[1]}
    takes[$long]=${words[3]}
    group_of[$long]=${words[2]}
    option_of[--$long]=$long
    for letter in ${words[0]//,/ }; do
      option_of[-$letter]=$long
    done
  done

  # Parses the words typed so far as the program does.
  _ipvsadm_words "${line//\\/}"
  typed=
  if [[ $line != *[[:blank:]] ]]; then
    typed=${words[-1]}
    unset 'words[-1]'
  fi
  for word in "${words[@]:1}"; do
    if [[ -n $pending || (-n $maybe && $word != -*) ]]; then
      _ipvsadm_note_value "$pending$maybe" "$word"
      pending= maybe=
      continue
    fi
    maybe=
    _ipvsadm_note_options "$word"
  done

  COMPREPLY=()
  if [[ -n $pending ]]; then
    _ipvsadm_values "$1" "$pending" '' "$typed"
  elif [[ -n $maybe && -n $typed && $typed != -* ]]; then
    return
  elif [[ $typed = --*=* ]]; then
    word=${option_of[${typed%%=*}]-}
    [[ -z $word ]] || _ipvsadm_values "$1" "$word" "${typed%%=*}=" "${typed#*=}"
  elif [[ -z $command ]]; then
    for long in $(_ipvsadm_names "$_ipvsadm_commands") --netns --color; do
      [[ $given = *" ${long#--} "* || $long != "$typed"* ]] || COMPREPLY+=("$long")
    done
  else
    for long in $(_ipvsadm_names "$_ipvsadm_options"); do
      [[ $long != "$typed"* ]] || COMPREPLY+=("$long")
    done
    if [[ ${#COMPREPLY[@]} = 0 && $typed = -[!-]?* ]]; then
      # A value directly after the letter of its option.
      for ((i = 1; i < ${#typed}; i++)); do
        word=${option_of[-${typed:i:1}]-}
        [[ -n $word ]] || break
        if [[ ${takes[$word]} = value ]]; then
          _ipvsadm_values "$1" "$word" "${typed:0:i+1}" "${typed:i+1}"
          break
        fi
      done
    fi
    [[ ($command != save && $command != restore) || $typed = -* ]] || _ipvsadm_files "$typed"
  fi
  _ipvsadm_reply "$typed"
}

# The functions below work on the variables of _ipvsadm.

_ipvsadm_note_options() {
  local word=$1 i option
  case $word in
  --*)
    option=${option_of[${word%%=*}]-}
    [[ -n $option ]] || return
    _ipvsadm_note "$option"
    case ${takes[$option]},$word in
    nothing,*) ;;
    *,*=*) _ipvsadm_note_value "$option" "${word#*=}" ;;
    value,*) pending=$option ;;
    maybe,*) maybe=$option ;;
    esac ;;
  -?*)
    for ((i = 1; i < ${#word}; i++)); do
      option=${option_of[-${word:i:1}]-}
      [[ -n $option ]] || return
      _ipvsadm_note "$option"
      [[ ${takes[$option]} != nothing ]] || continue
      rest=${word:i+1}
      if [[ -n $rest ]]; then
        _ipvsadm_note_value "$option" "${rest#=}"
      elif [[ ${takes[$option]} = value ]]; then
        pending=$option
      else
        maybe=$option
      fi
      return
    done ;;
  esac
}

_ipvsadm_note() {
  given+="${group_of[$1]} $1 "
  if [[ -z $command && ${group_of[$1]} = command ]]; then
    command=$1
  elif [[ $1 = ipv6 ]]; then
    ipv6=yes
  fi
}

_ipvsadm_note_value() {
  case $1 in
  *-service) service_option=$1 service=$2 ;;
  scheduler) scheduler=$2 ;;
  esac
}

# The names of a part of the table that may come next.
_ipvsadm_names() {
  local line short long group owners letter
  local -a lines words
  _ipvsadm_lines "$1"
  for line in "${lines[@]}"; do
    _ipvsadm_words "$line"
    short=${words[0]} long=${words[1]} group=${words[2]} owners=${words[4]}
    if [[ -n $command ]]; then
      [[ ,$owners, = *",$command,"* ]] || continue
      [[ $given != *" $group "* ]] || continue
      case $long in
      ipv6) [[ $service_option = fwmark-service ]] || continue ;;
      real-server) [[ $command != list || $given = *' connection '* ]] || continue ;;
      client | state | origin | count | count-by) [[ $given = *' connection '* ]] || continue ;;
      limit) [[ $given = *' count-by '* ]] || continue ;;
      no-header) [[ $given =~ \ (count|count-by|summary|settings)\  ]] || continue ;;
      by) [[ $given = *' metrics '* ]] || continue ;;
      tun-info) ;;
      tun-*) [[ $given = *' ipip '* ]] || continue ;;
      esac
    fi
    for letter in ${short//,/ }; do
      printf '%s\n' "-$letter"
    done
    printf '%s\n' "--$long"
  done
}

_ipvsadm_companion() {
  local typed=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} options option command=
  # The shell splits --netns=blue into three words.
  [[ $typed != = ]] || typed=
  [[ $before != = ]] || before=${COMP_WORDS[COMP_CWORD-2]}
  case ${1##*/} in
  ipvsadm-save) options=$_ipvsadm_save ;;
  ipvsadm-top) options=$_ipvsadm_top ;;
  *) options=$_ipvsadm_restore ;;
  esac
  COMPREPLY=()
  if [[ $before = --netns || $before = --color ]]; then
    _ipvsadm_values "$1" "${before#--}" '' "$typed"
  elif [[ $typed = -* ]]; then
    for option in $options; do
      [[ $option != "$typed"* || " ${COMP_WORDS[*]:1:COMP_CWORD-1} " = *" $option "* ]] || COMPREPLY+=("$option")
    done
  elif [[ ${1##*/} != ipvsadm-top ]]; then
    _ipvsadm_files "$typed"
  fi
}

complete -F _ipvsadm ipvsadm
complete -F _ipvsadm_companion ipvsadm-save ipvsadm-restore ipvsadm-top
