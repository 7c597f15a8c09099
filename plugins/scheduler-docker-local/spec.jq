# The container as the Engine API wants it. Input: NAME=VALUE pairs, NUL-separated.
def labels: {
	"com.dokku.app-name": $app, "com.dokku.container-type": "deploy", "com.dokku.release": $release,
	"com.dokku.process-type": $process, "com.dokku.index": $index, "com.dokku.port": $port,
	"com.dokku.dyno": "\($process).\($index)", "dokku": ""
};
# on-failure:10 and its kin
def restart: ($restart | split(":")) as $p | { Name: $p[0], MaximumRetryCount: (($p[1] // "0") | tonumber) };

(split("\u0000") | map(select(. != ""))) as $env
| ($env | any(startswith("PORT="))) as $has_port
| {
	Image: $image,
	Hostname: "",
	Env: (["PORT=\($port)" | select($has_port | not)] + ["DYNO=\($process).\($index)"]
		+ ["GIT_REV=\($commit)" | select($commit != "")] + $env),
	Labels: labels,
	StopTimeout: ($stop | tonumber),
	HostConfig: {
		NetworkMode: $network,
		Init: $init,
		RestartPolicy: restart,
		LogConfig: (if $size == "unlimited" then {} else { Type: "json-file", Config: { "max-size": $size } } end)
	},
	NetworkingConfig: { EndpointsConfig: { ($network): { IPAMConfig: { IPv4Address: $address } } } }
}
| if $command == null then . else .Cmd = $command end
