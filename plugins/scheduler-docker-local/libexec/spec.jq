# The container as the Engine API wants it. Input: NAME=VALUE pairs, NUL-separated.
def labels: {
	"com.dokku.app-name": $app, "com.dokku.container-type": "deploy", "com.dokku.release": $release,
	"com.dokku.process-type": $process, "com.dokku.index": $index, "com.dokku.port": $port,
	"com.dokku.dyno": "\($process).\($index)", "dokku": ""
};
# on-failure:10 and its kin
def restart: split(":") as $p | { Name: $p[0], MaximumRetryCount: (($p[1] // "0") | tonumber) };

# The options of docker run that docker-args-deploy gives, as [flag, value] pairs. A flag
# that is not known here is an error: better refused than passed over.
def pairs:
	[splits("[ \t\n]+") | select(. != "")] as $words
	| [range($words | length)] | reduce .[] as $i ({ out: [], skip: false };
		if .skip then .skip = false
		elif ($words[$i] | test("^--?[a-z-]+=")) then .out += [$words[$i] | [sub("=.*"; ""), sub("^[^=]*="; "")]]
		elif ($words[$i] | IN("--privileged", "--init")) then .out += [[$words[$i], "true"]]
		else .out += [[$words[$i], ($words[$i + 1] // "")]] | .skip = true end)
	| .out;

# 512m as bytes
def bytes:
	(capture("^(?<n>[0-9]+)(?<unit>[bkmg]?)$"; "i") // error("not a size: \(.)"))
	| (.n | tonumber) * { "": 1, b: 1, k: 1024, m: 1048576, g: 1073741824 }[.unit | ascii_downcase];

# A capability as the engine names it, given as net_raw, CAP_NET_RAW and the like.
def capability: ascii_upcase | sub("^CAP_"; "");

# What a container gives up unless an option says otherwise: to become root by a setuid program.
def is_about_privileges: test("^no-new-privileges([=:]|$)");

# The address as Docker made it of an IPv4 address before version 28. The table of the address map lets no container speak for
# an address that its MAC address does not belong to.
def hexadecimal: . as $digit | "0123456789abcdef"[$digit:$digit + 1];
def mac_address: ["02", "42"] + (split(".") | map(tonumber | [(. / 16 | floor), . % 16] | map(hexadecimal) | add)) | join(":");

def with_option($flag; $value):
	if $flag | IN("-v", "--volume") then .HostConfig.Binds += [$value]
	elif $flag | IN("-m", "--memory") then .HostConfig.Memory = ($value | bytes)
	elif $flag == "--memory-swap" then .HostConfig.MemorySwap = ($value | bytes)
	elif $flag == "--cpus" then .HostConfig.NanoCpus = (($value | tonumber) * 1000000000 | floor)
	elif $flag == "--shm-size" then .HostConfig.ShmSize = ($value | bytes)
	elif $flag == "--add-host" then .HostConfig.ExtraHosts += [$value]
	elif $flag == "--cap-add" then ($value | capability) as $name
		| .HostConfig.CapAdd += [$name] | .HostConfig.CapDrop |= map(select(. != $name and $name != "ALL"))
	elif $flag == "--cap-drop" then .HostConfig.CapDrop += [$value | capability]
	elif $flag == "--security-opt" then .HostConfig.SecurityOpt |= map(select((is_about_privileges and ($value | is_about_privileges)) | not))
		| if $value | test("^no-new-privileges[=:]false$") then . else .HostConfig.SecurityOpt += [$value] end
	elif $flag == "--pids-limit" then .HostConfig.PidsLimit = ($value | tonumber)
	elif $flag == "--tmpfs" then .HostConfig.Tmpfs[$value | sub(":.*"; "")] = (if $value | test(":") then $value | sub("^[^:]*:"; "") else "" end)
	elif $flag == "--device" then ($value | split(":")) as $d
		| .HostConfig.Devices += [{ PathOnHost: $d[0], PathInContainer: ($d[1] // $d[0]), CgroupPermissions: ($d[2] // "rwm") }]
	elif $flag == "--privileged" then .HostConfig.Privileged = true | .HostConfig.CapDrop = []
		| .HostConfig.SecurityOpt |= map(select(is_about_privileges | not))
	elif $flag == "--init" then .HostConfig.Init = ($value == "true")
	elif $flag == "--restart" then .HostConfig.RestartPolicy = ($value | restart)
	elif $flag | IN("-u", "--user") then .User = $value
	elif $flag | IN("-w", "--workdir") then .WorkingDir = $value
	elif $flag | IN("-h", "--hostname") then .Hostname = $value
	elif $flag == "--label" then .Labels[$value | sub("=.*"; "")] = ($value | sub("^[^=]*=?"; ""))
	else error("docker-args-deploy gives an option that is not known: \($flag)") end;

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
| reduce ($options | pairs)[] as $pair (.; with_option($pair[0]; $pair[1]))
# What we know a container by, also where an option or the image says something else.
| .Labels += labels
