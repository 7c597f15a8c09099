# The spec of a one-off container, made from that of a web container. $more has further variables,
# NUL-separated; $seconds is when it is stopped; $cron is "ID POLICY NAME" of a cron task.
def name: sub("=(.|\n)*"; "");
($more | split("\u0000") | map(select(. != ""))) as $more
| ($more | map(name)) as $names
| .Env |= map(select(name | IN($names[]) | not)) + $more
| if $seconds == "" then . else
	.Labels["com.dokku.active-deadline-seconds"] = $seconds
end
| .Labels["com.dokku.container-type"] = "run"
| .HostConfig.RestartPolicy = { Name: "no" }
| .HostConfig.AutoRemove = true
| if $cron == "" then . else ($cron | split(" ")) as $cron
	| .Labels["com.dokku.container-type"] = "cron"
	| .Labels["com.dokku.cron-id"] = $cron[0]
	| .Labels["com.dokku.concurrency-policy"] = $cron[1]
	| .HostConfig.AutoRemove = ($cron[2] == null)
end
| del(.NetworkingConfig) | .Tty = ($tty == 1)
| if $detach == 1 then . else
	.OpenStdin = true | .StdinOnce = true
	| .AttachStdin = true | .AttachStdout = true | .AttachStderr = true
end
