/*
 * Debian's libcurl.a refers to functions for LDAP, SSH, RTMP, Kerberos, HTTP/2 and TLS that a plain
 * HTTP request never calls, and Debian has no static library for most of them. This file defines
 * each of them as a function that ends the program with 5. If libcurl did call one, the run would
 * not pass. rules.mk writes the names to absent.list: those that libcurl.a needs and no archive
 * that we link defines.
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
 * The C library would load plugins for these. We do not need them: addresses are numeric, and no
 * home folder is read.
 */
ABSENT(getaddrinfo)
ABSENT(freeaddrinfo)
ABSENT(getpwuid_r)

/* Stands for a decoder that is never used. */
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
 * libcurl creates a decoder before it shows us the header that asks for one. We refuse the header,
 * so the decoder is destroyed before it gets a byte.
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
