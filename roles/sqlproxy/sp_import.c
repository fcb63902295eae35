#include "roles/sqlproxy/sp_import.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

enum { NAME_SIZE = 200, WRITERS_AND_READERS = 2, CONNECTIONS_MAX = 100000, POOL_MAX = 10000 };

struct import {
	json_t *root; /* what is carried over is taken out of it */
	FILE *out;
	long cpus;
};

static const struct {
	const char *path, *reason;
} reasons[] = {
	{ "server.logs.*", "[troupe] log says where to" },
	{ "server.mode", "there are threads, one kind" },
	{ "server.sock_type", "listen takes addresses of any kind" },
	{ "server.charset", "clients choose their own" },
	{ "database.databases.*.charset", "clients choose their own" },
	{ "server.swoole.daemonize", "the service manager sees to that" },
	{ "server.swoole.open_tcp_nodelay", "always so" },
	{ "server.swoole.log_file", "[troupe] log says where to" },
	{ "server.swoole.pid_file", "[troupe] pid_file" },
	{ "server.swoole.reload_async", "always so" },
	{ "server.swoole.heartbeat_check_interval", "each client has its own timer" },
	{ "server.swoole.worker_num", "no number that can be worked out" },
	{ "server.swoole.*", "an option of swoole" },
	{ "server.swoole_client_s*", "packets of any size pass" },
	{ "database.serverInfo.*.*.*Conns", "a pool's limits belong to its [database]" },
	{ "database.serverInfo.*.*.maxSpareExp", "a pool's limits belong to its [database]" },
	{ "database.serverInfo.*.*.account", "a [user] has one identity towards all servers" },
	{ "database.databases.*.*Conns", "no number that can be worked out" },
	{ "database.databases.*.maxSpareExp", "no number that can be worked out" },
	{ "database.account.*", "no server that is used names it first" },
	{ "*", "unknown" },
};

/* ---- reading */

/* Takes a member out; the caller drops it with json_decref. NULL: there is none. */
static json_t *take(json_t *object, const char *key)
{
	json_t *value = json_incref(json_object_get(object, key));

	json_object_del(object, key);
	return value;
}

static json_t *at(const struct import *im, const char *first, const char *second)
{
	json_t *found = json_object_get(im->root, first);

	return second ? json_object_get(found, second) : found;
}

static bool number_of(const struct import *im, const json_t *value, long *number)
{
	char text[32];

	if (json_is_string(value))
		return sp_import_number(json_string_value(value), im->cpus, number);
	if (!json_is_number(value))
		return false;
	snprintf(text, sizeof text, "%.3f", json_number_value(value));
	return sp_import_number(text, im->cpus, number);
}

/* Takes a number out if it is one; else it stays and will be told as not carried over. */
static bool take_number(const struct import *im, json_t *object, const char *key, long *number)
{
	if (!number_of(im, json_object_get(object, key), number))
		return false;
	json_object_del(object, key);
	return true;
}

/* ---- writing */

static bool one_line(const char *value)
{
	for (; *value; value++)
		if ((unsigned char)*value < ' ')
			return false;
	return true;
}

static bool needs_quotes(const char *value)
{
	size_t len = strlen(value);

	return len == 0 || strpbrk(value, ";#'\"") || value[0] == ' ' || value[len - 1] == ' ';
}

/* A value as core/conf reads it back. */
static void put_value(const struct import *im, const char *key, const char *value)
{
	char quote = strchr(value, '"') ? '\'' : '"';

	if (!one_line(value) || (needs_quotes(value) && strchr(value, quote))) {
		fprintf(im->out, "; not carried over: %s (a value that no line can hold)\n", key);
		return;
	}
	fprintf(im->out, "%s = ", key);
	if (needs_quotes(value))
		fputc(quote, im->out);
	for (const char *p = value; *p; p++) {
		if (p[0] == '$' && p[1] == '{')
			fputc('$', im->out);
		fputc(*p, im->out);
	}
	if (needs_quotes(value))
		fputc(quote, im->out);
	fputc('\n', im->out);
}

/* {native} and @/file would be read as something else than a password. */
static void put_password(const struct import *im, const char *key, const char *value)
{
	if (*value == '{' || *value == '@')
		fprintf(im->out, "; the next value is plain text there, but not for us: mend it\n");
	put_value(im, key, value);
}

static void put_number(const struct import *im, const char *key, long n, long max, const char *unit)
{
	fprintf(im->out, "%s = %ld%s\n", key, n < max ? n : max, unit);
}

static void put_section(const struct import *im, const char *kind, const char *name)
{
	fprintf(im->out, "\n[%s %s]\n", kind, name);
}

