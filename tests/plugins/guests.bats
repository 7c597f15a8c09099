#!/usr/bin/env bats
# Guests: plugins that were written for Dokku, and the functions and programs that they use. Each
# function is tested from the way in which Dokku's plugins call it.

load ../helper

setup() {
	world
	made_plugins apps certs config domains nginx nginx-vhosts plugin ports proxy ps
	make_app web
	AVAILABLE=$DOKKU_LIB_ROOT/plugins/available
	ln -s "$PLUGIN_CORE_AVAILABLE_PATH"/{certs,common,config,docker-options,domains,nginx-vhosts,ps} \
		"$AVAILABLE/"
}

# guest NAME FILE - adds FILE to the guest NAME. stdin is its Bash code, after the line that the
# plugins begin with.
guest() {
	local file=$PLUGIN_PATH/$1/$2
	mkdir -p "${file%/*}"
	{
		printf '#!%s\n' "$INTERPRETER"
		cat
	} >"$file"
	chmod +x "$file"
}

# as_guest - runs a script of the guest theirs as dokku does, and sets status, output and
# stderr. stdin is its code.
as_guest() {
	{
		printf 'set -eo pipefail\n'
		printf 'source "$PLUGIN_CORE_AVAILABLE_PATH/common/%s"\n' functions property-functions
		cat
	} | guest theirs try
	as_hook theirs/try </dev/null
}

as_hook() {
	got strict "" 'plugin_words "$PLUGIN_PATH/$1"; "${start[@]}" "${@:2}"' "$@"
}

# --- how a guest is started ---

@test "a guest: has Dokku's environment" {
	as_guest <<-'BODY'
		printf '%s\n' "${PLUGIN_PATH##*/}" "$DOKKU_NOT_IMPLEMENTED_EXIT" "$DOKKU_API_VERSION" \
			"$DOKKU_HOST_ROOT" "$DOKKU_LIB_HOST_ROOT" "$DOCKER_BIN" "$DOKKU_SYSTEM_USER" \
			"$SSH_NAME" "$DOKKU_GLOBAL_RUN_ARGS"
		[[ $DOKKU_UID == "$EUID" && $DOKKU_PID -gt 1 ]] && type -P plugn sigil >/dev/null
		[[ $- != *u* ]] && ! shopt -q nullglob
	BODY
	assert_success "a world
10
1
$DOKKU_ROOT
$DOKKU_LIB_ROOT
$BIN/docker
dokku
default
--label=dokku"
}

# A container gives a folder of the plugin to a user of its own, and leaves the group as it is.
@test "a guest: the group may write what it makes, and dokku below it writes as usual" {
	as_guest <<-'BODY'
		mkdir "$DOKKU_LIB_ROOT/made"
		dokku config:set --no-restart web A=b >/dev/null
		stat --format %a "$DOKKU_LIB_ROOT/made" "$DOKKU_LIB_ROOT/config/web"
	BODY
	assert_success "775
755"
}

# dokku-postgres and its like write the path that `which dokku` prints into a file of cron.
@test "a guest: the dokku that it finds works from cron, which has no environment" {
	as_guest <<<'which dokku'
	assert_status 0
	got env -i PATH="$PATH" DOKKU_TESTING=1 "$output" version
	assert_status 0
	[[ $output == 'dokku version '* ]]
}

@test "a guest: sources our files by both paths, any number of times, and no readonly hurts it" {
	as_guest <<-'BODY'
		for i in 1 2 3; do
			for path in "$PLUGIN_CORE_AVAILABLE_PATH" "$PLUGIN_AVAILABLE_PATH"; do
				source "$path/common/functions"
				source "$path/common/property-functions"
				source "$path/config/functions"
				source "$path/ps/functions"
				source "$path/docker-options/functions"
				source "$path/nginx-vhosts/functions"
				source "$path/nginx-vhosts/internal-functions"
				source "$path/certs/functions"
				source "$path/domains/functions"
			done
		done
		LOCKS=mine RELEASES=mine NO_APPS=mine SCHEDULER=mine DOCKER_OPTIONS=mine CERTS_MAX=mine
		[[ $- != *u* ]] && ! shopt -q nullglob && ! declare -F add_passed_docker_option
	BODY
	assert_success
}

