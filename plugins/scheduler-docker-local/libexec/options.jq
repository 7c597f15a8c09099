# What the options of docker create change in a container. $asked: what the docker client sends for
# them; $defaults: what it sends without any. Prints {config, env, labels, host, links}, or a line
# that says why the options are refused.

# The groups of mount options that docker knows. A mount has at most one of each.
def mount_options: [["ro", "rw"], ["z", "Z"], ["nocopy"], ["consistent", "cached", "delegated"],
	["shared", "rshared", "slave", "rslave", "private", "rprivate"]];

# Why the engine does not take the mount HOST:CONTAINER[:OPTIONS], or nothing.
def mount_fault:
	. as $mount
	| split(":") as [$host, $container]
	| (split(":")[2:] | join(":") | split(",")) as $words
	| (mount_options | map(. - (. - $words) | length)) as $counts
	| if $container | startswith("/") and test("[^/]") | not then
		"\($mount | tojson) does not name an absolute path in the container"
	elif $host | startswith("/") or test("^[a-zA-Z0-9][a-zA-Z0-9_.-]+$") | not then
		"\($mount | tojson) begins with neither an absolute path nor the name of a volume"
	elif any($counts[]; . > 1) or ($counts | add) != ($words | length)
		or $counts[if $host | startswith("/") then 2 else 4 end] > 0 then
		"\($mount | tojson) has mount options that Docker does not take: use ro or rw, z or Z, or such as rslave"
	else empty end;

# The members that differ.
def changed($from): with_entries(select(.value != $from[.key]));

$asked[0] as $asked
| ($asked | del(.HostConfig, .NetworkingConfig, .Image, .Cmd, .Env, .Labels) | changed($defaults)) as $config
| ($asked.HostConfig | changed($defaults.HostConfig)) as $host
| ($asked.NetworkingConfig // {}) as $networks
| ([$host.Binds[]? | mount_fault] | first) as $fault
| if $asked.Image != $image or ($asked.Cmd // []) != [] then
	"\([$asked.Image] + ($asked.Cmd // []) | map(select(. != $image))[0] | tojson) is no option: an option begins with a hyphen, and its value follows it"
elif $host | has("PortBindings") or has("PublishAllPorts") then
	"a port of the host would keep a new container from starting beside the old one: dokku ports:add APP http:PORT:CONTAINER-PORT leads visitors to it"
elif ($host | has("NetworkMode")) or ($networks != ($defaults.NetworkingConfig // {})) or ($config | has("MacAddress")) then
	"dokku gives containers their network and address: dokku network:set APP attach-post-create NETWORK puts them on another one, too"
elif any($asked.Env[]?; startswith("PORT=")) then
	"PORT belongs into the config: dokku config:set APP PORT=…"
elif $who == "user" and ($host | has("RestartPolicy")) then
	"the restart policy is a setting: dokku ps:set APP restart-policy POLICY"
elif $who == "user" and ($config | has("StopTimeout")) then
	"the time to stop is a setting: dokku ps:set APP stop-timeout-seconds SECONDS"
elif $who == "user" and $fault then
	$fault
elif $who == "user" and ($host.NanoCpus // 0 | . != 0 and . < 10000000) then
	"a container needs at least 0.01 of a processor"
else {
	config: ($config | del(.MacAddress)),
	env: ($asked.Env // []),
	labels: ($asked.Labels // {}),
	host: ($host | del(.Links)),
	links: ($host.Links // [])
} end
