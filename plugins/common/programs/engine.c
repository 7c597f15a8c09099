/*
 * Asks the Docker engine through its API. A deploy does this some twenty times, and the docker
 * command, curl and jq all take longer to start than the engine takes to answer.
 *
 *   engine [-t SECONDS] [-d] METHOD PATH… [METHOD PATH…]…
 *   engine [-t SECONDS] [-d] -w 'POINTER…' METHOD PATH… [METHOD PATH…]…
 *   engine [-t SECONDS] -w 'POINTER…' -e POINTER GET LIST PATH
 *   engine [-t SECONDS] -l GET PATH
 *
 * Without -w the answers are printed one after the other. With -w only the members that the
 * POINTERs name are printed, as members.h says: a line for each answer, or a line for each
 * element if the answer is an array. With -e, PATH is asked for each element of LIST's answer,
 * and {} in PATH stands for the element's member POINTER. An element that has disappeared
 * meanwhile (404) is skipped. With -d the JSON on stdin is the request's body. With -l the answer
 * is the log of a container, which is printed as it comes, without the headers of its frames.
 *
 * The socket is $DOCKER_SOCKET or /var/run/docker.sock. -t is the timeout of one answer, 60 by
 * default; 0 means none.
 *
 * Exit status: 0; 22, and the engine's message on stderr, for a status of 400 or more, after which
 * no further PATH is asked; 1 and a line on stderr if there was no whole answer, 3 and a line if
 * there was none in time; 2 for misuse.
 */
#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frames.h"
#include "members.h"
#include "util.h"

enum { LATE = 3, REFUSED = 22, MAX_ANSWER = 256 << 20 };

const struct util_program util_program = { " !     ", 1 };

/*
 * One answer of the engine. Nothing is printed of it before it is complete, unless log is set: then
 * only a refusal is kept.
 */
struct answer {
	char *text;
	size_t size;
	struct frames *log;
	CURL *curl;
};

static _Noreturn void
fail_with(int status, const char *what)
{
	die(status, "the Docker engine does not answer (%s): is dockerd running?", what);
}

static _Noreturn void
fail(const char *what)
{
	fail_with(1, what);
}

static const char *
engine_socket(void)
{
	const char *socket = getenv("DOCKER_SOCKET");

	return socket && *socket ? socket : "/var/run/docker.sock";
}

static _Noreturn void
fail_to_enter(void)
{
	die(1,
		"%s may not be written to, as the user is not in its group:"
		" run sudo dokku plugin:trigger install",
		engine_socket());
}

static _Noreturn void
misuse(void)
{
	die(2, "usage: engine [-t SECONDS] [-d] [-l] [-w 'POINTER…' [-e POINTER]] METHOD PATH…");
}

/* Returns all of stdin and its size. The memory lasts until the program ends. */
static char *
read_body(size_t *size)
{
	size_t room = 65536, n;
	char *body = xrealloc(NULL, room, 1);

	*size = 0;
	while ((n = fread(body + *size, 1, room - *size, stdin)) > 0) {
		*size += n;
		if (*size == room)
			body = xrealloc(body, room *= 2, 1);
	}
	return body;
}

static CURL *
prepare(const char *method, long seconds)
{
	CURL *curl = curl_easy_init();

	if (!curl)
		fail("libcurl does not start");
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, engine_socket());
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, seconds);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	return curl;
}

static void
add_body(CURL *curl)
{
	size_t size;
	char *body = read_body(&size);
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");

	/* Without this line libcurl waits for a "100 Continue" before it sends a large body. */
	headers = curl_slist_append(headers, "Expect:");
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
}

/* For libcurl: adds what has arrived to the answer, up to MAX_ANSWER bytes. */
static size_t
keep(char *data, size_t one, size_t size, void *user)
{
	struct answer *answer = user;
	char *text = size > MAX_ANSWER - answer->size ? NULL
						      : realloc(answer->text, answer->size + size);

	(void)one;
	if (!text)
		return CURL_WRITEFUNC_ERROR;
	memcpy(text + answer->size, data, size);
	answer->text = text;
	answer->size += size;
	return size;
}

/* For libcurl: the same for the log of a container, which is printed. */
static size_t
print_log(char *data, size_t one, size_t size, void *user)
{
	struct answer *answer = user;
	long code = 0;

	curl_easy_getinfo(answer->curl, CURLINFO_RESPONSE_CODE, &code);
	if (code >= 400)
		return keep(data, one, size, answer);
	frames_print(answer->log, data, size, stdout);
	return size;
}

/* Returns the answer, which is an object or a list. */
static json_t *
parse(const struct answer *answer)
{
	json_error_t error;
	json_t *value = json_loadb(answer->size ? answer->text : "", answer->size,
		JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);

	/* The engine, a Go program, writes null for a list that nothing was added to. */
	if (json_is_null(value))
		value = json_array();
	if (!json_is_object(value) && !json_is_array(value))
		fail("its answer is no JSON");
	return value;
}

/* Prints the members that pointers name. Prints the whole answer if pointers is NULL. */
static void
print_answer(const struct answer *answer, const char *pointers)
{
	if (!pointers) {
		fwrite(answer->text, 1, answer->size, stdout);
		return;
	}
	json_t *value = parse(answer);
	if (json_is_array(value)) {
		for (size_t i = 0; i < json_array_size(value); i++)
			members_print(stdout, json_array_get(value, i), pointers);
	} else {
		members_print(stdout, value, pointers);
	}
	json_decref(value);
}

