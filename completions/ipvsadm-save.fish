# Completion of ipvsadm-save for fish.

# --- From the programs' own table; `UPDATE=1 cargo test --test manual` writes it.
complete -c ipvsadm-save -l netns -x -a '(command ls /run/netns 2>/dev/null)' -d 'Work in another network namespace: its name in /run/netns, a path, or the PID of a process'
complete -c ipvsadm-save -l color -x -a 'auto always never' -d 'Colour messages, help and tables: auto, always or never [default: auto]'
complete -c ipvsadm-save -s n -d 'Save addresses and ports as numbers; by default, as names that resolve to nothing else'
complete -c ipvsadm-save -l all -d 'Save the timeouts and the running sync daemons too'
complete -c ipvsadm-save -l allow-empty -d 'Save an empty table over a file that holds rules'
complete -c ipvsadm-save -l within -d 'Only the services of a network, ADDRESS[/N], or of firewall marks, fwmark:LOW[-HIGH]; may be repeated'
complete -c ipvsadm-save -l json -d 'Save a JSON document, with numbers instead of names'
complete -c ipvsadm-save -l digest -d 'Print the SHA-256 digest of the lines without weights, or of all that they say'
complete -c ipvsadm-save -s h -l help -d 'Print this help'
complete -c ipvsadm-save -s v -s V -l version -d 'Print the version'
# --- End of the table.
