#include "roles/supervisor/sv_address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/base/words.h"
#include "core/net/http_url.h"
#include "core/proc/user.h"
#include "roles/supervisor/sv_parse.h"

enum { REDIS_PORT = 6379, PATH_MOST = 107, MODE_MOST = 07777, ADDRESS_BYTES = 300 };

static const char *behind(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncasecmp(text, prefix, n) == 0 ? text + n : NULL;
}

static int unix_addr(struct addr *a, const char *path, struct err *err)
{
	char text[ADDRESS_BYTES];

	if (*path != '/')
		return err_set(err, ERR_CONF, "'%s' is not an absolute path", path);
	if (strlen(path) > PATH_MOST)
		return err_set(err, ERR_CONF, "'%s': a socket's path has at most %d bytes", path,
			       PATH_MOST);
	snprintf(text, sizeof(text), "unix:%s", path);
	return addr_parse(a, text, -1, err);
}

/* ---- probes -------------------------------------------------------------------- */

static int exec_words(const char *command, char ***argv, struct err *err)
{
	char **words = words_split(command, err);

	if (!words)
		return ERR_CONF;
	if (!*words) {
		words_free(words);
		return err_set(err, ERR_CONF, "exec: without a command");
	}
	*argv = words;
	return 0;
}

static int http_probe(const char *text, struct sv_probe *out, struct err *err)
{
	struct http_url url;
	int rc = http_url_read(&url, text, err);

	if (rc)
		return rc;
	out->url = mem_new(sizeof(*out->url));
	*out->url = url;
	out->by = SV_PROBE_HTTP;
	return 0;
}

int sv_address_probe(const char *text, struct sv_probe *out, struct err *err)
{
	const char *exec = behind(text, "exec:");
	const char *tcp = behind(text, "tcp://") ? behind(text, "tcp://") : behind(text, "tcp:");
	int rc = 0;

	*out = (struct sv_probe){ .by = SV_PROBE_NONE };
	if (!*text || strcmp(text, "none") == 0)
		return 0;
	if (behind(text, "http://"))
		return http_probe(text, out, err);
	if (tcp && (rc = addr_parse(&out->addr, tcp, -1, err)) == 0)
		out->by = SV_PROBE_TCP;
	else if (exec && (rc = exec_words(exec, &out->argv, err)) == 0)
		out->by = SV_PROBE_EXEC;
	else if (!tcp && !exec)
		rc = err_set(err, ERR_CONF,
			     "'%s' is none of http://HOST:PORT/PATH, tcp:HOST:PORT, exec:COMMAND",
			     text);
	return rc;
}

void sv_address_probe_fini(struct sv_probe *probe)
{
	free(probe->url);
	words_free(probe->argv);
	*probe = (struct sv_probe){ .by = SV_PROBE_NONE };
}

/* ---- sockets ------------------------------------------------------------------- */

static int socket_address(const char *text, struct sv_socket *out, struct err *err)
{
	const char *tcp = behind(text, "tcp:"), *udp = behind(text, "udp:");
	const char *path = behind(text, "unix:");

	out->datagram = udp;
	if (path)
		return unix_addr(&out->addr, path, err);
	if (!tcp && !udp)
		return err_set(err, ERR_CONF, "'%s' is none of tcp:HOST:PORT, udp:..., unix:PATH",
			       text);
	return addr_parse(&out->addr, tcp ? tcp : udp, -1, err);
}

int sv_address_owner(const char *text, struct sv_socket *out, struct err *err)
{
	struct user user;
	int rc = user_lookup(&user, text, NULL, err);

	if (rc)
		return rc;
	out->chown = true;
	out->uid = user.uid;
	out->gid = strchr(text, ':') ? user.gid : (gid_t)-1;
	user_fini(&user);
	return 0;
}

static int socket_option(const char *word, struct sv_socket *out, struct err *err)
{
	const char *backlog = behind(word, "backlog="), *mode = behind(word, "mode=");
	const char *owner = behind(word, "owner=");
	char *end = NULL;
	long n = backlog ? strtol(backlog, &end, 10) : 0;

	if (strcmp(word, "reuseport") == 0)
		out->reuseport = true;
	else if (owner)
		return sv_address_owner(owner, out, err);
	else if (mode)
		return sv_parse_octal(mode, MODE_MOST, &out->mode, err);
	else if (backlog && end != backlog && !*end && n > 0 && n <= 65535)
		out->backlog = (int)n;
	else
		return err_set(err, ERR_CONF,
			       "'%s' is none of reuseport, backlog=N, mode=0660, owner=USER:GROUP",
			       word);
	return 0;
}

