# Completion of ipvsadm-save for fish.

# --- From the programs' own table; `UPDATE=1 cargo test --test manual` writes it.
complete -c ipvsadm-save -s n -d 'Addresses and ports as numbers; without it, those names that lead back alone'
complete -c ipvsadm-save -l all -d 'Save the timeouts and the running sync daemons too'
complete -c ipvsadm-save -l allow-empty -d 'Save an empty table over a file that holds rules'
complete -c ipvsadm-save -s h -l help -d 'Print help'
complete -c ipvsadm-save -s V -l version -d 'Print version'
# --- End of the table.
