# A line per variable in env of app.json: NAME SYNC REQUIRED KIND VALUE. SYNC and REQUIRED are true or
# false. KIND is value, secret or none. VALUE is in base64.
.env // {} | if type == "object" then . else error("env is not an object") end
| to_entries[] | .key as $name
| (if .value | type == "object" then .value else { value: .value } end) as $it
| if ($name | test("^[A-Za-z_][A-Za-z0-9_]*\\z")) | not then error("env has a name that no variable can have: \($name)") else . end
| if ($it.value | type) | IN("object", "array") then error("env.\($name) is not text") else . end
| if ($it.generator // "secret") != "secret" then error("env.\($name): the only generator is secret") else . end
| [$name, ($it.sync == true | tostring), ($it.required != false | tostring),
	(if $it.value != null then "value" elif $it.generator != null then "secret" else "none" end),
	(if $it.value == null then "" else $it.value end | tostring | @base64)] | join(" ")
