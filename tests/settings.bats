#!/usr/bin/env bats
# Settings: the tables plugins/*/settings, what PLUGIN:set and PLUGIN:report make of them, and the
# page docs/settings.md. A new line in a table is tested here without a new test.

load helper

setup() {
	world
	# All plugins, and another scheduler and proxy to choose.
	export PLUGIN_PATH="$WORLD/plugins"
	mkdir -p "$PLUGIN_PATH/scheduler-other"
	hook other proxy-build-config </dev/null
	ln -s "$PLUGIN_CORE_AVAILABLE_PATH"/* "$PLUGIN_PATH/"
	make_app web
	examples
	# shellcheck source=plugins/common/lib/settings
	source "$REPO/plugins/common/lib/settings"
	# shellcheck source=plugins/common/lib/kinds
	source "$REPO/plugins/common/lib/kinds"
}

# examples - GOOD and BAD: a value of each regexp, and of settings that accept only what exists;
# and one that is refused.
examples() {
	# shellcheck disable=SC2054 # commas in the values
	declare -gA GOOD=(
		["builder/selected"]=dockerfile ["git/deploy-branch"]=topic
		["git/rev-env-var"]=COMMIT ["logs/max-size"]=20m
		["nginx-vhosts/access-log-format"]=json_lines
		["nginx-vhosts/access-log-path"]=off
		["nginx-vhosts/error-log-path"]=/var/log/nginx/a.b-c.log
		["nginx-vhosts/proxy-buffers"]="16 8k"
		["nginx-vhosts/x-forwarded-for-value"]='$http_x, b'
		["nginx-vhosts/x-forwarded-port-value"]=8080
		["nginx-vhosts/x-forwarded-proto-value"]='$http_y'
		["nginx-vhosts/x-forwarded-ssl"]=on ["nginx-vhosts/proxy-keepalive"]=off
		["scheduler/selected"]=other ["scheduler/shell"]=/bin/bash ["proxy/type"]=other
		["network/attach-post-create"]=a,b ["network/attach-post-deploy"]=c
		["network/initial-network"]=d ["network/tld"]=internal
		["letsencrypt/email"]=ann@example.com ["letsencrypt/server"]=staging
		["letsencrypt/engine"]=other ["registry/image-repo"]=team/web
		["registry/image-repo-template"]="x/{{ .AppName }}"
		["registry/push-extra-tags"]=a,b ["registry/server"]=ghcr.io
		["backup/target"]=restic:sftp:user@host:/repo ["releases/hold"]=20
	)
	declare -gA BAD=(
		["builder/selected"]="a b" ["scheduler/selected"]=none ["scheduler/shell"]="a b"
		["proxy/type"]="a b" ["git/deploy-branch"]=a..b ["git/rev-env-var"]=1x
		["logs/max-size"]=0 ["nginx-vhosts/proxy-buffers"]=8
		["nginx-vhosts/access-log-path"]=/var/log/nginx/../x
		["nginx-vhosts/error-log-path"]=/etc/passwd
		["registry/image-repo-template"]=$'a\tb' ["registry/server"]="ghcr.io/a b"
		["backup/target"]=relative/folder
	)
}

# tables FUNCTION - FUNCTION with each PLUGIN that has a table, and the noun of its commands.
tables() {
	local file plugin noun
	for file in "$REPO"/plugins/*/subcommands/set; do
		plugin=$(sed -n 's/^\t*settings_set \([a-z-]*\) .*/\1/p' "$file")
		[[ -n $plugin ]] || continue
		noun=${file#"$REPO/plugins/"}
		settings_read_file "$plugin" "$REPO/plugins/$plugin/settings"
		"$1" "$plugin" "${noun%%/*}"
	done
}

# lines FUNCTION - calls FUNCTION PLUGIN NOUN KEY for each line of each table.
lines() {
	# shellcheck disable=SC2317 # by name
	with_keys() {
		local key
		for key in ${setting_keys[$1]}; do
			# Shown where it fails. Not by ||, under which no assertion would end the
			# test.
			printf 'with: %s %s\n' "$1" "$key"
			"$function" "$1" "$2" "$key"
		done
	}
	local function=$1
	tables with_keys
}

# example PLUGIN KEY - sets good and bad to a value that the setting takes and is not its default,
# and one that it does not take.
example() {
	local kind=${setting_kinds["$1/$2"]#global:} limits=""
	kind=${kind#app:}
	[[ $kind != *:* ]] || limits=${kind#*:}
	good=${GOOD["$1/$2"]-} bad=${BAD["$1/$2"]-}
	[[ -z $good || -z $bad ]] || return 0
	case ${kind%%:*} in
	number | seconds | megabytes) good=$((${limits%%-*} + 1)) bad=-1 ;;
	size) good=7m bad=7x ;;
	duration) good=7s bad="7 s" ;;
	boolean) good=true bad=yes ;;
	choice) good=${limits%%|*} bad="$limits|" ;;
	path) good=a/b.c bad=a/../b ;;
	ipv4) good=10.0.0.5 bad=10.0.0.256 ;;
	ipv6) good=::1 bad=10.0.0.5 ;;
	word) good=word bad="two words" ;;
	text) good="a b" bad=$'a\tb' ;;
	regexp) bad='"' ;;
	esac
	if [[ ${setting_defaults["$1/$2"]} == @("$good"|"($good)") ]]; then
		good=${limits#"$good|"}
		good=${good%%|*}
		[[ $kind != boolean ]] || good=false
	fi
	[[ -n $good ]] || differ "a good value of $1 $2 in examples" "is there" "is not"
}