/* A name that a section and a list of names can hold. */
static void name_of(char out[NAME_SIZE], const char *name, const char *suffix, size_t index)
{
	int n = snprintf(out, NAME_SIZE, "%s%s", name, suffix);

	for (char *p = out; *p; p++)
		if ((unsigned char)*p < ' ' || strchr("[],;#:", *p))
			*p = '_';
	if (index > 0 && n > 0 && n < NAME_SIZE)
		snprintf(out + n, NAME_SIZE - (size_t)n, "%zu", index + 1);
}

/* ---- [sqlproxy] */

static void put_listen(const struct import *im, json_t *server)
{
	json_t *host = take(server, "host"), *port = take(server, "port");
	const char *name = json_is_string(host) ? json_string_value(host) : "0.0.0.0";
	bool brackets = strchr(name, ':') && *name != '[';
	char number[32], *ports, *rest, *word;

	snprintf(number, sizeof number, "%lld",
		 json_is_integer(port) ? (long long)json_integer_value(port) : 3366);
	rest = ports = strdup(json_is_string(port) ? json_string_value(port) : number);
	fputs("listen =", im->out);
	for (const char *comma = " "; (word = strsep(&rest, ", "));) {
		if (!*word)
			continue;
		fprintf(im->out, "%s%s%s%s:%s", comma, brackets ? "[" : "", name,
			brackets ? "]" : "", word);
		comma = ", ";
	}
	fputc('\n', im->out);
	free(ports);
	json_decref(host);
	json_decref(port);
}

static void put_front(const struct import *im)
{
	json_t *server = at(im, "server", NULL), *swoole = at(im, "server", "swoole");
	json_t *workers = json_object_get(swoole, "worker_num");
	bool per_core = json_is_string(workers) &&
			strcmp(json_string_value(workers), "swoole_cpu_num()") == 0;
	long count = im->cpus, n;

	fputs("[sqlproxy]\n", im->out);
	put_listen(im, server);
	if (take_number(im, swoole, "worker_num", &count) && !per_core)
		put_number(im, "workers", count, 256, "");
	if (take_number(im, swoole, "max_coro_num", &n)) /* theirs is for one worker */
		put_number(im, "max_clients", n * (count > 0 ? count : 1), 1000000, "");
	if (take_number(im, swoole, "heartbeat_idle_time", &n))
		put_number(im, "client_idle_timeout", n, 31536000, "s");
}

/* ---- [user NAME] */

static json_t *side_of(json_t *info, bool read)
{
	return json_object_get(info, read ? "read" : "write");
}

/* Takes the name of the account that the first server uses. NULL: none. */
static json_t *take_account(const struct import *im)
{
	const char *name;
	json_t *info, *first = NULL;

	json_object_foreach(at(im, "database", "serverInfo"), name, info)
	{
		for (int read = 0; read < WRITERS_AND_READERS; read++) {
			json_t *side = side_of(info, read),
			       *account = json_object_get(side, "account");
			if (!first && account)
				first = take(side, "account");
			else if (first && account && json_equal(first, account))
				json_object_del(side, "account");
		}
	}
	return first;
}

static const char *text_or(const json_t *value, const char *otherwise)
{
	return json_is_string(value) ? json_string_value(value) : otherwise;
}

static void put_user(const struct import *im)
{
	json_t *server = at(im, "server", NULL), *name = take_account(im);
	json_t *account = take(at(im, "database", "account"), text_or(name, ""));
	json_t *user = take(server, "user"), *password = take(server, "password");
	json_t *backend_user = take(account, "user"), *backend_password = take(account, "password");
	const char *front = text_or(user, "root");
	char section[NAME_SIZE];

	name_of(section, front, "", 0);
	put_section(im, "user", section);
	put_password(im, "password", text_or(password, ""));
	if (backend_user && strcmp(text_or(backend_user, ""), front) != 0)
		put_value(im, "backend_user", text_or(backend_user, ""));
	if (backend_password && !json_equal(backend_password, password))
		put_password(im, "backend_password", text_or(backend_password, ""));
	json_decref(name);
	json_decref(account);
	json_decref(user);
	json_decref(password);
	json_decref(backend_user);
	json_decref(backend_password);
}

/* ---- [server NAME] */

static size_t hosts_count(const json_t *side)
{
	const json_t *host = json_object_get(side, "host");

	return json_is_array(host) ? json_array_size(host) : json_is_string(host);
}

static void address_of(const json_t *side, size_t index, char out[NAME_SIZE])
{
	const json_t *host = json_object_get(side, "host"), *port = json_object_get(side, "port");
	const char *name = text_or(json_is_array(host) ? json_array_get(host, index) : host, "");
	bool brackets = strchr(name, ':') && *name != '[';
	long long number = json_is_string(port) ? strtoll(json_string_value(port), NULL, 10)
						: json_integer_value(port);

	if (*name == '/')
		snprintf(out, NAME_SIZE, "unix:%s", name);
	else
		snprintf(out, NAME_SIZE, "%s%s%s:%lld", brackets ? "[" : "", name,
			 brackets ? "]" : "", number > 0 ? number : 3306);
}

