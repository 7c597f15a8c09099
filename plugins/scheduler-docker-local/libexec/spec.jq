# What docker options change in the description of a container, which is the input (lib/spec).
# A capability as the engine names it, given as net_raw, CAP_NET_RAW and the like.
def capability: ascii_upcase | sub("^CAP_"; "");

# What a container gives up unless an option says otherwise: to become root by a setuid program.
def is_about_privileges: test("^no-new-privileges([=:]|$)");

# What options of docker create change; libexec/options.jq made $options of them.
def with_capabilities($host):
	($host.CapAdd // [] | map(capability)) as $add
	| if $add == [] then . else .HostConfig.CapAdd = $add end
	| .HostConfig.CapDrop |= (if $add | index("ALL") then [] else . - $add end)
	| .HostConfig.CapDrop |= . + (($host.CapDrop // [] | map(capability)) - .)
	| if $host.Privileged then .HostConfig.CapDrop = ($host.CapDrop // [] | map(capability)) else . end;
def with_security($host):
	($host.SecurityOpt // []) as $own
	| if $host.Privileged or any($own[]; is_about_privileges)
		then .HostConfig.SecurityOpt |= map(select(is_about_privileges | not)) else . end
	| .HostConfig.SecurityOpt += ($own | map(select(test("^no-new-privileges[=:]false$") | not)));
def with_log($log):
	if $log == null then .
	elif ($log.Type // "") == "" then .HostConfig.LogConfig.Type = "json-file" | .HostConfig.LogConfig.Config += $log.Config
	else .HostConfig.LogConfig = $log end;
def with_options($options):
	($options.env | map(sub("=.*"; ""; "m"))) as $names
	| .Env |= map(select(sub("=.*"; ""; "m") as $name | $names | index($name) | not))
	| .Env += $options.env
	| .Labels += $options.labels
	| . + $options.config
	| .HostConfig += ($options.host | del(.CapAdd, .CapDrop, .SecurityOpt, .LogConfig))
	| with_capabilities($options.host) | with_security($options.host) | with_log($options.host.LogConfig);

# What we know a container by stays, also where an option says otherwise.
.Labels as $ours | with_options($options[0]) | .Labels += $ours
