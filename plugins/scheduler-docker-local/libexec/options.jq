# What the options of docker create change in a container. $asked: what the docker client sends for
# them; $defaults: what it sends without any. Prints {config, env, labels, host, links}, or a line
# that says why the options are refused.

# The members that differ.
def changed($from): with_entries(select(.value != $from[.key]));

$asked[0] as $asked
| ($asked | del(.HostConfig, .NetworkingConfig, .Image, .Cmd, .Env, .Labels) | changed($defaults)) as $config
| ($asked.HostConfig | changed($defaults.HostConfig)) as $host
| ($asked.NetworkingConfig // {}) as $networks
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
else {
	config: ($config | del(.MacAddress)),
	env: ($asked.Env // []),
	labels: ($asked.Labels // {}),
	host: ($host | del(.Links)),
	links: ($host.Links // [])
} end
