#include "tls.h"

#include "util.h"

struct tls_target *
tls_target_new(const char *server_name, const char *ca_file, const char **why)
{
	(void)server_name;
	(void)ca_file;
	*why = "built without OpenSSL";
	return NULL;
}

void
tls_target_free(struct tls_target *t)
{
	(void)t;
}

struct tls *
tls_new(struct tls_target *t, int fd)
{
	(void)t;
	(void)fd;
	die("built without OpenSSL");
}

void
tls_free(struct tls *tls)
{
	(void)tls;
}

int
tls_handshake(struct tls *tls)
{
	(void)tls;
	return TLS_FAILED;
}

bool
tls_resumed(const struct tls *tls)
{
	(void)tls;
	return false;
}

ssize_t
tls_read(struct tls *tls, void *bytes, size_t n)
{
	(void)tls;
	(void)bytes;
	(void)n;
	return TLS_FAILED;
}

ssize_t
tls_write(struct tls *tls, const void *bytes, size_t n)
{
	(void)tls;
	(void)bytes;
	(void)n;
	return TLS_FAILED;
}
