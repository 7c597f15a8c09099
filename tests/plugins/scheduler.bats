#!/usr/bin/env bats
# scheduler: which scheduler an app has, and which hooks of it are called.

load ../helper

setup() {
	world
	made_plugins scheduler scheduler-docker-local
	mkdir -p "$PLUGIN_PATH/scheduler-moon"
	make_app web blog
}

# answers HOOK TEXT - lets the scheduler moon answer HOOK with TEXT.
answers() {
	hook scheduler-moon "$1" <<<"[[ \$1 == moon ]] || exit 0; printf '%s\n' '$2'"
}

@test "scheduler_of: the app's own, else the global one, else the default" {
	code "" 'value_of scheduler_of web'
	assert_success docker-local
	dokku scheduler:set --global selected moon
	assert_success "-----> --global: selected is now moon"
	dokku scheduler:set blog selected docker-local
	assert_success "-----> blog: selected is now docker-local"
	code "" 'value_of scheduler_of web; printf " "; value_of scheduler_of blog'
	assert_success "moon docker-local"
	dokku scheduler:report blog --scheduler-computed-selected
	assert_success docker-local
	dokku scheduler:report blog --scheduler-global-selected
	assert_success moon
	dokku scheduler:set --global selected
	assert_success "-----> --global: selected is now the default, docker-local"
	code "" 'value_of scheduler_of web'
	assert_success docker-local
}

@test "scheduler:set: only one that is there" {
	dokku scheduler:set web selected mars
	assert_refused 'scheduler:set: selected wants one of docker-local moon, not "mars";' \
		'nothing was changed'
	assert_absent "$DOKKU_LIB_ROOT/config/scheduler/web/selected"
}

@test "scheduler:set: an app that has releases keeps its scheduler, whatever changes for all" {
	make_release web 1
	make_current web 1
	dokku scheduler:set web selected moon
	assert_refused "web has releases that docker-local runs, so it keeps it:" \
		"choose another for a new app; nothing was changed"
	dokku scheduler:set web selected docker-local
	assert_status 0
	dokku scheduler:set web selected
	dokku scheduler:set --global selected moon
	assert_status 0
	code "" 'value_of scheduler_of web; printf " "; value_of scheduler_of blog'
	assert_success "docker-local moon"
}

@test "tell_scheduler, ask_scheduler: the app's scheduler is named; silence is a failure" {
	dokku scheduler:set web selected moon
	answers scheduler-alive all
	hook scheduler-moon scheduler-stop </dev/null
	: >"$STEPS"
	code "" 'tell_scheduler scheduler-stop web; value_of ask_scheduler scheduler-alive web 1 web.1'
	assert_success all
	assert_steps "scheduler-stop moon web
scheduler-alive moon web 1 web.1"
	dokku scheduler:set blog selected moon
	answers scheduler-alive ""
	code "" 'ask_scheduler ended scheduler-alive blog 1 web.1 || printf "%s" "$?"'
	assert_output 1
	assert_error " !     blog: its scheduler moon does not answer:" \
		"is the plugin scheduler-moon enabled? See dokku plugin:list"
}

@test "tell_schedulers: each that runs apps, once; read_scheduled_apps: the apps of one" {
	hook scheduler-moon scheduler-runs </dev/null
	code "" \
		'tell_schedulers scheduler-runs; read_scheduled_apps docker-local
			printf "%s " "${apps[@]}"'
	assert_output "blog web "
	dokku scheduler:set web selected moon
	: >"$STEPS"
	fake docker </dev/null
	code "" \
		'tell_schedulers scheduler-runs
			for s in docker-local moon; do read_scheduled_apps "$s"
			printf "%s " "${apps[@]}"; done'
	assert_output "blog web "
	assert_steps "scheduler-runs docker-local
scheduler-runs moon"
}

@test "first_answer: an answer is a success, also in a trap after a failure" {
	answers scheduler-list 'id 1 web 1 running - - - web.1'
	dokku scheduler:set web selected moon
	code "" \
		'told() { list_containers web >/dev/null && printf "known"; }; trap told EXIT
			exit 3'
	assert_status 3
	assert_output known
}

@test "the scheduler and the builder null: they can be chosen, and refuse a deploy with what to do" {
	made_plugins builder scheduler-null builder-null
	dokku scheduler:set web selected null
	assert_success "-----> web: selected is now null"
	dokku builder:set web selected null
	assert_success "-----> web: selected is now null"
	got "$PLUGIN_PATH/scheduler-null/pre-receive-app" web git-push /dir abc
	assert_refused "web has the scheduler null, which runs no process; nothing was built." \
		"To deploy it: dokku scheduler:set web selected docker-local"
	got "$PLUGIN_PATH/scheduler-null/pre-receive-app" blog git-push /dir abc
	assert_success ""
	got "$PLUGIN_PATH/builder-null/pre-build" null web /dir
	assert_refused "web has the builder null, which builds nothing." \
		"To deploy it: dokku builder:set web selected dockerfile"
	got "$PLUGIN_PATH/builder-null/pre-build" dockerfile web /dir
	assert_success ""
}