/* Prints why the engine refused a request: the answer's message, or else the whole answer. */
static void
print_refusal(const struct answer *answer)
{
	json_t *value = json_loadb(answer->size ? answer->text : "", answer->size, 0, NULL);
	const char *message = json_string_value(json_object_get(value, "message"));

	if (message)
		fprintf(stderr, "%s\n", message);
	else
		fprintf(stderr, "%.*s\n", (int)answer->size, answer->size ? answer->text : "");
	json_decref(value);
}

/* Asks for path. Fills in *answer and returns its status code. */
static long
ask(CURL *curl, const char *path, struct answer *answer)
{
	size_t size = strlen(path) + sizeof("http://docker");
	char *url = xrealloc(NULL, size, 1);
	long code = 0;

	if (*path != '/')
		misuse();
	snprintf(url, size, "http://docker%s", path);
	answer->size = 0;
	curl_easy_setopt(curl, CURLOPT_URL, url);
	answer->curl = curl;
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, answer->log ? print_log : keep);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	CURLcode error = curl_easy_perform(curl);
	if (error == CURLE_COULDNT_CONNECT && access(engine_socket(), W_OK) == -1 &&
		errno == EACCES)
		fail_to_enter();
	if (error != CURLE_OK)
		fail_with(error == CURLE_OPERATION_TIMEDOUT ? LATE : 1, curl_easy_strerror(error));
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
	free(url);
	return code;
}

/* Asks for path and prints the answer unless it is a refusal. Returns the status code. */
static long
ask_one(CURL *curl, const char *path, const char *pointers, struct answer *answer)
{
	long code = ask(curl, path, answer);

	/* 204 (done) and 304 (it was so already) have no body. */
	if (code < 400 && answer->size > 0)
		print_answer(answer, pointers);
	return code;
}

/* Replaces {} in path by id, then asks for it and prints the answer, like the function above. */
static long
ask_about(CURL *curl, const char *path, const char *id, const char *pointers, struct answer *answer)
{
	const char *hole = strstr(path, "{}");
	size_t size = strlen(path) + strlen(id) + 1;
	char *whole = xrealloc(NULL, size, 1);

	if (!hole)
		misuse();
	snprintf(whole, size, "%.*s%s%s", (int)(hole - path), path, id, hole + 2);
	long code = ask_one(curl, whole, pointers, answer);
	free(whole);
	return code;
}

/*
 * The same for each element of the answer for list, as -e asks. Returns 200, or the status code of
 * the first refusal. each: the pointer to what stands for {} in path.
 */
static long
ask_for_each(CURL *curl, const char *list, const char *path, const char *each, const char *pointers,
	struct answer *answer)
{
	long code = ask(curl, list, answer);

	if (code >= 400)
		return code;
	json_t *elements = parse(answer);
	for (size_t i = 0; i < json_array_size(elements); i++) {
		const char *id = json_string_value(members_find(json_array_get(elements, i), each));

		if (!id)
			fail("a member is missing in its answer");
		code = ask_about(curl, path, id, pointers, answer);
		if (code >= 400 && code != 404)
			return code;
	}
	json_decref(elements);
	return 200;
}

/*
 * Asks for all paths, up to the first refusal. A word among them that is no path is the method from
 * there on. Returns the exit status.
 */
static int
ask_all(CURL *curl, char **paths, const char *pointers, const char *each, struct frames *log)
{
	struct answer answer = { .log = log };
	long code = 200;

	if (each) {
		if (!pointers || !paths[1] || paths[2])
			misuse();
		code = ask_for_each(curl, paths[0], paths[1], each, pointers, &answer);
	} else {
		for (; *paths && code < 400; paths++) {
			if (**paths == '/')
				code = ask_one(curl, *paths, pointers, &answer);
			else if (paths[1])
				curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, *paths);
			else
				misuse();
		}
	}
	if (log)
		frames_end(log, stdout);
	if (code >= 400)
		print_refusal(&answer);
	free(answer.text);
	if (fflush(stdout) != 0)
		return 1;
	return code >= 400 ? REFUSED : 0;
}

int
main(int argc, char **argv)
{
	long seconds = 60;
	int option, with_body = 0, is_log = 0;
	const char *pointers = NULL, *each = NULL;
	struct frames log = { 0 };

	while ((option = getopt(argc, argv, "+de:lt:w:")) != -1) {
		if (option == 'd')
			with_body = 1;
		else if (option == 'l')
			is_log = 1;
		else if (option == 't')
			seconds = strtol(optarg, NULL, 10);
		else if (option == 'e' && *optarg == '/' && members_are_valid(optarg))
			each = optarg;
		else if (option == 'w' && *optarg == '/' && members_are_valid(optarg))
			pointers = optarg;
		else
			misuse();
	}
	if (argc - optind < 2 || seconds < 0 || (is_log && (pointers || each)))
		misuse();
	CURL *curl = prepare(argv[optind], seconds);
	if (with_body)
		add_body(curl);
	return ask_all(curl, argv + optind + 1, pointers, each, is_log ? &log : NULL);
}