@test "a command of a guest gets the whole word, and dokku below it is as usual" {
	guest theirs subcommands/create <<-'BODY'
		printf '%s|' "$DOKKU_GUEST" "$@"
		dokku apps:exists web && "$DOKKU" config:get web A
	BODY
	strict config 'mkdir -p "$DOKKU_LIB_ROOT/config/web"; printf "export A=b\n" >"$DOKKU_LIB_ROOT/config/web/ENV"'
	dokku theirs:create db --flag
	assert_success "theirs|theirs:create|db|--flag|b"
}

@test "a command of a guest that is written for our library has the checked arguments" {
	guest theirs subcommands/set <<-'BODY'
		# Summary: Set it
		# Usage: dokku theirs:set [--hard] APP VALUE
		source "$PLUGIN_CORE_AVAILABLE_PATH/common/strict"
		printf '%s %s %s %s\n' "$1" "$2" "${option[hard]-}" "${DOKKU_GUEST-none}"
		[[ $PLUGIN_PATH == "$PLUGIN_ENABLED_PATH" ]]
	BODY
	dokku theirs:set web 1 --hard
	assert_success "web 1 1 none"
	dokku theirs:set web
	assert_refused "theirs:set: VALUE is missing; nothing was done." \
		"Please retry with valid arguments. Usage: dokku theirs:set [--hard] APP VALUE" 2
}

@test "the secret words of a guest's command are in no argument list, over ssh either" {
	guest theirs subcommands/set <<-'BODY'
		# Summary: Set it
		# Usage: dokku theirs:set APP VALUE
		# Secret: yes
		source "$PLUGIN_CORE_AVAILABLE_PATH/common/strict"
		! grep --quiet --text s3cret "/proc/$$/cmdline" || printf 'shown '
		printf '%s\n' "$2"
	BODY
	dokku theirs:set web s3cret
	assert_success "s3cret"
	SSH_ORIGINAL_COMMAND="theirs:set web s3cret" dokku
	assert_success "s3cret"
}

@test "--app goes to a guest in DOKKU_APP_NAME as well" {
	guest theirs subcommands/link <<<'printf "%s %s\n" "$DOKKU_APP_NAME" "$*"'
	dokku --app web theirs:link db
	assert_success "web theirs:link web db"
}

@test "commands: 10 is not mine, any other status is the command's" {
	guest mine commands <<-'BODY'
		case $1 in
		mine:go) printf 'mine %s\n' "$2"; exit 7 ;;
		other:way) printf 'by mine\n' ;;
		mine:help | help) printf '    mine, Plugin for mine\n' ;;
		*) exit "$DOKKU_NOT_IMPLEMENTED_EXIT" ;;
		esac
	BODY
	guest theirs commands <<<'exit "$DOKKU_NOT_IMPLEMENTED_EXIT"'
	dokku mine:go x
	assert_status 7
	assert_output "mine x"
	dokku other:way
	assert_success "by mine"
	dokku mine:help
	assert_success "    mine, Plugin for mine"
	dokku nobody:has
	assert_refused "\`nobody:has\` is not a dokku command. See \`dokku help\` for a list of available commands."
	dokku help
	assert_status 0
	[[ $output == *$'\nCommunity plugin commands:\n\n    mine, Plugin for mine\n'* ]]
}

@test "commands: one that hangs is named, and the next one is asked" {
	guest a-hangs commands <<<'exec sleep 60'
	guest b-has commands <<<'[[ $1 == x:y ]] || exit 10; printf "yes\n"'
	DOKKU_GUEST_SECONDS=0.2 dokku x:y
	assert_status 0
	assert_output yes
	assert_error " !     the plugin a-hangs failed, and this goes on without it: its hook commands ended with status 124 because it took more than 0.2 s; dokku plugin:disable a-hangs turns it off"
}

