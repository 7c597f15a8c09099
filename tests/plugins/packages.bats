#!/usr/bin/env bats
# The packages that dokku needs, on hosts with a history: what is installed already, what apt knows,
# and an apt that is busy, broken in part, or would remove something.

load ../helper

setup() {
	world
	# Nothing of the machine's own engine.
	TOOLS=$BATS_TEST_TMPDIR/tools
	mkdir "$TOOLS"
	for tool in bash dirname env grep sed tail sleep cat rm; do
		ln -s "$(type -P "$tool")" "$TOOLS/$tool"
	done
	rm "$BIN/docker"
	export INSTALLED=$BATS_TEST_TMPDIR/installed KNOWN=$BATS_TEST_TMPDIR/known \
		DOKKU_INSTALL_LOG=$BATS_TEST_TMPDIR/log
	printf '%s\n' bash-static nginx git openssh-server sudo jq nftables conntrack curl openssl \
		procps iproute2 util-linux ca-certificates \
		gcc libc6-dev make pkg-config libcurl4-openssl-dev libpcre2-dev zlib1g-dev \
		libnftnl-dev libmnl-dev libjansson-dev libcap2-bin \
		>"$INSTALLED"
	: >"$KNOWN"
	# A package of two architectures has two lines.
	fake dpkg-query <<-'END'
		if [[ $1 == --search ]]; then
			[[ -e $INSTALLED.owner ]] || exit 1
			printf '%s: %s\n' "$(<"$INSTALLED.owner")" "$2"
			exit
		fi
		while read -r name state; do
			[[ $name != "${!#}" ]] || printf '%s\n' "${state:-installed}"
		done <"$INSTALLED" | grep .
	END
	fake apt-cache <<-'END'
		[[ $1 == policy ]] || exit 100
		printf '%s:\n  Installed: (none)\n' "$2"
		grep -qx "$2" "$KNOWN" && printf '  Candidate: 1.0\n' || printf '  Candidate: (none)\n'
	END
	fake apt-get <<<''
}

# has_engine OWNER [buildx] - makes a dockerd and a docker command that belong to the package OWNER.
has_engine() {
	fake dockerd <<<''
	printf '%s\n' "$1" >"$INSTALLED.owner"
	printf '%s\n' "$1" >>"$INSTALLED"
	fake docker \
		<<<"[[ \$* == 'buildx version' && \$HOME == /nonexistent && '${2-}' == buildx ]]"
}

dependencies() { PATH=$BIN:$TOOLS unshare_root "$PLUGIN_CORE_AVAILABLE_PATH/common/dependencies"; }

# unshare_root COMMAND… - runs COMMAND as root, or in a user namespace in which we look like root.
unshare_root() { if [[ $EUID -eq 0 ]]; then "$@"; else /usr/bin/unshare --map-root-user "$@"; fi; }

installs() { sed -n 's/^apt-get .* install .* --no-remove //p' "$CALLS"; }

@test "dependencies: everything is there, so apt-get is not called" {
	has_engine docker.io buildx
	run -0 dependencies
	assert_equal "" "$output"
	run ! grep apt-get "$CALLS"
}

@test "dependencies: dehydrated is installed where apt knows it; without it the installation goes on" {
	has_engine docker.io buildx
	printf 'dehydrated\n' >"$KNOWN"
	run -0 dependencies
	assert_equal dehydrated "$(installs)"
	fake apt-get <<<'[[ $* != *install* ]]'
	run -0 dependencies
	[[ $output == *'Not installed: dehydrated. Only letsencrypt:* needs it.'* ]]
	: >"$CALLS"
	printf 'dehydrated\n' >>"$INSTALLED"
	run -0 dependencies
	run ! grep apt-get "$CALLS"
}

@test "dependencies: a package of two architectures is installed; one that left only settings is not" {
	has_engine docker.io buildx
	printf 'zlib1g-dev\n' >>"$INSTALLED"
	run -0 dependencies
	run ! grep apt-get "$CALLS"
	sed -i 's/^jq$/jq config-files/' "$INSTALLED"
	run -0 dependencies
	assert_equal jq "$(installs)"
}

