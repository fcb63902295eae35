#include "core/net/http_url.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/base/err.h"

static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text >= 0x7f)
			return false;
	return true;
}

int http_url_read(struct http_url *u, const char *text, struct err *err)
{
	bool tls = strncasecmp(text, "https://", 8) == 0;
	const char *host = text + (tls ? 8 : 7);

	if (!tls && strncasecmp(text, "http://", 7) != 0)
		return err_set(err, ERR_CONF, "%.100s: neither http:// nor https://", text);
	if (!is_plain(text))
		return err_set(err, ERR_CONF, "%.100s: a character that must be encoded", text);
	size_t n = strcspn(host, "/?#"), path = strcspn(host + n, "#");
	if (n == 0 || n >= HTTP_HOST || *host == ':')
		return err_set(err, ERR_CONF, "%.100s: no host", text);
	if (memchr(host, '@', n))
		return err_set(err, ERR_CONF, "a user in an address is not supported");
	if (path + 1 >= HTTP_TARGET)
		return err_set(err, ERR_CONF, "%.100s...: too long", text);
	u->tls = tls;
	snprintf(u->host, sizeof(u->host), "%.*s", (int)n, host);
	snprintf(u->target, sizeof(u->target), "%s%.*s", host[n] == '/' ? "" : "/", (int)path,
		 host + n);
	return addr_parse(&u->addr, u->host, tls ? 443 : 80, err);
}
