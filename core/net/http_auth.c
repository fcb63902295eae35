#include "core/net/http_auth.h"

#include <string.h>
#include <strings.h>

#include "core/net/http_parse.h"

static int digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Base64 into a text; false: it is none, or has a zero in it, or is too long. */
static bool decode(const char *in, char *out, size_t size)
{
	unsigned bits = 0;
	size_t n = 0;
	int have = 0;

	for (; *in && *in != '='; in++) {
		int d = digit(*in);
		if (d < 0)
			return false;
		bits = bits << 6 | (unsigned)d;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		out[n] = (char)(bits >> have & 0xff);
		if (out[n] == '\0' || ++n == size)
			return false;
	}
	out[n] = '\0';
	return in[strspn(in, "=")] == '\0';
}

static const char *after(const struct http_message *m, const char *scheme)
{
	const char *given = http_field(m, "authorization");
	size_t n = strlen(scheme);

	if (!given || strncasecmp(given, scheme, n) != 0 || given[n] != ' ')
		return NULL;
	return given + n + strspn(given + n, " ");
}

bool http_auth_basic(const struct http_message *m, char user[HTTP_AUTH_MOST], char **password)
{
	const char *given = after(m, "Basic");
	char *colon = NULL;

	if (given && decode(given, user, HTTP_AUTH_MOST))
		colon = strchr(user, ':');
	if (!colon)
		return false;
	*colon = '\0';
	*password = colon + 1;
	return true;
}

const char *http_auth_bearer(const struct http_message *m)
{
	return after(m, "Bearer");
}

bool http_auth_same(const char *a, const char *b)
{
	size_t n = strlen(a);
	bool long_enough = strlen(b) == n;
	int wrong = !long_enough;

	for (size_t i = 0; i < n; i++)
		wrong |= a[i] ^ b[long_enough ? i : 0];
	return wrong == 0;
}

/* A name that a site of the internet may have given us (DNS rebinding) is not one of ours. */
static bool is_plain_host(const char *host)
{
	size_t n = strcspn(host, ":");

	return *host == '[' || *host == '\0' || strspn(host, "0123456789.") == n ||
	       (n == 9 && strncasecmp(host, "localhost", 9) == 0);
}

static bool same_site(const char *origin, const char *host)
{
	const char *at = strstr(origin, "://");

	return at && strcasecmp(at + 3, host) == 0;
}

bool http_auth_is_foreign(const struct http_message *m, bool open)
{
	const char *host = http_field(m, "Host"), *origin = http_field(m, "Origin");

	return origin && host && !(same_site(origin, host) && (!open || is_plain_host(host)));
}