# --- printing ---

@test "dokku_log_*: as Dokku prints" {
	as_guest <<-'BODY'
		dokku_log_info1 a "b c"
		dokku_log_info2 d
		dokku_log_verbose e
		dokku_log_warn f
		dokku_col_log_msg one two three four
		export DOKKU_QUIET_OUTPUT=1
		for name in info1 info2 verbose warn exclaim; do "dokku_log_${name}_quiet" x; done
		dokku_col_log_info1_quiet x
		dokku_container_log_verbose_quiet x
		(dokku_log_fail g) || printf '%s\n' "$?"
		DOKKU_FAIL_EXIT_CODE=3 dokku_log_fail h
	BODY
	assert_status 3
	assert_output "-----> a b c
=====> d
       e
one                       two                       three                     four                     
1"
	assert_error " !     f
 !     g
 !     h"
}

@test "dokku_container_log_verbose_quiet: the log of a container, indented" {
	fake docker <<<'[[ $* != "container logs db" ]] || { echo out; echo err >&2; }'
	as_guest <<<'dokku_container_log_verbose_quiet db'
	assert_success "       out
       err"
}

@test "suppress_output: prints only what failed" {
	as_guest <<-'BODY'
		fails() { printf 'why\n'; return 4; }
		suppress_output printf 'no\n'
		suppress_output fails || printf '%s\n' "$?"
	BODY
	assert_success "why
4"
}

# --- apps ---

@test "verify_app_name: exits with 20 unless there is the app" {
	as_guest <<<'verify_app_name web; (verify_app_name none) || echo "$?"; verify_app_name ../root'
	assert_status 20
	assert_output 20
	assert_error " !     App none does not exist
 !     App ../root does not exist"
	as_guest <<<'verify_app_name ""'
	assert_status 1
}

