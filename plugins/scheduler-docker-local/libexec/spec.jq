# The container as the Engine API wants it. Input: NAME=VALUE pairs, NUL-separated.
def labels: {
	"com.dokku.app-name": $app, "com.dokku.container-type": "deploy", "com.dokku.release": $release,
	"com.dokku.process-type": $process, "com.dokku.index": $index, "com.dokku.port": $port,
	"com.dokku.dyno": "\($process).\($index)", "dokku": ""
};
# on-failure:10 and its kin
def restart: split(":") as $p | { Name: $p[0], MaximumRetryCount: (($p[1] // "0") | tonumber) };

# A capability as the engine names it, given as net_raw, CAP_NET_RAW and the like.
def capability: ascii_upcase | sub("^CAP_"; "");

# What a container gives up unless an option says otherwise: to become root by a setuid program.
def is_about_privileges: test("^no-new-privileges([=:]|$)");

# The address as Docker made it of an IPv4 address before version 28. The table of the address map lets no container speak for
# an address that its MAC address does not belong to.
def hexadecimal: . as $digit | "0123456789abcdef"[$digit:$digit + 1];
def mac_address: ["02", "42"] + (split(".") | map(tonumber | [(. / 16 | floor), . % 16] | map(hexadecimal) | add)) | join(":");

# What options of docker create change; libexec/options.jq made $options of them.
def with_capabilities($host):
	($host.CapAdd // [] | map(capability)) as $add
	| if $add == [] then . else .HostConfig.CapAdd = $add end
	| .HostConfig.CapDrop |= (if $add | index("ALL") then [] else . - $add end)
	| .HostConfig.CapDrop += ($host.CapDrop // [] | map(capability))
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
	if $options == null then . else
		($options.env | map(sub("=.*"; ""; "m"))) as $names
		| .Env |= map(select(sub("=.*"; ""; "m") as $name | $names | index($name) | not))
		| .Env += $options.env
		| .Labels += $options.labels
		| . + $options.config
		| .HostConfig += ($options.host | del(.CapAdd, .CapDrop, .SecurityOpt, .LogConfig))
		| with_capabilities($options.host) | with_security($options.host) | with_log($options.host.LogConfig)
	end;

(split("\u0000") | map(select(. != ""))) as $env
| ($env | any(startswith("PORT="))) as $has_port
# A shell that stays must not be the only process that gets a signal: see command_script.
| ($command | type == "array" and (.[2] // "" | startswith($traps))) as $is_script
| {
	Image: $image,
	Hostname: "",
	Env: (["PORT=\($port)" | select($has_port | not)] + ["DYNO=\($process).\($index)"]
		+ ["GIT_REV=\($commit)" | select($commit != "")]
		+ ["TINI_KILL_PROCESS_GROUP=1" | select($is_script)] + $env),
	Labels: labels,
	StopTimeout: ($stop | tonumber),
	HostConfig: {
		NetworkMode: $network,
		Init: $init,
		RestartPolicy: ($restart | restart),
		# An app that was taken over must not speak for others, nor become root by a setuid program, nor fill the
		# host with processes.
		CapDrop: ["NET_RAW"],
		SecurityOpt: ["no-new-privileges"],
		PidsLimit: 4096,
		LogConfig: (if $size == "unlimited" then {} else { Type: "json-file", Config: { "max-size": $size } } end)
	},
	NetworkingConfig: { EndpointsConfig: { ($network): ({ IPAMConfig: { IPv4Address: $address } }
		+ if $address == "" then {} else { MacAddress: ($address | mac_address) } end) } }
}
| if $command == null then . else .Cmd = $command end
| with_options($options[0])
# What we know a container by, also where an option or the image says something else.
| .Labels += labels
