# Makes a CHECKS file of healthchecks.web in app.json, or nothing if no check of it asks for a path.
# Only startup checks, which is what a check without a type is, run in a deploy.
def line($what): if test("[\\x00-\\x1f\\x7f]") then error("\($what) has a line break or a control character") else . end;
def verbatim: gsub("\\{\\{"; "{{\"{\"}}{{\"{\"}}");
def text($what): if type == "string" then line($what) else error("\($what) is not text") end;
def count($what): if type == "number" and . >= 0 and . <= 86400 and . == floor then .
	else error("\($what) is not a whole number from 0 to 86400") end;
def headers: (.httpHeaders // [])[] | "  > \(.name | text("httpHeaders.name")): \(.value | tostring | line("httpHeaders.value"))";
def options: [
	(if .timeout != null then "timeout=\([(.timeout | count("timeout")), 1] | max)s" else empty end),
	(if .name != null then "name=\"\(.name | text("name") | gsub("[\"\\\\]"; "'"))\"" else empty end),
	(if .warn == true then "warn" else empty end)
];
def target: text("path") | if startswith("/") and (test("\\s") | not) then . else error("path \(.) does not begin with a slash, or has a blank") end;
def check: (options + ["\(.path | target)\(if .content then "   " + (.content | text("content") | verbatim) else "" end)"] | join(" ")), headers;

[.healthchecks.web // [] | if type == "array" then .[] else error("healthchecks.web is not a list") end
	| if type == "object" then . else error("healthchecks.web has a check that is not an object") end
	| select((.type // "startup") == "startup" and .path != null)] as $checks
| if $checks == [] then empty else
	"# made from healthchecks of app.json",
	([$checks[] | select(.attempts != null or .wait != null)
		| { attempts: ((.attempts // 3) | count("attempts")), wait: ((.wait // 5) | count("wait")) }]
		| if . == [] then empty else max_by(.attempts * .wait) | "ATTEMPTS=\([.attempts, 1] | max)", "WAIT=\([.wait, 1] | max)" end),
	($checks[] | check)
end