# stored PLUGIN SCOPE KEY - its file.
stored() { printf '%s' "$DOKKU_LIB_ROOT/config/$1/$2/$3"; }

# json_shows NOUN SCOPE - prints what the report says in JSON of each of the keys, a line each: the
# key, and its own, its global and its computed value, or null where there is none.
json_shows() {
	dokku "$1:report" "$2" --format json
	# shellcheck disable=SC2016 # jq's
	jq --raw-output '. as $report | $ARGS.positional[] |
		[., ($report[., "global-" + ., "computed-" + .] | tostring)] | join("|")' \
		--args "${keys[@]}" <<<"$output"
}

# text_shows NOUN SCOPE WORD - prints what the report says as text of each of the keys, a line each.
# WORD is "", "global-" or "computed-".
text_shows() {
	local word=$1 key title line
	local -A lines=()
	[[ $1 != apps ]] || word=app
	dokku "$1:report" "$2" --format stdout
	while IFS= read -r line; do
		[[ $line != "       "*:* ]] || lines[${line%%:*}]=${line#*:}
	done <<<"$output"
	for key in "${keys[@]}"; do
		title=$word-$3$key
		title=${title//-/ } line=${lines["       ${title^}"]- none}
		printf '%s|%s\n' "$key" "${line#"${line%%[! ]*}"}"
	done
}

# rows FORMAT - prints a line KEY|FORMAT for each of the keys, in which G becomes its good value,
# and D its default.
rows() {
	local key row
	for key in "${keys[@]}"; do
		row=${1//G/$'\1'}
		row=${row//D/"${defaults[$key]}"}
		printf '%s|%s\n' "$key" "${row//$'\1'/"${values[$key]}"}"
	done
}

# set_keys PLUGIN NOUN SCOPE - gives each of the keys its good value.
set_keys() {
	local key
	for key in "${keys[@]}"; do
		dokku "$2:set" "$3" "$key" "${values[$key]}"
		assert_status 0
		assert_file "$(stored "$1" "$3" "$key")" "${values[$key]}"
	done
}

# unset_keys PLUGIN NOUN SCOPE [VALUE] - gives each of the keys back to its default. VALUE is empty.
unset_keys() {
	local key default
	for key in "${keys[@]}"; do
		dokku "$2:set" "$3" "$key" "${@:4}"
		assert_status 0
		default=${defaults[$key]}
		[[ $3 == --global ||
			$output == "-----> $3: $key is now the default${default:+, $default}"* ]] ||
			differ "stdout" "the default $default" "$output"
		assert_absent "$(stored "$1" "$3" "$key")"
	done
}

@test "a table: each line has four columns, a kind that is known and a default of that kind" {
	is_sound() {
		local described="" default=${setting_defaults["$1/$3"]} \
			kind=${setting_kinds["$1/$3"]}
		[[ $3 =~ ^[a-z0-9]+(-[a-z0-9]+)*$ && -n ${setting_summaries["$1/$3"]} ]]
		describe_kind described "$kind"
		[[ -n $described ]] || differ "kind" "one that is known" "$kind"
		[[ $default != '('*')' ]] || default=${default:1:-1}
		[[ -z $default ]] || value_fits "$kind" "${default//'{APP}'/web}" ||
			differ "default of $kind" fits "$default"
	}
	lines is_sound
}

@test "a table: its keys are sorted, and each is there once" {
	is_sorted() {
		# shellcheck disable=SC2086 # words
		assert_equal "$(printf '%s\n' ${setting_keys[$1]} | LC_ALL=C sort -u)" \
			"$(printf '%s\n' ${setting_keys[$1]})"
	}
	tables is_sorted
}

@test "every setting can be set, is reported and can be unset: the app's, the global one, the default" {
	# All keys of a table at a time, because a report costs a process for each.
	is_whole() {
		local key good bad default
		local -a keys=() every=()
		local -A values=() defaults=()
		for key in ${setting_keys[$1]}; do
			# Without a value the first one is off, as in Dokku; the second acts at
			# once, for an app only; the last takes its default alone. git.bats and
			# network.bats have their tests.
			[[ $1/$key != git/rev-env-var && $1/$key != network/static-web-listener &&
				$1/$key != network/bind-all-interfaces ]] || continue
			# Reports tell these as facts. apps.bats has their test.
			[[ ${setting_kinds["$1/$key"]} != app:* ]] || continue
			example "$1" "$key"
			setting_default default "$1" web "$key"
			[[ $good != "$default" ]] || differ "$good" "two values" "one"
			values[$key]=$good defaults[$key]=$default
			# For all apps there is image-repo-template.
			[[ $1/$key == registry/image-repo ]] || every+=("$key")
			[[ ${setting_kinds["$1/$key"]} == global:* ]] || keys+=("$key")
		done
		app_is_whole "$@"
		global_is_whole "$@"
	}
	app_is_whole() {
		local key
		set_keys "$1" "$2" web
		assert_equal "$(rows 'G||G')" "$(json_shows "$2" web)"
		assert_equal "$(rows G)" "$(text_shows "$2" web '')"
		for key in "${keys[@]}"; do
			dokku "$2:report" web "--$([[ $2 == apps ]] && echo app || echo "$2")-$key"
			assert_success "${values[$key]}"
		done
		unset_keys "$1" "$2" web
	}
	global_is_whole() {
		local key computed=G
		# As in Dokku, this report has the global values alone.
		[[ $1 != nginx-vhosts ]] || computed=null
		local -a own=("${keys[@]}")
		keys=("${every[@]}")
		set_keys "$1" "$2" --global
		assert_equal "$(rows "null|G|$computed")" "$(json_shows "$2" --global)"
		assert_equal "$(rows G)" "$(text_shows "$2" web global-)"
		assert_equal "$(rows G)" "$(text_shows "$2" web computed-)"
		keys=()
		for key in "${own[@]}"; do
			[[ " ${every[*]} " != *" $key "* ]] || keys+=("$key")
		done
		assert_equal "$(rows '|G|G')" "$(json_shows "$2" web)"
		keys=("${every[@]}")
		unset_keys "$1" "$2" --global ""
		assert_equal "$(rows D)" "$(text_shows "$2" web computed-)"
		assert_equal "$(rows '')" "$(text_shows "$2" web global-)"
	}
	tables is_whole
}

@test "every setting refuses what is not of its kind, naming key and value, and keeps what it had" {
	refuses() {
		local good bad scope=web
		# It acts at once: network.bats has its test.
		[[ $1/$3 != network/static-web-listener ]] || return 0
		example "$1" "$3"
		[[ ${setting_kinds["$1/$3"]} != global:* ]] || scope=--global
		dokku "$2:set" "$scope" "$3" "$good"
		assert_status 0
		set -- "$@" "$bad" $'a\nb'
		# Text may have quotes.
		[[ ${setting_kinds["$1/$3"]} == ?(app:)text ]] || set -- "$@" 'a"b\c'
		for bad in "${@:4}"; do
			dokku "$2:set" "$scope" "$3" -- "$bad"
			assert_status 1
			assert_output ""
			[[ $stderr == " !     $2:set: "*"$3"*"\""*"; nothing was changed" ]] ||
				differ "stderr" "names $3 and the value" "$stderr"
			assert_file "$(stored "$1" "$scope" "$3")" "$good"
		done
		dokku "$2:set" "$scope" "$3"
		assert_status 0
	}
	lines refuses
}

@test "a key that is none is refused with those that there are; a global one is not for an app" {
	refuses_key() {
		dokku "$2:set" web nope 1
		assert_refused "$2:set: no such setting: \"nope\": there are $(join_keys "$1")" 2
	}
	join_keys() {
		local line=${setting_keys[$1]# }
		printf '%s' "${line// /, }"
	}
	is_global() {
		local good bad
		[[ ${setting_kinds["$1/$3"]} == global:* ]] || return 0
		example "$1" "$3"
		dokku "$2:set" web "$3" "$good"
		assert_refused "$2:set: Property can only be specified globally: say --global $3" 2
		dokku "$2:report" web "--$2-$3"
		assert_refused "Invalid flag passed: --$2-$3: the report without it names all" 2
	}
	tables refuses_key
	lines is_global
}

@test "kinds: what they take and what they do not" {
	local row kind good bad value
	while IFS='~' read -r kind good bad; do
		IFS=';' read -r -a row <<<"$good"
		for value in "${row[@]}"; do
			value_fits "$kind" "$value" || differ "$kind" "takes $value" "does not"
		done
		IFS=';' read -r -a row <<<"$bad"
		for value in "${row[@]}" "" $'1\n' $'true\x1b'; do
			! value_fits "$kind" "$value" ||
				differ "$kind" "does not take $value" "does"
		done
	done <<-'KINDS'
		number~0;1;999999999~-1;01;1.5;1000000000;a;1 ;a[$(touch x)]
		number:1-100~1;100~0;101;010
		number:5-~5;999999999~4
		global:number:1-2~1;2~0;3
		seconds~0;86400~86401;1h
		seconds:1-99999~1;99999~0;100000
		megabytes:0-10~0;10~11;1m
		size~0;500;500k;20M;1g;010~1x;-1;1 m;k;1mm
		size:1~1;1k~0;0m
		duration~0;60;500ms;60s;5m;2h;1d~1y;-1;s;1 s
		boolean~true;false~yes;True;1;true false
		choice:a|b|c:N~a;b;c:1;c:9999~c;c:N;c:;c:x;c:12345;a|b;d;
		path~a;a/b;Dockerfile.prod;.a;a_b-c~/a;a/;a//b;..;a/../b;./a;a/.;a b;a\b
		ipv4~0.0.0.0;127.0.0.1;255.255.255.255~256.0.0.1;1.2.3;1.2.3.4.5;1.2.3.4.;01.2.3.4;::1;1.2.3.x
		ipv6~::;::1;fe80::1;::ffff:10.0.0.1~10.0.0.1;g::1;[::1]
		word~a;a/b~a b; a
		text~a;a b;é"\~
		regexp:ab|c~ab;c~abc;xc;a
		nosuch~~a;1;true
	KINDS
}

@test "setting_of: the app's value, the global one, the default; without a process" {
	local at='trap "printf child\\\\n" CHLD; setting_of it ps web stop-timeout-seconds; :; printf "%s\n" "$it"'
	code "" "$at"
	assert_success 30
	mkdir -p "$DOKKU_LIB_ROOT"/config/ps/{web,--global}
	printf '40\n' >"$(stored ps --global stop-timeout-seconds)"
	code "" "$at"
	assert_success 40
	# As an older dokku has stored it, which allowed this.
	printf '99999\n' >"$(stored ps web stop-timeout-seconds)"
	code "" "$at"
	assert_success 99999
	code "" "trap 'printf child\\\\n' CHLD; it=\$(true); :"
	assert_success child
	code "" 'setting_of it ps web nope'
	assert_refused "the table of the plugin ps has no setting nope"
	code "" 'setting_of it nope web key'
	assert_refused "the plugin nope has no file settings: reinstall it, or dokku"
}

@test "a plugin of somebody else: a line and two commands are all of its settings" {
	made_plugins
	mkdir -p "$PLUGIN_PATH/health/subcommands"
	printf '# comment\n\ncolour choice:red|dark-blue red what it looks like\ngreeting text "hello you" what it says\nlog word {APP}.log where\n' \
		>"$PLUGIN_PATH/health/settings"
	command_of set 'APP|--global KEY [VALUE]'
	command_of report '[--format json|stdout] [--FLAG] [APP|--all|--global]'
	dokku health:set web colour dark-blue
	assert_success "-----> web: colour is now dark-blue"
	dokku health:set --global greeting 'say "hi" \o/'
	assert_success '-----> --global: greeting is now say "hi" \o/'
	dokku health:report web
	assert_success "=====> web health information
       Health colour:                    dark-blue
       Health global colour:             
       Health computed colour:           dark-blue
       Health greeting:                  
       Health global greeting:           say \"hi\" \\o/
       Health computed greeting:         say \"hi\" \\o/
       Health log:                       
       Health global log:                
       Health computed log:              web.log"
	dokku health:report --global --format json
	assert_success '{"global-colour":"","computed-colour":"red","global-greeting":"say' \
		'\"hi\" \\o/","computed-greeting":"say' \
		'\"hi\" \\o/","global-log":"","computed-log":"APP.log","health-global-colour":"","health-computed-colour":"red","health-global-greeting":"say \"hi\" \\o/","health-computed-greeting":"say \"hi\" \\o/","health-global-log":"","health-computed-log":"APP.log"}'
	dokku health:set --global greeting
	assert_success "-----> --global: greeting is now the default, hello you"
	dokku health:set web colour green
	assert_refused \
		'health:set: colour wants one of red, dark-blue, not "green"; nothing was changed'
}

# command_of VERB USAGE [TEXT] - makes the command health:VERB; TEXT is what it defines.
command_of() {
	# shellcheck disable=SC2016 # for the file
	printf '#!%s\n# Summary: x\n# Usage: dokku health:%s %s\nsource "$PLUGIN_CORE_AVAILABLE_PATH/common/strict"\nsource "$PLUGIN_CORE_AVAILABLE_PATH/common/lib/settings-command"\n%s\nsettings_%s health "$@"\n' \
		"$INTERPRETER" "$1" "$2" "${3-}" "$1" >"$PLUGIN_PATH/health/subcommands/$1"
	chmod +x "$PLUGIN_PATH/health/subcommands/$1"
}

@test "a plugin's own functions: what it does not accept is not stored; what fails afterwards is put back" {
	made_plugins
	mkdir -p "$PLUGIN_PATH/health/subcommands"
	printf 'colour word red what it looks like\n' >"$PLUGIN_PATH/health/settings"
	# shellcheck disable=SC2016 # for the file
	command_of set 'APP|--global KEY [VALUE]' 'check_setting() { [[ $3 != pink ]] || die "not $3 for $1"; takes_effect="at once"; }
setting_changed() { printf "%s %s %s %s\n" "$DOKKU_LOCKED" "$@" >>"$STEPS"; [[ $3 != black ]]; }'
	# shellcheck disable=SC2016 # for the file
	command_of report '[--format json|stdout] [--FLAG] [APP|--all|--global]' \
		'add_facts() { fact health-state "well, $1"; }'
	dokku health:set web colour blue
	assert_success "-----> web: colour is now blue; at once"
	dokku health:set web colour pink
	assert_refused "not pink for web"
	dokku health:set web colour black
	assert_refused "health:set: web keeps the setting that it had"
	assert_file "$(stored health web colour)" blue
	assert_steps "web web colour blue
web web colour black"
	dokku health:report web --health-state
	assert_success "well, web"
	dokku health:report web --format json
	assert_success '{"state":"well,' \
		'web","colour":"blue","global-colour":"","computed-colour":"blue","health-state":"well, web","health-colour":"blue","health-global-colour":"","health-computed-colour":"blue"}'
}

@test "a report: of all apps, one flag of each, no flag with a format" {
	make_app blog
	dokku logs:set blog max-size 7m
	dokku logs:report
	assert_success "=====> blog logs information
       Logs max size:                    7m
       Logs global max size:             
       Logs computed max size:           7m
=====> web logs information
       Logs max size:                    
       Logs global max size:             
       Logs computed max size:           10m"
	dokku logs:report --all --logs-computed-max-size
	assert_success "7m
10m"
	dokku logs:report --format json
	assert_equal '["7m","","7m","7m","","7m"] ["","","10m","","","10m"]' \
		"$(jq --compact-output '[.[]]' <<<"$output" | paste -sd ' ')"
	[[ $output == '{"max-size":"7m","global-max-size":'*'"logs-computed-max-size":"10m"}' ]]
	dokku logs:report web --logs-max-size --format json
	assert_refused "--format flag cannot be specified when specifying an info flag: leave out one of --format and --logs-max-size" 2
	dokku logs:report web --format xml
	assert_status 2
}

@test "a default is in its table and nowhere else" {
	local found=""
	has_no_other() {
		local use
		use=$(grep -rnE "(read_property|read_effective|property_get|property_effective)( [a-z_]+)? $1 [^ ]+ $3 [^;)|]" "$REPO/plugins" "$REPO/dokku" | grep -v git-receive-pack) || true
		[[ -z $use ]] || found+=$use$'\n'
	}
	lines has_no_other
	assert_equal "" "$found"
}

@test "check-runner by itself has the same defaults" {
	settings_read_file checks "$REPO/plugins/checks/settings"
	run "$REPO/build/check-runner/check-runner" --help
	[[ $output == *"defaults: ${setting_defaults["checks/wait"]}, ${setting_defaults["checks/timeout"]}, ${setting_defaults["checks/attempts"]};"* ]]
}

@test "every table has its commands" {
	local file seen=""
	sees() {
		seen+=$(readlink -f "$REPO/plugins/$1/settings")$'\n'
		[[ -x $REPO/plugins/$2/subcommands/report ]] ||
			differ "the report of $2" "is there" "is not"
	}
	tables sees
	for file in "$REPO"/plugins/*/settings; do
		[[ $'\n'$seen == *$'\n'"$(readlink -f "$file")"$'\n'* ]] ||
			differ "a command set for" "$file" "$seen"
	done
}
