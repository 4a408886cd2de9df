# Completion of ipvsadm-top for fish.

# --- From ipvsadm-top's own table; `UPDATE=1 cargo test --features top --test manual` writes it.
complete -c ipvsadm-top -l netns -x -a '(command ls /run/netns 2>/dev/null)' -d 'Work in another network namespace: its name in /run/netns, a path, or the PID of a process'
complete -c ipvsadm-top -l color -x -a 'auto always never' -d 'Colour messages, help and tables: auto, always or never [default: auto]'
complete -c ipvsadm-top -s n -l numeric -d 'Show addresses and ports as numbers; the key n switches'
complete -c ipvsadm-top -s i -l interval -x -d 'The time between two samples, in whole seconds [default: 1]'
complete -c ipvsadm-top -s h -l help -d 'Print this help'
complete -c ipvsadm-top -s v -s V -l version -d 'Print the version'
# --- End of ipvsadm-top's table.
