# A line per entry in cron of app.json: POLICY MAINTENANCE SCHEDULE COMMAND, with tabs between them.
def text($what; $max): if type != "string" or test("^\\s*$") then error("\($what) is missing, or not text")
	elif test("[\\x00-\\x1f\\x7f]") then error("\($what) has a line break or a control character")
	elif length > $max then error("\($what) has more than \($max) characters") else . end;
.cron // [] | if type == "array" then . else error("cron is not a list") end
| if length > 100 then error("cron has more than 100 tasks") else . end
| to_entries[] | "cron[\(.key)]" as $it | .value
| if type == "object" then . else error("\($it) is not an object") end
| (.concurrency_policy // "allow") as $policy | (.maintenance // false) as $maintenance
| if $policy | IN("allow", "forbid", "replace") then . else error("\($it).concurrency_policy is not allow, forbid or replace") end
| if $maintenance | type == "boolean" then . else error("\($it).maintenance is not true or false") end
| (.command | text("\($it).command"; 4000)) as $command
| (.schedule | text("\($it).schedule"; 200) | gsub("^ +| +$"; "") | gsub(" +"; " ")) as $schedule
| "\($policy)\t\($maintenance)\t\($schedule)\t\($command)"
