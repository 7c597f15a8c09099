#include "tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

#include "util.h"

struct tls_target {
	SSL_CTX *context;
	SSL_SESSION *session; /* the newest, or NULL */
	char server_name[256]; /* a copy, because OpenSSL wants it writable */
	bool verify;
};

struct tls {
	SSL *ssl;
};

/* OpenSSL hands over a session when the server has issued a ticket. Returning 1 keeps it. */
static int
keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_target *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	SSL_SESSION_free(t->session);
	t->session = session;
	return 1;
}

struct tls_target *
tls_target_new(const char *server_name, const char *ca_file, const char **why)
{
	struct tls_target *t = xcalloc(1, sizeof(*t));

	snprintf(t->server_name, sizeof(t->server_name), "%s", server_name);
	t->verify = ca_file != NULL;
	t->context = SSL_CTX_new(TLS_client_method());
	*why = "OpenSSL cannot be set up";
	if (t->context == NULL)
		goto free_target;
	*why = "the CA file cannot be read";
	if (ca_file != NULL && SSL_CTX_load_verify_locations(t->context, ca_file, NULL) != 1)
		goto free_context;
	SSL_CTX_set_verify(t->context, ca_file != NULL ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_app_data(t->context, t);
	SSL_CTX_set_session_cache_mode(
		t->context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(t->context, keep_session);
	SSL_CTX_set_mode(
		t->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return t;

free_context:
	SSL_CTX_free(t->context);
free_target:
	free(t);
	return NULL;
}

void
tls_target_free(struct tls_target *t)
{
	if (t == NULL)
		return;
	SSL_SESSION_free(t->session);
	SSL_CTX_free(t->context);
	free(t);
}

struct tls *
tls_new(struct tls_target *t, int fd)
{
	struct tls *tls = xcalloc(1, sizeof(*tls));

	tls->ssl = SSL_new(t->context);
	if (tls->ssl == NULL || SSL_set_fd(tls->ssl, fd) != 1)
		die("OpenSSL has no memory");
	SSL_set_tlsext_host_name(tls->ssl, t->server_name);
	if (t->verify)
		SSL_set1_host(tls->ssl, t->server_name);
	if (t->session != NULL)
		SSL_set_session(tls->ssl, t->session);
	SSL_set_connect_state(tls->ssl);
	return tls;
}

void
tls_free(struct tls *tls)
{
	if (tls == NULL)
		return;
	/*
	 * Sends the end of the session if the socket takes it at once. That also makes it
	 * resumable.
	 */
	ERR_clear_error();
	if (SSL_is_init_finished(tls->ssl))
		SSL_shutdown(tls->ssl);
	SSL_free(tls->ssl);
	ERR_clear_error();
	free(tls);
}

static int
result_of(const struct tls *tls, int returned)
{
	int error = SSL_get_error(tls->ssl, returned);

	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return TLS_AGAIN;
	if (error == SSL_ERROR_ZERO_RETURN)
		return 0;
	if (error == SSL_ERROR_SSL) {
		if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
			return 0;
		return TLS_FAILED;
	}
	return TLS_RESET;
}

int
tls_handshake(struct tls *tls)
{
	ERR_clear_error();
	int n = SSL_do_handshake(tls->ssl);
	if (n == 1)
		return 0;
	int result = result_of(tls, n);
	return result == 0 ? TLS_RESET : result;
}

bool
tls_resumed(const struct tls *tls)
{
	return SSL_session_reused(tls->ssl) == 1;
}

ssize_t
tls_read(struct tls *tls, void *bytes, size_t n)
{
	size_t got;

	ERR_clear_error();
	int ok = SSL_read_ex(tls->ssl, bytes, n, &got);
	return ok == 1 ? (ssize_t)got : result_of(tls, ok);
}

ssize_t
tls_write(struct tls *tls, const void *bytes, size_t n)
{
	size_t sent;

	ERR_clear_error();
	int ok = SSL_write_ex(tls->ssl, bytes, n, &sent);
	if (ok == 1)
		return (ssize_t)sent;
	int result = result_of(tls, ok);
	return result == 0 ? TLS_RESET : result;
}
