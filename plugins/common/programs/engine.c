/*
 * Asks the Docker engine by its API: what every deploy does some twenty times, so that the docker
 * command and curl, which take longer to start than the engine to answer, are not good enough.
 *
 *   engine [-t SECONDS] METHOD PATH…        the answers on stdout, one after the other
 *   engine [-t SECONDS] -d METHOD PATH      with the JSON on stdin as the request's body
 *
 * The socket is $DOCKER_SOCKET or /var/run/docker.sock. -t: how long an answer may take (60; 0: for
 * ever). Exit status: 0; 22, what the engine said on stdout, for a status of 400 or more, at which
 * no further PATH is asked; 1 and a line on stderr where it gave no whole answer.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REFUSED = 22 };

static _Noreturn void
fail(const char *what)
{
	fprintf(stderr, "the Docker engine does not answer (%s): is dockerd running?\n", what);
	exit(1);
}

static _Noreturn void
misuse(void)
{
	fputs("usage: engine [-t SECONDS] [-d] METHOD PATH…\n", stderr);
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
	const char *socket = getenv("DOCKER_SOCKET");
	CURL *curl = curl_easy_init();

	if (!curl)
		fail("libcurl does not start");
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH,
		socket && *socket ? socket : "/var/run/docker.sock");
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

/* One answer to stdout. Returns its status code. */
static long
ask(CURL *curl, const char *path)
{
	size_t size = strlen(path) + sizeof("http://docker");
	char *url = malloc(size);
	long code = 0;

	if (!url || *path != '/')
		misuse();
	snprintf(url, size, "http://docker%s", path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	CURLcode error = curl_easy_perform(curl);
	if (error != CURLE_OK)
		fail(curl_easy_strerror(error));
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
	free(url);
	return code;
}

int
main(int argc, char **argv)
{
	long seconds = 60;
	int option, with_body = 0;

	while ((option = getopt(argc, argv, "+dt:")) != -1) {
		if (option == 'd')
			with_body = 1;
		else if (option == 't')
			seconds = strtol(optarg, NULL, 10);
		else
			misuse();
	}
	if (argc - optind < 2 || seconds < 0)
		misuse();
	CURL *curl = prepare(argv[optind], seconds);
	if (with_body)
		add_body(curl);
	for (int i = optind + 1; i < argc; i++) {
		if (ask(curl, argv[i]) >= 400)
			return fflush(stdout) == 0 ? REFUSED : 1;
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
