# The report of check-runner --lint: first what checks_lint wants to know, then a line per note.
(.file) as $file |
"\(.verdict) \(.checks) \(.deadline_ms) \(.timeout_ms) \(if any(.settings[]; . != "TIMEOUT") then .deadline_ms else "" end)",
(.notes[] | "\($file):\(.line):\(.column): \(if .error then "" else "warning: " end)\(.text)")
