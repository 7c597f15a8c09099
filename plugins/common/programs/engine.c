/*
 * Asks the Docker engine by its API: what every deploy does some twenty times, so that the docker
 * command and curl, which take longer to start than the engine to answer, are not good enough.
 *
 *   engine [-t SECONDS] [-d] METHOD PATH…
 *   engine [-t SECONDS] [-d] -w 'POINTER…' METHOD PATH…
 *   engine [-t SECONDS] -w 'POINTER…' -e POINTER GET LIST PATH
 *
 * Without -w the answers are on stdout, one after the other; with it, only these members of each
 * answer, on a line of its own, and of one that is an array, a line for each element. With -e PATH
 * is asked for each element of LIST's answer, with the element's POINTER in the place of {}; one
 * that is gone meanwhile (404) is passed over. -d: the JSON on stdin is the request's body.
 *
 * A POINTER is a JSON pointer (RFC 6901). A member that is absent, null or empty is "-", of an
 * array the elements have a comma between them, of an object the keys; what would break a line into
 * other words is "?". jq takes as long to start as ten of these calls.
 *
 * The socket is $DOCKER_SOCKET or /var/run/docker.sock. -t: how long an answer may take (60; 0: for
 * ever). Exit status: 0; 22, and what the engine said on stderr, for a status of 400 or more, at
 * which no further PATH is asked; 1 and a line on stderr where it gave no whole answer.
 */
#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REFUSED = 22, MAX_ANSWER = 64 << 20, MAX_KEY = 256 };

/* An answer: nothing is done with it before all of it is there. */
struct answer {
	char *text;
	size_t size;
};

static _Noreturn void
fail(const char *what)
{
	fprintf(stderr, "the Docker engine does not answer (%s): is dockerd running?\n", what);
	exit(1);
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
	fprintf(stderr,
		"%s may not be written to, as the user is not in the group docker:"
		" run sudo dokku plugin:trigger install\n",
		engine_socket());
	exit(1);
}

static _Noreturn void
misuse(void)
{
	fputs("usage: engine [-t SECONDS] [-d] [-w 'POINTER…' [-e POINTER]] METHOD PATH…\n",
		stderr);
	exit(2);
}

/* All of stdin, NUL-terminated; never freed. */
static char *
read_body(size_t *size)
{
	size_t room = 65536, n;
	char *body = malloc(room);

	*size = 0;
	while (body && (n = fread(body + *size, 1, room - *size - 1, stdin)) > 0) {
		*size += n;
		if (room - *size < 2)
			body = realloc(body, room *= 2);
	}
	if (!body)
		fail("out of memory");
	body[*size] = '\0';
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

	/* Without it libcurl waits for a "100 Continue" before a large body. */
	headers = curl_slist_append(headers, "Expect:");
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
}

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

/* The member of value that the pointer names, up to its end or a space; NULL where there is none.
 */
static json_t *
find(json_t *value, const char *pointer)
{
	while (value && *pointer == '/') {
		char key[MAX_KEY];
		size_t length = 0;

		for (pointer++; *pointer && *pointer != '/' && *pointer != ' '; pointer++) {
			if (length == sizeof(key) - 1)
				misuse();
			key[length++] = *pointer;
			if (*pointer == '~' && (pointer[1] == '0' || pointer[1] == '1'))
				key[length - 1] = *++pointer == '1' ? '/' : '~';
		}
		key[length] = '\0';
		if (!json_is_array(value))
			value = json_object_get(value, key);
		else if (length > 0 && strspn(key, "0123456789") == length)
			value = json_array_get(value, strtoul(key, NULL, 10));
		else
			value = NULL;
	}
	return value;
}

static void
print_word(const char *text)
{
	if (!*text)
		putchar('-');
	for (; *text; text++)
		putchar((unsigned char)*text <= ' ' || *text == 0x7f ? '?' : *text);
}

static void
print_keys(json_t *object)
{
	const char *comma = "";

	for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
		fputs(comma, stdout);
		print_word(json_object_iter_key(at));
		comma = ",";
	}
}

static void
print_value(json_t *value)
{
	size_t i, count = json_array_size(value);

	if (json_is_string(value))
		print_word(json_string_value(value));
	else if (json_is_integer(value))
		printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_boolean(value))
		fputs(json_is_true(value) ? "true" : "false", stdout);
	else if (json_object_size(value) > 0)
		print_keys(value);
	else if (count == 0)
		putchar('-');
	for (i = 0; i < count; i++) {
		if (i > 0)
			putchar(',');
		print_value(json_array_get(value, i));
	}
}