@test "dokku_apps: all apps, or a failure" {
	make_app blog
	as_guest <<<'for app in $(dokku_apps); do echo "<$app>"; done'
	assert_success "<blog>
<web>"
	rm -r "${DOKKU_ROOT:?}"/*
	as_guest <<<'dokku_apps'
	assert_refused "You haven't deployed any applications yet"
}

@test "is_deployed: has a release" {
	as_guest <<<'is_deployed web || echo no'
	assert_success no
	make_release web 1
	make_current web 1
	as_guest <<<'is_deployed web && echo yes'
	assert_success yes
}

@test "is_container_status: what docker says of the state" {
	fake docker <<<'[[ $* != *State.Running*db ]] || echo true'
	as_guest <<<'is_container_status db Running && echo yes; is_container_status db Paused || echo no'
	assert_success "yes
no"
}

@test "fn-in-array, has_tty, plugin_name, parse_args" {
	as_guest <<-'BODY'
		fn-in-array b a b c && ! fn-in-array x a b
		has_tty || plugin_name
		parse_args --quiet --no-restart --app web ps:restart --force
		printf '%s %s %s\n' "$DOKKU_QUIET_OUTPUT" "$DOKKU_APP_NAME" "${DOKKU_APPS_FORCE_DELETE:-no}"
		[[ $DOKKU_GLOBAL_FLAGS == *--no-restart* ]]
	BODY
	assert_success "theirs
1 web no"
}

# --- properties ---

@test "properties: written, read, listed, deleted; dokku reads the same files" {
	as_guest <<-'BODY'
		fn-plugin-property-setup theirs
		fn-plugin-property-write theirs db key "a value"
		fn-plugin-property-write theirs db other 1
		fn-plugin-property-get theirs db key
		fn-plugin-property-get theirs db none
		fn-plugin-property-get-default theirs db none "a default"
		fn-plugin-property-get-all theirs db
		fn-plugin-property-delete theirs db other
		fn-plugin-property-delete theirs db other
		fn-plugin-property-get theirs db other no
	BODY
	assert_success "a value
a default
key a value
other 1
no"
	assert_mode "$DOKKU_LIB_ROOT/config/theirs/db/key" 600
	code "" 'property_get theirs db key'
	assert_success "a value"
}

@test "properties: cloned and destroyed" {
	as_guest <<-'BODY'
		fn-plugin-property-clone theirs old new
		fn-plugin-property-write theirs old key 1
		fn-plugin-property-clone theirs old new
		fn-plugin-property-destroy theirs old
		fn-plugin-property-get theirs new key
		fn-plugin-property-get theirs old key gone
	BODY
	assert_success "1
gone"
	assert_absent "$DOKKU_LIB_ROOT/config/theirs/old"
}

@test "properties: a name that leads elsewhere is refused" {
	as_guest <<<'fn-plugin-property-write theirs .. key 1'
	assert_refused 'not a name for a property: ".."'
	as_guest <<<'fn-plugin-property-destroy theirs ""'
	assert_refused 'not a name for a property: ""'
	as_guest <<<'fn-plugin-property-get theirs db a/b'
	assert_refused 'not a name for a property: "a/b"'
}

@test "properties: a list" {
	as_guest <<-'BODY'
		for ip in 1.1.1.1 2.2.2.2 3.3.3.3; do
			fn-plugin-property-list-add theirs web ips "$ip"
		done
		fn-plugin-property-list-get-by-value theirs web ips 2.2.2.2
		fn-plugin-property-list-get-by-value theirs web ips 2.2 || echo no
		fn-plugin-property-list-remove theirs web ips 2.2.2.2
		fn-plugin-property-list-remove theirs web none x
		fn-plugin-property-list-get theirs web ips | xargs
	BODY
	assert_success "2.2.2.2
no
1.1.1.1 3.3.3.3"
}

# --- config ---

@test "config_*: through the commands; values are in no argument list" {
	fake ps </dev/null
	as_guest <<-'BODY'
		source "$PLUGIN_AVAILABLE_PATH/config/functions"
		config_set --no-restart web URL=redis://:secret@host:6379 B=2 >/dev/null
		config_get web URL
		config_get web NONE || echo none
		config_unset --no-restart web B >/dev/null
		config_all web | grep 'redis://:secret@host:6379' | cut -d: -f1
		config_all web | sed -n 's/URL:\s*//p'
	BODY
	assert_success "redis://:secret@host:6379
none
URL
redis://:secret@host:6379"
}

# --- certs, domains, nginx, ps ---

@test "is_ssl_enabled: certificate and key are there" {
	as_guest <<-'BODY'
		source "$PLUGIN_AVAILABLE_PATH/certs/functions"
		is_ssl_enabled web || echo no
		mkdir "$DOKKU_ROOT/web/tls" && touch "$DOKKU_ROOT/web/tls/server."{crt,key}
		is_ssl_enabled web && echo yes
	BODY
	assert_success "no
yes"
}

@test "get_app_domains: the host names" {
	as_guest <<<'source "$PLUGIN_AVAILABLE_PATH/domains/functions"; get_app_domains web'
	assert_success web.example.com
}

@test "nginx: restart and validate make the config again; settings are read" {
	mkdir -p "$DOKKU_LIB_ROOT/config/nginx-vhosts/web"
	printf '/var/log/nginx/mine.log\n' >"$DOKKU_LIB_ROOT/config/nginx-vhosts/web/access-log-path"
	printf 'json_lines\n' >"$DOKKU_LIB_ROOT/config/nginx-vhosts/web/access-log-format"
	as_guest <<-'BODY'
		source "$PLUGIN_AVAILABLE_PATH/nginx-vhosts/functions"
		validate_nginx web && restart_nginx web && restart_nginx
		[[ $(get_nginx_location) == */nginx ]]
		fn-nginx-access-log-path web
		fn-nginx-computed-access-log-path web
		fn-nginx-computed-error-log-path web
		fn-nginx-error-log-path web
		fn-nginx-access-log-format web
		fn-nginx-computed-access-log-format web
	BODY
	assert_success "/var/log/nginx/mine.log
/var/log/nginx/mine.log
/var/log/nginx/web-error.log

json_lines
json_lines"
}

