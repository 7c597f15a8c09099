#!/usr/bin/env bats
# plugins/common/client/dokku: the command of a user's own machine, by a fake ssh.

load helper

setup() {
	world
	export CLIENT_SHELL=${CLIENT_SHELL:-sh}
	fake ssh <<<'printf "<%s>" "$@"; printf "\n"; exit "${SSH_STATUS:-0}"'
	mkdir "$WORLD/checkout"
	cd "$WORLD/checkout" || return
	git init --quiet
	unset DOKKU_HOST DOKKU_PORT DOKKU_APP_PATH
}

client() { got "$CLIENT_SHELL" "$REPO/plugins/common/client/dokku" "$@"; }

# asked TO WORD… - prints the output of the fake ssh if the client asks TO for these words.
asked() {
	local port="" to=$1
	[[ $1 != *:* || $1 == *::* ]] || { port="<-p><${1#*:}>" && to=${1%:*}; }
	printf '<-o><%s>' LogLevel=ERROR ControlMaster=auto "ControlPath=$HOME/.ssh/dokku-%C" \
		ControlPersist=60
	printf '%s<%s><--><%s>' "$port" "$to" "$2"
}

remote_is() {
	git remote remove dokku 2>/dev/null || true
	git remote add -- dokku "$1"
}

@test "in a checkout: the server and the app of the remote dokku, each word as it is" {
	remote_is dokku@example.com:shop
	client config:set "A=it's \$HOME" 'B=a  b' C=
	assert_success "$(asked dokku@example.com \
		"'--app' 'shop' 'config:set' 'A=it'\\''s \$HOME' 'B=a  b' 'C='")"
	client --quiet --wait=9 logs -t
	assert_success "$(asked dokku@example.com "--quiet --wait=9 '--app' 'shop' 'logs' '-t'")"
	client
	assert_success "$(asked dokku@example.com "'help'")"
	SSH_STATUS=42 client run false
	assert_status 42
	assert_equal 700 "$(stat --format %a "$HOME/.ssh")"
}

@test "each form of a remote, and what is none" {
	local line
	while read -r line; do
		remote_is "${line%% *}"
		client ps:report
		assert_success "$(asked "${line#* }" "'--app' 'shop' 'ps:report'")"
	done <<-'LINES'
		dokku@example.com:shop dokku@example.com
		dokku@example.com:/shop.git dokku@example.com
		host:shop host
		ssh://dokku@example.com/shop dokku@example.com
		ssh://dokku@example.com:2222/shop.git dokku@example.com:2222
		ssh://dokku@[fe80::1]/shop dokku@fe80::1
		dokku@[fe80::1]:shop dokku@fe80::1
	LINES
	remote_is https://example.com/shop
	client ps:report
	assert_refused "dokku is https://example.com/shop, which is not reached by ssh:" \
		"git remote set-url dokku dokku@HOST:APP"
	remote_is ../shop
	client ps:report
	assert_refused "dokku is ../shop, a folder: git remote set-url dokku dokku@HOST:APP"
	remote_is -oProxyCommand=x:shop
	client ps:report
	assert_refused "not a host: -oProxyCommand=x"
	git remote remove dokku
	client ps:report
	assert_refused "which server? git remote add dokku dokku@HOST:APP in a repository," \
		"or set DOKKU_HOST"
}

@test "another remote, another app, another server" {
	remote_is dokku@example.com:shop
	git remote add staging dokku@staging.example.com:shop2
	client --remote staging ps:report
	assert_success "$(asked dokku@staging.example.com "'--app' 'shop2' 'ps:report'")"
	client remote:set staging
	client remote
	assert_success staging
	client ps:report
	assert_success "$(asked dokku@staging.example.com "'--app' 'shop2' 'ps:report'")"
	client remote:unset
	client --app blog ps:report
	assert_success "$(asked dokku@example.com "'--app' 'blog' 'ps:report'")"
	DOKKU_HOST=other DOKKU_PORT=23 client ps:report
	assert_success "$(asked dokku@other:23 "'ps:report'")"
	cd /
	DOKKU_APP_PATH="$WORLD/checkout" client remote:show
	assert_success "dokku-app: shop
dokku-git-remote: dokku
dokku-host: 
dokku-port: 22
dokku-remote-host: example.com
dokku-ssh-user: dokku
dokku-constructed-remote: ssh://dokku@example.com:22/shop"
}

@test "the app is named once, and not where the line says otherwise" {
	remote_is dokku@example.com:shop
	client logs shop -t
	assert_success "$(asked dokku@example.com "'logs' 'shop' '-t'")"
	client config:set --no-restart shop A=1
	assert_success "$(asked dokku@example.com "'config:set' '--no-restart' 'shop' 'A=1'")"
	client docker-options:add --process web shop deploy -e=1
	[[ $output == *"<'docker-options:add'"* ]]
	client run --no-tty -e A=1 shop ls
	[[ $output == *"<'run'"* ]]
	client run cat shop
	[[ $output == *"'--app' 'shop' 'run'"* ]]
	client config:set --global A=1
	assert_success "$(asked dokku@example.com "'config:set' '--global' 'A=1'")"
	client ps:restart --all
	assert_success "$(asked dokku@example.com "'ps:restart' '--all'")"
}

@test "apps:rename lets the remote follow" {
	remote_is dokku@example.com:shop
	client apps:rename shop2
	assert_success "$(asked dokku@example.com "'--app' 'shop' 'apps:rename' 'shop2'")"
	assert_equal dokku@example.com:shop2 "$(git remote get-url dokku)"
	SSH_STATUS=1 client apps:rename shop2 shop3
	assert_equal dokku@example.com:shop2 "$(git remote get-url dokku)"
}

@test "apps:create adds the remote, apps:destroy removes it; one that is there stays" {
	DOKKU_HOST=example.com client apps:create shop
	assert_status 0
	[[ $output == *"'apps:create' 'shop'"*"git push dokku main"* ]]
	assert_equal ssh://dokku@example.com/shop "$(git remote get-url dokku)"
	client apps:create blog
	assert_success "$(asked dokku@example.com "'apps:create' 'blog'")"
	assert_equal ssh://dokku@example.com/shop "$(git remote get-url dokku)"
	SSH_STATUS=1 client apps:destroy --force
	assert_status 1
	assert_equal dokku "$(git remote)"
	client apps:destroy --force
	assert_success "$(asked dokku@example.com "'--app' 'shop' 'apps:destroy' '--force'")"
	assert_equal "" "$(git remote)"
}

@test "the app goes to each command that takes one, by the headers, and to no other" {
	local file word usage
	# shellcheck source=/dev/null
	source "$PLUGIN_CORE_AVAILABLE_PATH/common/lib/header"
	for file in "$REPO"/plugins/*/subcommands/*; do
		word=${file%/subcommands/*}
		word=${word##*/}:${file##*/}
		word=${word%:default}
		[[ $word != git-* && $word != *:help ]] || continue
		read_header "$file"
		usage=${header[Usage]}
		remote_is dokku@example.com:shop
		client "$word" x
		if [[ $usage =~ (^|[ \[])(NEW-)?APP ]]; then
			[[ $word == apps:create || $word == report ||
				$output == *"'--app' 'shop'"* ]] || {
				printf 'without its app: %s\n' "$usage"
				return 1
			}
		elif [[ $output == *"'--app'"* ]]; then
			printf 'with an app: %s\n' "$usage"
			return 1
		fi
	done
}