@test "dependencies: Debian 12, where docker.io has the client and there is no buildx" {
	printf 'docker.io\n' >"$KNOWN"
	run -0 dependencies
	assert_equal docker.io "$(installs)"
	: >"$CALLS"
	has_engine docker.io
	run -0 dependencies
	run ! grep apt-get "$CALLS"
}

@test "dependencies: Debian 13, where client and buildx are packages of their own" {
	printf 'docker.io\ndocker-cli\ndocker-buildx\n' >"$KNOWN"
	run -0 dependencies
	assert_equal 'docker.io docker-cli docker-buildx' "$(installs)"
	# A server that was upgraded from 12 has the engine only.
	: >"$CALLS"
	fake dockerd <<<''
	run -0 dependencies
	assert_equal 'docker-cli docker-buildx' "$(installs)"
	# A server that has been used without buildx.
	: >"$CALLS"
	has_engine docker-cli
	run -0 dependencies
	assert_equal docker-buildx "$(installs)"
}

@test "dependencies: the lists are read first, and tell only then that the client is a package" {
	fake dockerd <<<''
	# shellcheck disable=SC2016
	fake apt-get <<<'[[ $* != *update ]] || printf "docker-cli\n" >"$KNOWN"'
	run -0 dependencies
	assert_equal docker-cli "$(installs)"
}

@test "dependencies: beside Docker's own packages nothing of Debian's engine" {
	printf 'docker.io\ndocker-cli\ndocker-buildx\ndocker-ce\ndocker-ce-cli\ndocker-buildx-plugin\n' >"$KNOWN"
	has_engine docker-ce-cli
	run -0 dependencies
	assert_equal docker-buildx-plugin "$(installs)"
	# containerd.io alone, as Kubernetes wants it: docker.io would remove it.
	: >"$CALLS"
	rm "$BIN"/{docker,dockerd} "$INSTALLED.owner"
	sed -i 's/docker-ce-cli/containerd.io/' "$INSTALLED"
	run -0 dependencies
	assert_equal 'docker-ce docker-ce-cli docker-buildx-plugin' "$(installs)"
}

@test "dependencies: an engine of no package stays as it is" {
	printf 'docker.io\ndocker-cli\ndocker-buildx\n' >"$KNOWN"
	has_engine x
	printf 'moby-cli\n' >"$INSTALLED.owner"
	run -0 dependencies
	run ! grep apt-get "$CALLS"
}

@test "dependencies: podman's docker command is refused by name" {
	has_engine podman-docker
	run -1 dependencies
	assert_output " !     The docker command here is of podman-docker, which dokku cannot use.
 !     Remove it, then run make install again: apt-get remove podman-docker"
	run ! grep apt-get "$CALLS"
}

@test "dependencies: a server that has the original Dokku is refused, nothing is changed" {
	has_engine docker.io buildx
	run -0 dependencies
	printf 'dokku\n' >>"$INSTALLED"
	run -1 dependencies
	[[ $output == " !     The original Dokku is on this server, "*"Nothing was changed."* ]]
	sed -i '/^dokku$/d' "$INSTALLED"
	# It was removed, and its apps are still there: they are set aside.
	mkdir -p "$BATS_TEST_TMPDIR/lib/core-plugins"
	DOKKU_LIB_ROOT=$BATS_TEST_TMPDIR/lib run -0 dependencies
	# It was not installed as a package.
	mkdir -p "$BATS_TEST_TMPDIR/lib/core-plugins/available/common"
	: >"$BATS_TEST_TMPDIR/lib/core-plugins/available/common/functions"
	DOKKU_LIB_ROOT=$BATS_TEST_TMPDIR/lib run -1 dependencies
	[[ $output == *"apt-get remove dokku,"* ]]
	# Our own link is no sign of it.
	rm -r "$BATS_TEST_TMPDIR/lib/core-plugins/available"
	ln -s "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/lib/core-plugins/available"
	DOKKU_LIB_ROOT=$BATS_TEST_TMPDIR/lib run -0 dependencies
	run ! grep apt-get "$CALLS"
}