@test "ps_start, ps_stop: the commands" {
	as_guest <<-'BODY'
		source "$PLUGIN_AVAILABLE_PATH/ps/functions"
		ps_start web || echo "$?"
		ps_stop web || echo "$?"
	BODY
	[[ $stderr == *"web is not deployed"* ]] || differ stderr "" "$stderr"
}

# --- plugn and sigil ---

@test "plugn trigger: hooks of all plugins, also those of guests" {
	guest theirs service-action <<<'echo "$@"'
	guest others service-action <<<'[[ $1 != refuse ]]'
	as_guest <<-'BODY'
		plugn trigger service-action pre-create redis db
		plugn trigger nobody-has-it
		plugn trigger service-action refuse || echo refused
	BODY
	assert_status 0
	assert_output "pre-create redis db
refused"
}

@test "plugn trigger: questions that Dokku's core answers" {
	mkdir -p "$DOKKU_LIB_ROOT/config/web"
	printf "export A='1'\n" >"$DOKKU_LIB_ROOT/config/web/ENV"
	as_guest <<-'BODY'
		plugn trigger proxy-type web
		plugn trigger config-get web A
		plugn trigger config-get-global A || echo none
		plugn trigger proxy-build-config web
		[[ $(plugn trigger ports-get-available) =~ ^[0-9]+$ ]]
		echo "--before" | plugn trigger docker-args-build web image
	BODY
	assert_success "nginx
1
none
--before"
	as_guest <<<'plugn shell'
	assert_refused "plugn shell: only trigger and list are there; nothing was done" 2
}

@test "plugn trigger network-get-listeners: stable addresses of web, else those of the containers" {
	ln -s "$PLUGIN_CORE_AVAILABLE_PATH/service-addresses" "$PLUGIN_PATH/service-addresses"
	make_release web 1
	make_current web 1
	printf '%s\n' 'web 1 idA 10.86.128.2 5000' 'web 2 idB 10.86.128.3 5000' \
		'worker 2 idC 10.86.128.4 5000' 'worker 1 idD 10.86.128.5 6000' \
		>"$DOKKU_LIB_ROOT/data/releases/web/1/containers"
	mkdir -p "$DOKKU_LIB_ROOT/data/services/web"
	printf '10.86.0.2\n' >"$DOKKU_LIB_ROOT/data/services/web/web.1"
	as_guest <<-'BODY'
		for type in web worker nosuch; do
			printf '[%s]\n' "$(plugn trigger network-get-listeners web "$type")"
		done
		plugn trigger network-get-listeners web
		plugn trigger network-get-listeners other worker
	BODY
	assert_success "[10.86.0.2:80]
[10.86.128.4:5000 10.86.128.5:6000]
[]
10.86.0.2:80"
	rm "$DOKKU_LIB_ROOT/data/releases/web/current"
	code "" 'property_set network web static-web-listener 10.0.0.1:80,10.0.0.2:81'
	as_guest <<<'plugn trigger network-get-listeners web web'
	assert_success "10.0.0.1:80 10.0.0.2:81"
}

@test "sigil: fills in a template, or says what it does not know" {
	as_guest <<-'BODY'
		printf '{{ if .A }}{{ range $x := .A | split " " }}<{{ $x }}>{{ end }}{{ end }}' >"$DOKKU_LIB_ROOT/t"
		sigil -f "$DOKKU_LIB_ROOT/t" A="b c"
		printf '{{ exec "id" }}' | sigil
	BODY
	assert_status 1
	assert_output "<b><c>"
	assert_error " !     stdin:1: not understood: exec"
}

