#!/usr/bin/env bats
# Registries, with Debian's docker-registry in the machine: login, push-on-release, and images that
# are deployed by their digest.

load helper

setup_file() {
	e2e_prepare
	# The registry takes ann's password only.
	timeout 400 "$top/tests/world" run "$world" -- sh -c '
		type docker-registry || apt-get install -qq -y docker-registry apache2-utils
		mkdir -p /tmp/registry && htpasswd -Bbn ann secret >/tmp/registry/users
		printf "%s\n" "version: 0.1" "storage: {filesystem: {rootdirectory: /tmp/registry/data}}" \
			"http: {addr: 127.0.0.1:5055}" \
			"auth: {htpasswd: {realm: r, path: /tmp/registry/users}}" >/tmp/registry/config.yml
		curl -s -o /dev/null http://127.0.0.1:5055/v2/ ||
			setsid docker-registry serve /tmp/registry/config.yml >/tmp/registry/log 2>&1 </dev/null &
		for i in 1 2 3 4 5 6 7 8 9; do
			curl -s -o /dev/null http://127.0.0.1:5055/v2/ && exit 0; sleep 1; done; exit 1' \
		</dev/null >&2
}

setup() { e2e_setup; }

# of_registry PATH - asks the registry, as ann.
of_registry() {
	local type=application/vnd.docker.distribution.manifest.v2+json
	in_world curl -s -u ann:secret -H "Accept: $type" "http://127.0.0.1:5055/v2/$1"
}

@test "registry:login: the registry says no to a wrong password, and yes to the right one" {
	dokku_run apps:create depot
	run dokku_run registry:login depot 127.0.0.1:5055 ann wrong
	[[ $status -eq 1 && $output == *'does not take this name and password'* ]]
	run in_world sh -c 'printf secret | dokku registry:login --password-stdin depot 127.0.0.1:5055 ann'
	[[ $status -eq 0 ]]
}

@test "push-on-release: without a login the deploy is refused; with one the release has the digest" {
	dokku_run registry:set shut server 127.0.0.1:5055 || dokku_run apps:create shut
	dokku_run registry:set shut server 127.0.0.1:5055
	dokku_run registry:set shut push-on-release true
	run commit_and_push shut 1
	[[ $status -ne 0 &&
		$output == *'the image cannot be pushed to 127.0.0.1:5055/dokku/shut'* ]]
	dokku_run registry:set depot server 127.0.0.1:5055
	dokku_run registry:set depot image-repo team/depot
	dokku_run registry:set depot push-extra-tags live
	dokku_run registry:set depot push-on-release true
	run commit_and_push depot 1
	[[ $status -eq 0 && $output == *'Pushing the image to 127.0.0.1:5055/team/depot:1'* ]]
	run dokku_run registry:report depot --registry-pushed-image
	[[ $output =~ ^127.0.0.1:5055/team/depot:1@(sha256:[0-9a-f]{64})$ ]]
	[[ $(of_registry team/depot/manifests/live | sha256sum) == "${BASH_REMATCH[1]#sha256:} "* ]]
	# Nothing of it keeps the image here when its release goes.
	[[ -z $(in_world docker image ls -q 127.0.0.1:5055/team/depot) ]]
}

@test "git:from-image: pulled with the app's login, deployed by its digest, the same again deploys nothing" {
	local first
	dokku_run apps:create moor
	run dokku_run git:from-image moor 127.0.0.1:5055/team/depot:live
	[[ $status -ne 0 && $output == *'cannot be pulled'* ]]
	dokku_run registry:login moor 127.0.0.1:5055 ann secret
	run dokku_run git:from-image moor 127.0.0.1:5055/team/depot:live
	[[ $status -eq 0 ]]
	first=$(in_world git -C /home/dokku/moor show HEAD:Dockerfile | head -n 1)
	[[ $first =~ ^FROM\ 127.0.0.1:5055/team/depot:live@sha256:[0-9a-f]{64}$ ]]
	run dokku_run git:from-image moor 127.0.0.1:5055/team/depot:live
	[[ $status -eq 0 && $output == *'No changes detected'* ]]
	commit_and_push depot 2
	# The registry has another image of that name.
	run dokku_run git:from-image --force moor 127.0.0.1:5055/team/depot:live
	[[ $status -eq 0 ]]
	[[ $(in_world git -C /home/dokku/moor show HEAD:Dockerfile | head -n 1) != "$first" ]]
}
