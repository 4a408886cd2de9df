# Completion of ipvsadm-restore for fish.

# --- From the programs' own table; `UPDATE=1 cargo test --test manual` writes it.
complete -c ipvsadm-restore -l netns -x -a '(command ls /run/netns 2>/dev/null)' -d 'Work in another network namespace: its name in /run/netns, a path, or the PID of a process'
complete -c ipvsadm-restore -l color -x -a 'auto always never' -d 'Colour messages, help and tables: auto, always or never [default: auto]'
complete -c ipvsadm-restore -l check -d 'Only parse the file, and report its errors'
complete -c ipvsadm-restore -l diff -d 'Only print the changes as lines; exit 1 if there are any'
complete -c ipvsadm-restore -l json -d 'With --diff: print the changes as JSON, before and after'
complete -c ipvsadm-restore -l metrics -d 'With --diff: count the changes as metrics for Prometheus, or replace FILE with them'
complete -c ipvsadm-restore -l noflush -d 'Apply the file to the existing table; entries that it does not name stay'
complete -c ipvsadm-restore -l allow-empty -d 'Clear the table even if the file has no rule'
complete -c ipvsadm-restore -l no-empty -d 'Refuse a file that leaves no virtual service'
complete -c ipvsadm-restore -l keep-weights -d 'Keep the weights of servers that the kernel has'
complete -c ipvsadm-restore -l within -d 'Only the services of a network, ADDRESS[/N], or of firewall marks, fwmark:LOW[-HIGH]; may be repeated'
complete -c ipvsadm-restore -l wait -d 'Wait at most this long for another restore to end; without a number, for ever [default: 5]'
complete -c ipvsadm-restore -l confirm -d 'Undo everything unless Enter is pressed on the terminal in time'
complete -c ipvsadm-restore -s h -l help -d 'Print this help'
complete -c ipvsadm-restore -s v -s V -l version -d 'Print the version'
# --- End of the table.
