# Turns the report of check-runner --lint into text for checks_lint: a line of results, then a line
# for each note.
(.file) as $file |
(if any(.settings[]; . != "TIMEOUT") then .deadline_ms else "" end) as $own_deadline |
"\(.verdict) \(.checks) \(.deadline_ms) \(.longest_ms) \(.timeout_ms) \($own_deadline)",
(.notes[] | "\($file):\(.line):\(.column): \(if .error then "" else "warning: " end)\(.text)")
