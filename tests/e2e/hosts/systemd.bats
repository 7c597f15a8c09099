#!/usr/bin/env bats
# A host whose process 1 is systemd, as every real one: what is started at a boot and in which
# order, and what visitors get while the engine or nginx does not run.

# shellcheck disable=SC2030,SC2031 # bats runs each test in a subshell
# shellcheck disable=SC2154 # the helper sets world, address, keys, output, status
# shellcheck disable=SC2016 # what stands in single quotes is expanded in the world

load helper

setup_file() { host_with_app one --systemd; }

teardown_file() { host_down; }

# power_cut - stops the machine like a power cut, and boots it until systemd accepts commands.
power_cut() {
	"$top/tests/world" stop "$world"
	"$top/tests/world" up "$world" </dev/null
	e2e_setup
}

# booted - true if systemd has finished the boot.
booted() { [[ $(in_world systemctl is-system-running) =~ ^(running|degraded)$ ]]; }

# answers_503 APP - requires that APP is answered with 503 at once.
answers_503() {
	[[ $(fetch "$1" / --output /dev/null --max-time 2 --write-out '%{http_code}') == 503 ]]
}

serves() { [[ $(released "$1") == "$2" ]]; }

site_is_fine() {
	[[ $(curl --silent --max-time 5 --header 'Host: site.example' "http://$address/") == fine ]]
}

# engine_breaks - lets the engine fail from its next start on.
engine_breaks() {
	in_world sh -c \
		'cp /etc/docker/daemon.json /root/daemon.json &&
			echo broken >/etc/docker/daemon.json'
}

engine_is_whole() {
	in_world sh -c '! test -e /root/daemon.json || mv /root/daemon.json /etc/docker/daemon.json'
}

@test "no unit fails, systemd finds nothing wrong in ours, and no order is a circle" {
	run in_world systemctl --failed --plain --no-legend
	[[ -z $output ]]
	run in_world systemd-analyze --man=no verify dokku-network.service dokku-restore.service \
		dokku-heal.service dokku-unblock.service nginx.service
	[[ $status -eq 0 && $output != *dokku* && $output != *cycle* ]]
	run in_world systemctl is-enabled dokku-network dokku-restore dokku-heal dokku-unblock
	[[ $output == $'enabled\nenabled\nenabled\nenabled' ]]
}

@test "power cut: every answer after the boot is the app's, and 30 s later it serves" {
	power_cut
	local begin=$EPOCHREALTIME
	until serves one v1; do
		[[ $(released one) =~ ^(v1)?$ && $((EPOCHSECONDS - ${begin%.*})) -lt 90 ]]
		sleep 0.1
	done
	printf 'right answers after %d ms\n' $(((${EPOCHREALTIME/./} - ${begin/./}) / 1000)) >&3
	await 30 booted
	# nginx began when the apps were there.
	run in_world bash -c 'for unit in dokku-network dokku-restore nginx; do
		systemctl show --value --property InactiveExitTimestampMonotonic "$unit"; done'
	printf '%s\n' "$output"
	[[ ${lines[0]} -le ${lines[1]} && ${lines[1]} -lt ${lines[2]} ]]
	[[ $(in_world systemctl show --value --property Result dokku-restore) == success ]]
}

@test "power cut, and another program is first at a port of an app: nginx starts without that" {
	dokku_run ports:set one http:80:5000 http:8081:5000
	in_world bash -c 'cd /etc/systemd/system
		printf "[Socket]\nListenStream=0.0.0.0:8081\nAccept=yes\n[Install]\nWantedBy=sockets.target\n" \
			>thief.socket
		printf "[Service]\nExecStart=/bin/cat\nStandardInput=socket\n" >thief@.service
		systemctl enable --quiet thief.socket'
	power_cut
	await 30 serves one v1
	[[ $(in_world journalctl --boot --unit nginx) == *'one: another program has port 8081'* ]]
	# It is in nginx again when the app is deployed, or so:
	in_world systemctl disable --quiet --now thief.socket
	dokku_run proxy:build-config one
	curl --silent --fail --max-time 5 --output /dev/null --header "Host: one.localhost" \
		"http://$address:8081/"
	dokku_run ports:clear one
}

@test "power cut, and a user has ports of apps, one without listening, one after we have looked: nginx starts" {
	dokku_run ports:set one http:80:5000 http:8081:5000 http:8082:5000
	in_world bash -c 'cat >/usr/local/bin/thief <<-"END"
			use Socket;
			sub take { my $s; socket($s, AF_INET, SOCK_STREAM, 0) or die;
				bind($s, pack_sockaddr_in($_[0], INADDR_ANY)) ? $s : undef }
			sub looks { grep { open(F, $_) && <F> =~ m,nginx/root/taken, }
				glob("/proc/[0-9]*/cmdline") }
			my $one = take(8081) or die;
			1 until looks();
			1 while looks();
			my $two = take(8082) or die;
			sleep 300;
		END
		printf "%s\n" "[Unit]" Before=nginx.service "[Service]" Type=exec User=nobody \
			"ExecStart=/usr/bin/perl /usr/local/bin/thief" \
			"[Install]" WantedBy=multi-user.target \
			>/etc/systemd/system/thief.service
		systemctl enable --quiet thief'
	power_cut
	await 40 serves one v1
	run in_world journalctl --boot --unit nginx
	[[ $output == *'one: another program has port 8081'* &&
		$output == *'one: another program took a port of nginx, so nginx'*' port 8082.'* ]]
	in_world systemctl disable --quiet --now thief
	in_world rm /etc/systemd/system/thief.service
	dokku_run proxy:build-config one
	for port in 8081 8082; do
		curl --silent --fail --max-time 5 --output /dev/null \
			--header "Host: one.localhost" "http://$address:$port/"
	done
	dokku_run ports:clear one
}

