# Reads healthchecks of app.json. Only startup checks, which is what a check without a type is, run in
# a deploy. With $own false, makes a CHECKS file of those of web that ask for a path at the app's
# port, or nothing if there is none. With $own true, makes a line for each other check, such as one
# that runs a command; plugins/checks/lib/own has its words.
def line($what): if test("[\\x00-\\x1f\\x7f]") then error("\($what) has a line break or a control character") else . end;
def verbatim: gsub("\\{\\{"; "{{\"{\"}}{{\"{\"}}");
def text($what): if type == "string" then line($what) else error("\($what) is not text") end;
def count($what): if type == "number" and . >= 0 and . <= 86400 and . == floor then .
	else error("\($what) is not a whole number from 0 to 86400") end;
def port: if type == "number" and . > 0 and . < 65536 and . == floor then .
	else error("port is not a whole number from 1 to 65535") end;
def headers: (.httpHeaders // [])[] | "  > \(.name | text("httpHeaders.name")): \(.value | tostring | line("httpHeaders.value"))";
def options: [
	(if .timeout != null then "timeout=\([(.timeout | count("timeout")), 1] | max)s" else empty end),
	(if .name != null then "name=\"\(.name | text("name") | gsub("[\"\\\\]"; "'"))\"" else empty end),
	(if .warn == true then "warn" else empty end)
];
def target: text("path") | if startswith("/") and (test("\\s") | not) then . else error("path \(.) does not begin with a slash, or has a blank") end;
def check: (options + ["\(.path | target)\(if .content then "   " + (.content | text("content") | verbatim) else "" end)"] | join(" ")), headers;

def listed($process): if type == "array" then . else error("healthchecks.\($process) is not a list") end
	| if length > 100 then error("healthchecks.\($process) has more than 100 checks") else .[] end
	| if type == "object" then . else error("healthchecks.\($process) has a check that is not an object") end
	| select((.type // "startup") == "startup");
def attempts: (.attempts // 3) | count("attempts") | [., 1] | max;
def wait: (.wait // 5) | count("wait") | [., 1] | max;
def delay: (.initialDelay // 0) | count("initialDelay");
# The settings of a CHECKS file for these checks: the time of the most patient one.
def patience: map(select(.attempts != null or .wait != null or .initialDelay != null)
		| { attempts: attempts, wait: (wait + ((delay / attempts) | ceil)) })
	| if . == [] then empty else max_by(.attempts * .wait) | "ATTEMPTS=\(.attempts)", "WAIT=\(.wait)" end;
def checks_file: "# made from healthchecks of app.json", patience, (.[] | check);

# A check of a path that CHECKS cannot have: it is for another port, or not for web.
def elsewhere($process): .path != null and ($process != "web" or .port != null);
def words: if type == "string" then ["sh", "-c", .] elif type == "array" and length > 0 then . else error("command is not a list of words") end
	| map(if type == "string" and (test("\\x00") | not) then . else error("command has a word that is not text") end)
	| join("\u0000") + "\u0000";
def kind($process):
	if .command != null and .command != [] and .command != "" then ["command", (.command | words)]
	elif elsewhere($process) then ["path", ([.] | [checks_file] | join("\n"))]
	elif .path != null then empty
	elif (.uptime // 0) != 0 then ["uptime", (.uptime | count("uptime") | tostring)]
	elif .listening == true then ["listening", ""]
	else empty end;
def own_line($process): kind($process) as [$kind, $text]
	| [$process, $kind, (.warn == true), delay, attempts, wait, ([(.timeout // 5) | count("timeout"), 1] | max),
		(if .port != null then .port | port else 0 end),
		((.name // "") | text("name") | @base64 + "-"), ($text | @base64 + "-")] | map(tostring) | join(" ");

(.healthchecks // {}) | if type == "object" then . else error("healthchecks is not an object") end
| if $own then
	to_entries[] | .key as $type
	| if $type | test("^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\\z") then .value // [] | listed($type) | own_line($type)
	else error("healthchecks names a process type that cannot be: \($type)") end
else
	[.web // [] | listed("web") | select(.path != null and (elsewhere("web") | not))
		| select((.command // []) == [])]
	| if . == [] then empty else checks_file end
end
