#include "linked.h"

#include <curl/curl.h>
#include <stdio.h>

bool
linked_has_tls(void)
{
	return true;
}

const char *
linked_version(void)
{
	static char version[64];

	snprintf(version, sizeof(version), "libcurl %s loaded",
		curl_version_info(CURLVERSION_NOW)->version);
	return version;
}
