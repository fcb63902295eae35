#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/net/http_decode.h"
#include "core/net/redis.h"

enum { REDIS_PORT = 6379, MOST = 1024, MOST_DBS = 1 << 20 };

/* [user]:password@, or password@ as some write it: what is behind it, NULL: not well formed. */
static const char *read_login(struct redis_url *u, const char *text)
{
	size_t n = strcspn(text, "/?");
	const char *at = memchr(text, '@', n), *colon;
	char user[MOST], password[MOST];

	if (!at)
		return text;
	colon = memchr(text, ':', (size_t)(at - text));
	size_t n_user = colon ? (size_t)(colon - text) : 0;
	const char *from = colon ? colon + 1 : text;
	if (http_decode(text, n_user, user, false) < 0 ||
	    http_decode(from, (size_t)(at - from), password, false) < 0 ||
	    strlen(user) >= sizeof(u->user) || strlen(password) >= sizeof(u->password))
		return NULL;
	strcpy(u->user, user);
	strcpy(u->password, password);
	return at + 1;
}

static int read_db(struct redis_url *u, const char *text, struct err *err)
{
	char *end;
	long db = *text ? strtol(text, &end, 10) : 0;

	if (*text && (*end || db < 0 || db > MOST_DBS))
		return err_set(err, ERR_CONF, "'%.20s' is no number of a database", text);
	u->db = (int)db;
	return 0;
}

/* host[:port][/db] */
static int read_host(struct redis_url *u, const char *text, struct err *err)
{
	char host[ADDR_TEXT];
	size_t n = strcspn(text, "/");

	snprintf(host, sizeof(host), "%.*s", (int)n, text);
	if (!n || n >= sizeof(host) || *host == ':')
		return err_set(err, ERR_CONF, "no host");
	int rc = addr_parse(&u->addr, host, REDIS_PORT, err);
	return rc != 0 ? rc : read_db(u, text[n] ? text + n + 1 : "", err);
}

/* /path[?db=n] */
static int read_path(struct redis_url *u, const char *text, struct err *err)
{
	char path[ADDR_TEXT];
	size_t n = strcspn(text, "?");
	const char *db = text[n] ? text + n + 1 : "db=";

	if (n + sizeof("unix:") > sizeof(path) || *text != '/')
		return err_set(err, ERR_CONF, "no path");
	if (strncmp(db, "db=", 3) != 0)
		return err_set(err, ERR_CONF, "'%.40s': only db= may follow the path", db);
	snprintf(path, sizeof(path), "unix:%.*s", (int)n, text);
	int rc = addr_parse(&u->addr, path, REDIS_PORT, err);
	return rc != 0 ? rc : read_db(u, db + 3, err);
}

int redis_url_read(struct redis_url *u, const char *text, struct err *err)
{
	static const struct {
		const char *scheme;
		bool tls, path;
	} schemes[] = {
		{ "redis://", false, false },
		{ "rediss://", true, false },
		{ "redis+unix://", false, true },
	};

	*u = (struct redis_url){ .tls = false };
	if (strlen(text) >= MOST)
		return err_set(err, ERR_CONF, "longer than %d bytes", MOST);
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t n = strlen(schemes[i].scheme);
		if (strncmp(text, schemes[i].scheme, n) != 0)
			continue;
		u->tls = schemes[i].tls;
		const char *rest = read_login(u, text + n);
		if (!rest)
			return err_set(err, ERR_CONF, "the password or user is not well encoded");
		return schemes[i].path ? read_path(u, rest, err) : read_host(u, rest, err);
	}
	return err_set(err, ERR_CONF, "neither redis:// nor rediss:// nor redis+unix://");
}