/* Readers that are writers at the same time need no section of their own. */
static bool is_writer(json_t *info, const char *address)
{
	const json_t *write = side_of(info, false);
	char other[NAME_SIZE];

	if (hosts_count(write) == 0)
		return false;
	address_of(write, 0, other);
	return strcmp(other, address) == 0;
}

/* Calls for every server of an info that we keep: the first writer, and the readers. */
static void each_server(json_t *info, const char *name,
			void (*each)(void *owner, const char *section, const char *address,
				     bool read),
			void *owner)
{
	char address[NAME_SIZE], section[NAME_SIZE];

	if (hosts_count(side_of(info, false)) > 0) {
		address_of(side_of(info, false), 0, address);
		name_of(section, name, "", 0);
		each(owner, section, address, false);
	}
	for (size_t i = 0; i < hosts_count(side_of(info, true)); i++) {
		address_of(side_of(info, true), i, address);
		name_of(section, name, "-read", i);
		if (!is_writer(info, address))
			each(owner, section, address, true);
	}
}

struct server_put {
	const struct import *im;
	long timeout[WRITERS_AND_READERS]; /* seconds; 0: none given */
	long connections;                  /* of all pools together; 0: not known */
};

static void put_server(void *owner, const char *section, const char *address, bool read)
{
	const struct server_put *put = owner;

	put_section(put->im, "server", section);
	put_value(put->im, "address", address);
	put_value(put->im, "role", read ? "replica" : "primary");
	if (put->timeout[read] > 0)
		put_number(put->im, "connect_timeout", put->timeout[read], 600, "s");
	if (put->connections > 0)
		put_number(put->im, "max_connections", put->connections, CONNECTIONS_MAX, "");
}

static void tell_other_writers(const struct import *im, json_t *write)
{
	char address[NAME_SIZE];

	for (size_t i = 1; i < hosts_count(write); i++) {
		address_of(write, i, address);
		fprintf(im->out,
			"; not carried over: writer %s (SMProxy drew one writer at random; there "
			"can "
			"be one primary)\n",
			address);
	}
}

/* The connections that the databases on an info may open together. */
static long connections_of(const struct import *im, const char *info)
{
	const char *name;
	json_t *database;
	long total = 0, n;

	json_object_foreach(
		at(im, "database", "databases"), name,
		database) if (strcmp(text_or(json_object_get(database, "serverInfo"), ""), info) ==
				      0 &&
			      number_of(im, json_object_get(database, "maxConns"), &n)) total += n;
	return total;
}

static void put_servers(const struct import *im)
{
	const char *name;
	json_t *info;

	json_object_foreach(at(im, "database", "serverInfo"), name, info)
	{
		struct server_put put = { .im = im, .connections = connections_of(im, name) };
		for (int read = 0; read < WRITERS_AND_READERS; read++)
			number_of(im, json_object_get(side_of(info, read), "timeout"),
				  &put.timeout[read]);
		each_server(info, name, put_server, &put);
		tell_other_writers(im, side_of(info, false));
	}
}

/* Once the databases are written too: what was used of the servers is no leftover. */
static void drop_servers(const struct import *im)
{
	const char *name;
	json_t *info;
	long n;

	json_object_foreach(at(im, "database", "serverInfo"), name,
			    info) for (int read = 0; read < WRITERS_AND_READERS; read++)
	{
		json_t *side = side_of(info, read);
		json_object_del(side, "host");
		json_object_del(side, "port");
		take_number(im, side, "timeout", &n);
	}
}

/* ---- [database ALIAS] */

struct server_list {
	const struct import *im;
	const char *before; /* what stands before the next name */
	bool split;
};

static void put_server_name(void *owner, const char *section, const char *address, bool read)
{
	struct server_list *list = owner;

	(void)address;
	fprintf(list->im->out, "%s%s", list->before, section);
	list->before = ", ";
	list->split |= read;
}

static void put_database_servers(const struct import *im, json_t *info, const char *info_name)
{
	struct server_list list = { .im = im, .before = "servers = " };
	long timeout;

	each_server(info, info_name, put_server_name, &list);
	fprintf(im->out, "\nsplit = %s\n", list.split ? "yes" : "no");
	if (number_of(im, json_object_get(side_of(info, false), "timeout"), &timeout) &&
	    timeout > 0)
		put_number(im, "queue_timeout", timeout, 3600, "s");
}