@test "a clean reboot does the same" {
	in_world systemctl reboot || true
	await 30 bash -c "'$top/tests/world' list | grep -q '^$world	stopped'"
	power_cut
	await 30 serves one v1
	in_world nft list map ip dokku services | grep -q '10.86.0.2 . 80'
}

@test "the engine fails at a boot: nginx starts, 503 at once, nothing leaves the host, and the watch mends it" {
	local packets
	engine_breaks
	# The watch may come late: then there is no table of ours yet.
	in_world systemctl disable --quiet dokku-heal
	power_cut
	await 20 in_world systemctl is-active nginx
	# What is sent out by the default route to an address of ours.
	in_world bash -c \
		'nft add table ip probe
			nft add chain ip probe out "{ type filter hook postrouting priority 300; }"
		nft add rule ip probe out ip daddr 10.86.0.0/16 oifname eth0 counter'
	for _ in 1 2 3; do
		answers_503 one
	done
	packets=$(in_world nft list chain ip probe out)
	[[ $packets == *'packets 0 bytes 0'* ]]
	[[ $(in_world systemctl is-active docker) != active ]]
	# dokku leaves the administrator's other sites alone.
	in_world sh -c \
		'printf "server { listen 80; server_name site.example; return 200 fine; }\n" \
			>/etc/nginx/sites-enabled/site && systemctl reload nginx'
	await 5 site_is_fine
	in_world systemctl enable --quiet --now dokku-heal
	engine_is_whole
	in_world systemctl reset-failed docker.service docker.socket
	in_world systemctl start docker
	await 30 serves one v1
}

@test "the engine hangs at a boot: nginx does not wait for it for ever" {
	in_world bash -c \
		'mkdir -p /etc/systemd/system/docker.service.d \
			/etc/systemd/system/dokku-restore.service.d
		printf "[Service]\nExecStart=\nExecStart=/bin/sleep 1000\n" \
		>/etc/systemd/system/docker.service.d/hang.conf'
	in_world grep -q '^JobTimeoutSec=120$' /etc/systemd/system/dokku-restore.service
	# The same with less patience.
	in_world bash -c \
		'printf "[Unit]\nJobTimeoutSec=5\n" \
			>/etc/systemd/system/dokku-restore.service.d/soon.conf'
	power_cut
	await 20 in_world systemctl is-active nginx
	await 5 answers_503 one
	await 20 in_world systemctl is-active dokku-heal
	in_world rm -r /etc/systemd/system/docker.service.d \
		/etc/systemd/system/dokku-restore.service.d
	in_world systemctl daemon-reload
	in_world systemctl restart docker
	await 30 serves one v1
}

@test "the bridge goes, or the route: another machine never gets a request" {
	local ip
	in_world ip route show | grep -qx 'unreachable 10.86.0.0/16 proto static metric 4294967295 '
	in_world ip route delete unreachable 10.86.0.0/16
	await 3 bash -c "'$top/tests/world' run '$world' -- ip route show | grep -q unreachable"
	ip=$(in_world ip -o -4 address show dev dokku0 | awk '{ print $4 }')
	in_world ip address delete "$ip" dev dokku0
	answers_503 one
	in_world ip address add "$ip" dev dokku0
	await 5 serves one v1
}

@test "nginx is stopped: a push fails before the build, names the command, and the watch says so" {
	in_world systemctl stop nginx
	local begin=$SECONDS
	commit one v2
	run push one
	printf '%s\n' "$output"
	[[ $status -ne 0 && $output == *'nginx does not run'*'sudo systemctl start nginx'* ]]
	[[ $output != *'Building'* && $output != *'still serves'* && $((SECONDS - begin)) -lt 10 ]]
	run dokku_run ps:restart one
	[[ $status -ne 0 && $output == *'sudo systemctl start nginx'* ]]
	# What does not concern visitors goes on.
	dokku_run ps:report one
	await 15 in_world bash -c 'journalctl --unit dokku-heal | grep -q "nginx does not run"'
	in_world systemctl start nginx
	await 15 in_world bash -c 'journalctl --unit dokku-heal | grep -q "nginx runs again"'
	assert_serves one v1
	push one
	assert_serves one v2
}

@test "make uninstall: systemd forgets our units, the route goes; make install brings them back" {
	local was
	was=$(released one)
	in_world make -C /root/dokku uninstall
	run in_world systemctl list-units --all --plain --no-legend 'dokku*'
	[[ -z $output ]]
	run in_world systemctl show --value --property LoadState dokku-heal dokku-restore \
		dokku-network
	[[ $output != *loaded* ]]
	run in_world ip route show
	[[ $output != *unreachable* ]]
	host_install
	[[ -n $was ]]
	await 10 serves one "$was"
	in_world systemctl is-active dokku-heal
}