int sv_address_socket(const char *text, struct sv_socket *out, struct err *err)
{
	char **words = words_split(text, err);
	size_t count = words_count(words);
	char *sign = count ? strchr(words[0], '=') : NULL;
	int rc = words ? 0 : ERR_CONF;

	*out = (struct sv_socket){ .mode = 0700 };
	if (!rc && (!sign || sign == words[0] || strchr(words[0], ':') < sign))
		rc = err_set(err, ERR_CONF, "'%s' is not of the form NAME=tcp:HOST:PORT", text);
	if (!rc) {
		*sign = '\0';
		out->name = mem_str(words[0]);
		rc = socket_address(sign + 1, out, err);
	}
	for (size_t i = 1; !rc && i < count; i++)
		rc = socket_option(words[i], out, err);
	if (rc)
		sv_address_socket_fini(out);
	words_free(words);
	return rc;
}

int sv_address_fcgi(const char *text, struct sv_socket *out, struct err *err)
{
	const char *path = behind(text, "unix://"), *tcp = behind(text, "tcp://");

	*out = (struct sv_socket){ .mode = 0700 };
	if (path)
		return unix_addr(&out->addr, path, err);
	if (tcp)
		return addr_parse(&out->addr, tcp, -1, err);
	return err_set(err, ERR_CONF, "'%s' is neither unix:///path nor tcp://host:port", text);
}

void sv_address_socket_fini(struct sv_socket *socket)
{
	free(socket->name);
	*socket = (struct sv_socket){ 0 };
}

int sv_address_inet(const char *text, struct addr *out, struct err *err)
{
	char with_host[ADDRESS_BYTES];

	if (strlen(text) < sizeof(with_host) - 2 && *text && !text[strspn(text, "0123456789")]) {
		snprintf(with_host, sizeof(with_host), "*:%s", text);
		text = with_host;
	}
	return addr_parse(out, text, -1, err);
}

/* ---- scales -------------------------------------------------------------------- */

/* HOST:PORT/DB, each part of which but the first may be missing. */
static int redis_place(const char *text, struct sv_scale *out, struct err *err)
{
	char host[ADDRESS_BYTES], *end = NULL;
	size_t n = strcspn(text, "/");
	long db = text[n] == '/' ? strtol(text + n + 1, &end, 10) : 0;

	if (n >= sizeof(host) || db < 0 || db > 65535 || (end && *end))
		return err_set(err, ERR_CONF, "'%s' is not of the form HOST:PORT/DB", text);
	snprintf(host, sizeof(host), "%.*s", (int)n, text);
	out->db = (int)db;
	return addr_parse(&out->addr, host, REDIS_PORT, err);
}

/* Takes "> N" off the end of the words. */
static int take_threshold(char **words, size_t *count, struct sv_scale *out, struct err *err)
{
	char *end;

	if (*count >= 3) {
		const char *sign = words[*count - 2];
		out->or_equal = strcmp(sign, ">=") == 0;
		out->over = strtoll(words[*count - 1], &end, 10);
		if ((out->or_equal || strcmp(sign, ">") == 0) && end != words[*count - 1] &&
		    !*end && out->over >= 0) {
			*count -= 2;
			free(words[*count]);
			free(words[*count + 1]);
			words[*count] = words[*count + 1] = NULL;
			return 0;
		}
	}
	return err_set(err, ERR_CONF, "does not end with > N");
}

/* words: taken over. */
static int scale_words(char **words, struct sv_scale *out, struct err *err)
{
	size_t count = words_count(words);
	const char *redis = count ? behind(words[0], "redis:") : NULL;
	const char *exec = count ? behind(words[0], "exec:") : NULL;
	int rc = redis || exec ? take_threshold(words, &count, out, err)
			       : err_set(err, ERR_CONF,
					 "neither redis:HOST:PORT/DB COMMAND > N nor "
					 "exec:COMMAND > N");

	if (!rc && redis)
		rc = redis_place(redis, out, err);
	if (!rc && count < (redis ? 2u : 1u))
		rc = err_set(err, ERR_CONF, "a command is missing");
	for (size_t i = redis ? 1 : 0; !rc && i < count; i++)
		out->argv = words_add(out->argv, i == 0 ? exec : words[i]);
	if (!rc && !*out->argv[0])
		rc = err_set(err, ERR_CONF, "a command is missing");
	if (!rc)
		out->by = redis ? SV_SCALE_REDIS : SV_SCALE_EXEC;
	words_free(words);
	return rc;
}

int sv_address_scale(const char *text, struct sv_scale *out, struct err *err)
{
	*out = (struct sv_scale){ .by = SV_SCALE_NONE };
	if (!*text)
		return 0;
	char **words = words_split(text, err);
	int rc = words ? scale_words(words, out, err) : ERR_CONF;
	if (rc)
		sv_address_scale_fini(out);
	return rc;
}

void sv_address_scale_fini(struct sv_scale *scale)
{
	words_free(scale->argv);
	*scale = (struct sv_scale){ .by = SV_SCALE_NONE };
}