# --- hooks ---

@test "user-auth: asked before each command over ssh, and a refusal is one line" {
	guest acl user-auth <<<'[[ $1 == dokku && $2 == alice && $3 == apps:exists ]] || { printf "%s|" "$@" >&2; exit 1; }'
	USER=dokku NAME=alice SSH_ORIGINAL_COMMAND="apps:exists web" dokku
	assert_success
	USER=dokku NAME=bob SSH_ORIGINAL_COMMAND="config:set web A=secret" dokku
	assert_status 1
	assert_error "dokku|bob|config:set|web|A=| !     the plugin acl refused or failed: its hook user-auth ended with status 1; dokku plugin:disable acl turns it off
 !     config:set: bob may not run it; nothing was done"
	USER=dokku NAME=bob dokku apps:exists web
	assert_success
}

@test "user-auth: does not get the secrets of a command" {
	local told
	ln -s "$PLUGIN_CORE_AVAILABLE_PATH"/{git,registry} "$PLUGIN_PATH/"
	guest acl user-auth <<<'printf "%s|" "${@:3}" >&2; exit 1'
	while IFS='>' read -r told words; do
		USER=dokku NAME=bob SSH_ORIGINAL_COMMAND="$words" dokku
		assert_status 1
		[[ $stderr == "$told|"* && $stderr != *hidden* ]] ||
			differ "what the hook got of $words" "$told" "$stderr"
	done <<-'COMMANDS'
		config:set|--no-restart|web|A=|B=>config:set --no-restart web A=hidden B=hidden=x
		git:auth|example.com|ann|>git:auth example.com ann hidden
		git:auth|example.com>git:auth example.com
		git:auth|--|example.com|ann|>git:auth -- example.com ann -hidden
		registry:login|web|--|ghcr.io||>registry:login web -- ghcr.io ann -hidden
		config:set|--|web|A=>config:set -- web A=hidden
		registry:login|web|ghcr.io||>registry:login web ghcr.io ann hidden
		registry:login|--global|ghcr.io|ann|>registry:login --global ghcr.io ann hidden
	COMMANDS
}

@test "user-auth: asked again under the lock of the app, for which a command may have waited" {
	guest acl user-auth <<-'BODY'
		printf '%s|' "${@:2}" >>"$WORLD/asked"
		[[ $(grep -o bob "$WORLD/asked" | wc -l) -eq 1 ]]
	BODY
	USER=dokku NAME=bob SSH_ORIGINAL_COMMAND='config:set --no-restart web A=x' dokku
	assert_status 1
	assert_error_like "*config:set: bob may not run it any more, since it has waited; nothing*"
	assert_file "$WORLD/asked" "bob|config:set|--no-restart|web|A=|$(
	)bob|config:set|--no-restart|web|A=|"
	assert_absent "$DOKKU_LIB_ROOT/config/web/ENV"
	# What the watch does later, and commands on the server, ask nobody.
	dokku config:set --no-restart web A=x
	assert_status 0
}

@test "user-auth: asked again after a command has waited for its input, or for git" {
	local words
	ln -s "$PLUGIN_CORE_AVAILABLE_PATH"/{git-hook,maintenance,registry} "$PLUGIN_PATH/"
	mkdir -p "$DOKKU_LIB_ROOT/maintenance" "$WORLD/page"
	printf 'x\n' >"$WORLD/page/maintenance.html"
	fake docker </dev/null
	guest acl user-auth <<<'printf x >>"$WORLD/asked"; [[ $(<"$WORLD/asked") == x ]]'
	# once WORDS - runs the command as the owner of a key who loses the app after that.
	once() {
		words=$1
		: >"$CALLS"
		rm -f "$WORLD/asked"
		USER=dokku NAME=bob SSH_ORIGINAL_COMMAND=$words got "$DOKKU"
		assert_status 1
		assert_error_like "*${words%% *}: bob may not run it any more, since it has waited;*"
		assert_file "$CALLS" ""
	}
	once 'registry:login --password-stdin web ghcr.io ann' <<<secret
	once 'maintenance:custom-page web' < <(tar -c -C "$WORLD/page" .)
	assert_absent "$DOKKU_LIB_ROOT/maintenance/web/page"
	once 'git-hook web' < <(printf '%040d %040d refs/tags/x\n' 1 0)
}

