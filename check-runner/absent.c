/*
 * What Debian's libcurl.a refers to and a plain HTTP request never reaches: LDAP, SSH, RTMP,
 * Kerberos, HTTP/2, TLS. Debian has no static library of most of them. Each name stands for a
 * function that ends the program with 5, so that what should not happen is never a pass. The
 * names are libcurl.a's own: rules.mk writes absent.list, all that no archive defines that we link.
 */
#include "linked.h"

#include <curl/curl.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"
#include "util.h"

#define ABSENT(name) \
	_Noreturn void name(void); \
	_Noreturn void name(void) \
	{ \
		die(EXIT_INTERNAL, "libcurl asked for %s, which is not linked in", #name); \
	}

/*
 * And what the C library would load plugins for. Addresses are numbers here, and no home
 * folder is looked into.
 */
ABSENT(getaddrinfo)
ABSENT(freeaddrinfo)
ABSENT(getpwuid_r)

/* What a decoder that decodes nothing is. */
static char nothing;

/* clang-format off: a list of macros */
#include "absent.list"
/* clang-format on */

/* curl_global_init starts TLS and SSH whatever its flags say, and curl_global_cleanup ends them. */
int OPENSSL_init_ssl(uint64_t options, const void *settings);
void OSSL_LIB_CTX_free(void *context);
int gnutls_global_init(void);
void gnutls_global_deinit(void);
int libssh2_init(int flags);
void libssh2_exit(void);

/*
 * libcurl makes a decoder before it shows us the header that asks for it. We refuse the header,
 * and the decoder goes without having seen a byte.
 */
void *BrotliDecoderCreateInstance(void *allocate, void *release, void *context);
void BrotliDecoderDestroyInstance(void *decoder);
void *ZSTD_createDStream(void);
size_t ZSTD_freeDStream(void *decoder);

int
OPENSSL_init_ssl(uint64_t options, const void *settings)
{
	(void)options;
	(void)settings;
	return 1;
}

void
OSSL_LIB_CTX_free(void *context)
{
	(void)context;
}

int
gnutls_global_init(void)
{
	return 0;
}

void
gnutls_global_deinit(void)
{
}

int
libssh2_init(int flags)
{
	(void)flags;
	return 0;
}

void
libssh2_exit(void)
{
}

void *
BrotliDecoderCreateInstance(void *allocate, void *release, void *context)
{
	(void)allocate;
	(void)release;
	(void)context;
	return &nothing;
}

void
BrotliDecoderDestroyInstance(void *decoder)
{
	(void)decoder;
}

void *
ZSTD_createDStream(void)
{
	return &nothing;
}

size_t
ZSTD_freeDStream(void *decoder)
{
	(void)decoder;
	return 0;
}

bool
linked_has_tls(void)
{
	return false;
}

const char *
linked_version(void)
{
	return "libcurl " LIBCURL_VERSION " linked in";
}
