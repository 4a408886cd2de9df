# Completion of ipvsadm-restore for fish.

# --- From the programs' own table; `UPDATE=1 cargo test --test manual` writes it.
complete -c ipvsadm-restore -l check -d 'Only read the file, and say what is wrong with it'
complete -c ipvsadm-restore -l diff -d 'Only print the changes as lines; exit 1 if there are any'
complete -c ipvsadm-restore -l noflush -d 'Carry the file out on the table that is there; what it does not name stays'
complete -c ipvsadm-restore -l allow-empty -d 'Clear the table, too, if the file has no rule'
complete -c ipvsadm-restore -l no-empty -d 'Refuse any file that leaves no virtual service'
complete -c ipvsadm-restore -l wait -d 'Wait so long for another restore to end; without a number, for ever [default: 5]'
complete -c ipvsadm-restore -s h -l help -d 'Print help'
complete -c ipvsadm-restore -s V -l version -d 'Print version'
# --- End of the table.
