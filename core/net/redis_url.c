#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/net/http_decode.h"
#include "core/net/redis.h"

enum { REDIS_PORT = 6379, SENTINEL_PORT = 26379, MOST = 1024, MOST_DBS = 1 << 20 };

enum way { BY_HOST, BY_PATH, BY_SENTINEL };

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

static int read_addr(struct addr *a, const char *text, size_t n, int port, struct err *err)
{
	char host[ADDR_TEXT];

	snprintf(host, sizeof(host), "%.*s", (int)n, text);
	if (!n || n >= sizeof(host) || *host == ':')
		return err_set(err, ERR_CONF, "no host");
	return addr_parse(a, host, port, err);
}

/* host[:port][/db] */
static int read_host(struct redis_url *u, const char *text, struct err *err)
{
	size_t n = strcspn(text, "/");
	int rc = read_addr(&u->addr, text, n, REDIS_PORT, err);

	return rc != 0 ? rc : read_db(u, text[n] ? text + n + 1 : "", err);
}

/* host[:port][,host[:port]...]/MASTER[/db] */
static int read_sentinels(struct redis_url *u, const char *text, struct err *err)
{
	size_t n;

	for (;; text += n + 1) {
		n = strcspn(text, ",/");
		if (u->n_sentinels == REDIS_SENTINELS)
			return err_set(err, ERR_CONF, "more than %d Sentinels", REDIS_SENTINELS);
		int rc = read_addr(&u->sentinels[u->n_sentinels++], text, n, SENTINEL_PORT, err);
		if (rc != 0)
			return rc;
		if (text[n] != ',')
			break;
	}
	text += n + (text[n] == '/');
	n = strcspn(text, "/");
	if (!n || n >= sizeof(u->master))
		return err_set(err, ERR_CONF, "no name of a master behind the Sentinels");
	memcpy(u->master, text, n);
	return read_db(u, text[n] ? text + n + 1 : "", err);
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
		bool tls;
		enum way way;
	} schemes[] = {
		{ "redis://", false, BY_HOST },
		{ "rediss://", true, BY_HOST },
		{ "redis+unix://", false, BY_PATH },
		{ "redis+sentinel://", false, BY_SENTINEL },
		{ "rediss+sentinel://", true, BY_SENTINEL },
	};
	static int (*const readers[])(struct redis_url *, const char *, struct err *) = {
		[BY_HOST] = read_host,
		[BY_PATH] = read_path,
		[BY_SENTINEL] = read_sentinels,
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
		return readers[schemes[i].way](u, rest, err);
	}
	return err_set(err, ERR_CONF,
		       "neither redis:// nor rediss:// nor redis+unix:// nor redis[s]+sentinel://");
}