static void put_pool(const struct import *im, json_t *database)
{
	long n;

	if (take_number(im, database, "startConns", &n))
		put_number(im, "initial", n, POOL_MAX, "");
	if (take_number(im, database, "maxSpareConns", &n))
		put_number(im, "max_idle", n, POOL_MAX, "");
	if (take_number(im, database, "maxSpareExp", &n))
		put_number(im, "idle_timeout", n, 31536000, "s");
	if (take_number(im, database, "maxConns", &n))
		put_number(im, "max", n > 0 ? n : 1, POOL_MAX, "");
}

static int put_databases(const struct import *im)
{
	const char *name;
	json_t *database;

	json_object_foreach(at(im, "database", "databases"), name, database)
	{
		json_t *info_name = take(database, "serverInfo");
		json_t *schema = take(database, "databaseName");
		json_t *infos = at(im, "database", "serverInfo");
		json_t *info = json_object_get(infos, text_or(info_name, ""));
		char section[NAME_SIZE];
		name_of(section, name, "", 0);
		put_section(im, "database", section);
		if (info && hosts_count(side_of(info, false)) > 0)
			put_database_servers(im, info, text_or(info_name, ""));
		else
			fprintf(stderr, "database %s: its serverInfo \"%s\" has no writer\n", name,
				text_or(info_name, ""));
		if (schema && strcmp(text_or(schema, name), name) != 0)
			put_value(im, "name", text_or(schema, name));
		put_pool(im, database);
		json_decref(info_name);
		json_decref(schema);
		if (!info)
			return 1;
	}
	return 0;
}

/* ---- the rest */

static void put_leftover(const struct import *im, const char *path, const json_t *value)
{
	char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	size_t i = 0;

	while (fnmatch(reasons[i].path, path, 0) != 0)
		i++;
	fprintf(im->out, "; not carried over: %s = %s (%s)\n", path,
		strstr(path, "password") ? "..." : text, reasons[i].reason);
	free(text);
}

static void put_leftovers(const struct import *im, const char *path, json_t *value)
{
	char inner[1024];
	const char *key;
	json_t *member;

	if (!json_is_object(value)) {
		put_leftover(im, path, value);
		return;
	}
	json_object_foreach(value, key, member)
	{
		if (snprintf(inner, sizeof inner, "%s%s%s", path, *path ? "." : "", key) <
			    (int)sizeof inner &&
		    one_line(key))
			put_leftovers(im, inner, member);
	}
}

static int convert(const struct import *im)
{
	fputs("; made by `troupe sqlproxy import-smproxy`\n"
	      "; mode = transaction is the default here and shares more than SMProxy did;\n"
	      "; mode = session in a [database] keeps a connection as long as its client\n\n",
	      im->out);
	put_front(im);
	put_user(im);
	put_servers(im);
	if (put_databases(im) != 0)
		return 1;
	drop_servers(im);
	fputc('\n', im->out);
	put_leftovers(im, "", im->root);
	return fflush(im->out) == 0 && !ferror(im->out) ? 0 : 1;
}

/* ---- files */

static bool merge_file(json_t *root, const char *path)
{
	json_error_t error;
	json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES, &error);

	if (!file) {
		if (error.line > 0)
			fprintf(stderr, "%s:%d: %s\n", path, error.line, error.text);
		else
			fprintf(stderr, "%s: %s\n", path, error.text);
		return false;
	}
	bool good = json_is_object(file) && json_object_update_recursive(root, file) == 0;
	if (!good)
		fprintf(stderr, "%s:1: not an object\n", path);
	json_decref(file);
	return good;
}

static json_t *read_dir(const char *dir)
{
	char pattern[PATH_MAX];
	json_t *root = json_object();
	glob_t found;
	bool good = true;

	snprintf(pattern, sizeof pattern, "%s/*.json", dir);
	if (glob(pattern, 0, NULL, &found) != 0) {
		fprintf(stderr, "%s: no *.json there\n", dir);
		json_decref(root);
		return NULL;
	}
	for (size_t i = 0; i < found.gl_pathc && good; i++)
		good = merge_file(root, found.gl_pathv[i]);
	globfree(&found);
	if (good && !json_is_object(json_object_get(root, "server"))) {
		fprintf(stderr, "%s: no \"server\" in any file\n", dir);
		good = false;
	}
	if (good)
		return root;
	json_decref(root);
	return NULL;
}

/* It will hold passwords, and it is never written over. */
static FILE *open_out(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;

	if (!out)
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	return out;
}

int sp_import_main(int argc, char **argv)
{
	struct import im = { .out = stdout, .cpus = sysconf(_SC_NPROCESSORS_ONLN) };

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: troupe sqlproxy import-smproxy DIR [OUT]\n");
		return 2;
	}
	im.root = read_dir(argv[1]);
	if (!im.root)
		return 1;
	if (argc == 3)
		im.out = open_out(argv[2]);
	int status = im.out ? convert(&im) : 1;
	if (argc == 3 && im.out && fclose(im.out) != 0)
		status = 1;
	json_decref(im.root);
	return status;
}