@test "user-auth: where keys are limited, no path leads to what the user dokku alone may read" {
	local dir=$BATS_TEST_TMPDIR/closed
	ln -s "$PLUGIN_CORE_AVAILABLE_PATH"/{git,ssh-keys} "$PLUGIN_PATH/"
	guest acl user-auth <<<'[[ $2 != nobody ]]'
	mkdir -m 755 "$dir" "$dir/open"
	printf 'A=1\n' >"$dir/open/vars"
	chmod 644 "$dir/open/vars"
	chmod 700 "$dir"
	hook fake image-fetch </dev/null
	hook fake image-digest </dev/null
	# as_key WORDS - runs the command as the owner of a key.
	as_key() { USER=dokku NAME=bob SSH_ORIGINAL_COMMAND=$1 dokku; }
	refused() {
		as_key "$1" && assert_status 1 && assert_error_like ' !     '"${1##* }"' is not taken*'
	}
	ln -s "$dir/open/vars" "$dir.link"
	each refused <<-PATHS
		config:import web $dir/open/vars
		config:import web $dir.link
		certs:add web /etc/passwd $dir/open/vars
		certs:update web /etc/passwd $dir/open/vars
		ssh-keys:add bob $dir/open/vars
		git:sync web $dir/open
		git:sync web file://$dir/open
		git:from-image web shop --build-dir $dir/open
	PATHS
	as_key "config:import --no-restart web /etc/os-release"
	assert_status 0
	# On the server, and where no plugin limits keys, all is as ever.
	dokku config:import --no-restart web "$dir/open/vars"
	assert_status 0
	rm -rf "$PLUGIN_PATH/acl"
	as_key "config:import --no-restart web $dir/open/vars"
	assert_status 0
}

@test "post-domains-update: says what was done, and the domains" {
	hook fake post-domains-update </dev/null
	dokku domains:add web a.example.com b.example.com
	dokku domains:clear web
	assert_steps "post-domains-update web add a.example.com b.example.com
post-domains-update web clear"
}

# --- scripts that dokku did not start ---

@test "a script of the administrator: Dokku's functions, by Dokku's path, with no environment" {
	mkdir "$DOKKU_LIB_ROOT/core-plugins"
	ln -s "$PLUGIN_CORE_AVAILABLE_PATH" "$DOKKU_LIB_ROOT/core-plugins/available"
	printf 'id1\n' >"$DOKKU_ROOT/web/CONTAINER.web.1"
	printf 'id2\n' >"$DOKKU_ROOT/web/CONTAINER.worker.1"
	got env -i PATH="$PATH" DOKKU_TESTING=1 DOKKU_ROOT="$DOKKU_ROOT" \
		DOKKU_LIB_ROOT="$DOKKU_LIB_ROOT" bash -eu -o pipefail -c '
		for i in 1 2; do
			source "$DOKKU_LIB_ROOT/core-plugins/available/common/functions"
			source "$DOKKU_LIB_ROOT/core-plugins/available/config/functions"
		done
		dokku_log_info1 "Hello"
		verify_app_name web
		get_app_container_ids web
		get_app_container_ids web worker
		! declare -F trigger
		fn-docker-args-split "--label '"'a b'"' x=\$(id) \"\`id\`\"" | tr "\0" "\n"'
	assert_success "-----> Hello
id1 id2
id2
--label
a b
x=\$(id)
\`id\`"
}