static void
print_members(json_t *value, const char *pointers)
{
	for (const char *pointer = pointers; pointer; pointer = strchr(pointer + 1, ' ')) {
		if (*pointer == ' ')
			putchar(*pointer++);
		print_value(find(value, pointer));
	}
	putchar('\n');
}

static json_t *
parse(const struct answer *answer)
{
	json_error_t error;
	json_t *value =
		json_loadb(answer->size ? answer->text : "", answer->size, JSON_ALLOW_NUL, &error);

	if (!value)
		fail("its answer is no JSON");
	return value;
}

/* Prints what pointers name of the answer, all of it without pointers. */
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
			print_members(json_array_get(value, i), pointers);
	} else {
		print_members(value, pointers);
	}
	json_decref(value);
}

/* What the engine says of a request that it refuses, to stderr: its message, else all of it. */
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

/* Returns the answer's status code. */
static long
ask(CURL *curl, const char *path, struct answer *answer)
{
	size_t size = strlen(path) + sizeof("http://docker");
	char *url = malloc(size);
	long code = 0;

	if (!url || *path != '/')
		misuse();
	snprintf(url, size, "http://docker%s", path);
	answer->size = 0;
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	CURLcode error = curl_easy_perform(curl);
	if (error == CURLE_COULDNT_CONNECT && access(engine_socket(), W_OK) == -1 &&
		errno == EACCES)
		fail_to_enter();
	if (error != CURLE_OK)
		fail(curl_easy_strerror(error));
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
	free(url);
	return code;
}

/* Asks and prints. Returns the status code. */
static long
ask_one(CURL *curl, const char *path, const char *pointers, struct answer *answer)
{
	long code = ask(curl, path, answer);

	if (code < 400)
		print_answer(answer, pointers);
	return code;
}

/* The same of the answer for path with id in the place of its {}. */
static long
ask_about(CURL *curl, const char *path, const char *id, const char *pointers, struct answer *answer)
{
	const char *hole = strstr(path, "{}");
	size_t size = strlen(path) + strlen(id) + 1;
	char *whole = malloc(size);

	if (!hole || !whole)
		misuse();
	snprintf(whole, size, "%.*s%s%s", (int)(hole - path), path, id, hole + 2);
	long code = ask_one(curl, whole, pointers, answer);
	free(whole);
	return code;
}

/* That for each element of the answer for list. */
static long
ask_for_each(CURL *curl, const char *list, const char *path, const char *each, const char *pointers,
	struct answer *answer)
{
	long code = ask(curl, list, answer);

	if (code >= 400)
		return code;
	json_t *elements = parse(answer);
	for (size_t i = 0; i < json_array_size(elements); i++) {
		const char *id = json_string_value(find(json_array_get(elements, i), each));

		if (!id)
			fail("a member is missing in its answer");
		code = ask_about(curl, path, id, pointers, answer);
		if (code >= 400 && code != 404)
			return code;
	}
	json_decref(elements);
	return 200;
}

/* All that is asked, up to the first refusal. Returns the exit status. */
static int
ask_all(CURL *curl, char **paths, const char *pointers, const char *each)
{
	struct answer answer = { NULL, 0 };
	long code = 200;

	if (each) {
		if (!pointers || !paths[1] || paths[2])
			misuse();
		code = ask_for_each(curl, paths[0], paths[1], each, pointers, &answer);
	} else {
		for (; *paths && code < 400; paths++)
			code = ask_one(curl, *paths, pointers, &answer);
	}
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
	int option, with_body = 0;
	const char *pointers = NULL, *each = NULL;

	while ((option = getopt(argc, argv, "+de:t:w:")) != -1) {
		if (option == 'd')
			with_body = 1;
		else if (option == 't')
			seconds = strtol(optarg, NULL, 10);
		else if (option == 'e' && *optarg == '/')
			each = optarg;
		else if (option == 'w' && *optarg == '/')
			pointers = optarg;
		else
			misuse();
	}
	if (argc - optind < 2 || seconds < 0)
		misuse();
	CURL *curl = prepare(argv[optind], seconds);
	if (with_body)
		add_body(curl);
	return ask_all(curl, argv + optind + 1, pointers, each);
}