@test "dependencies: another libcurl to develop with, or another sudo, is not replaced" {
	has_engine docker.io buildx
	sed -i -e 's/libcurl4-openssl-dev/libcurl4-gnutls-dev/' -e 's/^sudo$/sudo-ldap/' \
		"$INSTALLED"
	run -0 dependencies
	run ! grep apt-get "$CALLS"
}

@test "apt: no question is asked, no service restarted, nothing removed" {
	has_engine docker.io buildx
	sed -i '/^jq$/d' "$INSTALLED"
	# shellcheck disable=SC2016
	fake apt-get \
		<<<'printf "%s %s %s\n" "$DEBIAN_FRONTEND" "$NEEDRESTART_MODE" "$(cat)" >>"$CALLS"'
	run -0 dependencies <<<"an answer"
	assert_equal "noninteractive l " "$(grep -v -e '^apt' -e '^d' "$CALLS" | sed -n '1p')"
	grep -q -e '--force-confold .*install --yes --no-install-recommends --no-remove jq$' \
		"$CALLS"
}

@test "apt: a source that cannot be read does not stop what others have" {
	has_engine docker.io buildx
	sed -i '/^jq$/d' "$INSTALLED"
	fake apt-get <<-'END'
		[[ $* != *update ]] || { printf 'Reading\nE: The repository https://gone.example does not have a Release file.\n'; exit 100; }
	END
	run -0 dependencies
	assert_output " !     apt-get update failed. Going on with the sources that can be read:
       E: The repository https://gone.example does not have a Release file.
-----> Installing packages: jq"
	assert_equal jq "$(installs)"
}

@test "apt: a lock that another process holds is waited for, and said once" {
	has_engine docker.io buildx
	sed -i '/^jq$/d' "$INSTALLED"
	fake apt-get <<-'END'
		[[ $* == *update ]] || exit 0
		printf x >>"$INSTALLED.tries"
		[[ $(<"$INSTALLED.tries") == xxx ]] && exit
		printf 'E: Could not get lock /var/lib/apt/lists/lock. It is held by process 12 (apt-get)\n'
		exit 100
	END
	run -0 dependencies
	assert_output "       Another apt or dpkg is at work. Waiting for it, at most 300 s.
-----> Installing packages: jq"
	rm "$INSTALLED.tries"
	PACKAGES_WAIT=1 run -0 dependencies
	assert_equal " !     apt-get update failed. Going on with the sources that can be read:
       E: Could not get lock /var/lib/apt/lists/lock. It is held by process 12 (apt-get)
-----> Installing packages: jq" "$(sed 1d <<<"$output")"
}

@test "apt: what cannot be installed is named, with apt's own words" {
	has_engine docker.io buildx
	sed -i '/^jq$/d' "$INSTALLED"
	fake apt-get <<<"[[ \$* == *update ]] || { echo 'E: Packages need to be removed but remove is disabled.'; exit 100; }"
	run -1 dependencies
	assert_output "-----> Installing packages: jq
E: Packages need to be removed but remove is disabled.
 !     apt-get could not install these packages: jq
       All that it printed is in $DOKKU_INSTALL_LOG"
}

@test "start_engine: a missing client is told from an engine that does not start" {
	# shellcheck disable=SC2016
	start='source "$PLUGIN_CORE_AVAILABLE_PATH/common/functions"; source "$PLUGIN_CORE_AVAILABLE_PATH/common/lib/engine-start"; sleep() { :; }; start_engine'
	PATH=$BIN:$TOOLS run -1 bash -c "$start"
	assert_output " !     The docker command is missing." \
		"Install it (Debian has it in docker-cli or docker.io)," \
		"then run make install again."
}

@test "require-writable: a folder that is there, and the one that a missing one will be made in" {
	local tool="$BATS_TEST_DIRNAME/../../plugins/common/libexec/require-writable"
	got "$tool" "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/new/er"
	assert_success ""
	[[ -z $(find "$BATS_TEST_TMPDIR" -name '.dokku.*') ]]
	got "$tool" "$BATS_TEST_TMPDIR" /proc/self/none
	assert_status 1
	assert_error_like ' !     make install cannot write to /proc/self: *. Nothing was changed.*'
}
