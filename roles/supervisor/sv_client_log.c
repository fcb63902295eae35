/* tail, maintail, fg, logs, events: what processes write, and what happens to them. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"
#include "roles/supervisor/sv_call.h"
#include "roles/supervisor/sv_client.h"

enum {
	LINE_MOST = 1024 * 1024,
	LOGS_BYTES = 64 * 1024,
	LOGS_MOST = 8 * 1024 * 1024,
	SOURCES = 512
};

/* ---- Ctrl-C ends what is read, not us, where there is a prompt --------------------------------
 */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
	(void)sig;
	interrupted = 1;
}

static void catch_interrupt(bool on)
{
	struct sigaction act = { .sa_handler = on ? on_interrupt : SIG_DFL };

	interrupted = 0;
	sigaction(SIGINT, &act, NULL);
}

/* ---- sources ------------------------------------------------------------------------------------
 */

/* A stream that is shown; line by line where there are several. */
struct source {
	int fd;
	char *prefix;  /* NULL: bytes as they come */
	int64_t since; /* ms since 1970: lines that are older are left out; 0: none are */
	bool keeps;
	bool events;
	struct buf line;
};

/* "2026-11-22T16:28:15" at the beginning, or as "time" of a JSON line; 0: it says nothing. */
static int64_t time_of(const char *line)
{
	const char *key = strstr(line, "\"time\":\"");
	struct tm tm = { .tm_isdst = -1 };

	if (key)
		line = key + 8;
	const char *end = strptime(line, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!end)
		end = strptime(line, "%Y-%m-%d %H:%M:%S", &tm);
	if (!end)
		return 0;
	end += strspn(end, ".,0123456789");
	return (*end == 'Z' ? timegm(&tm) : mktime(&tm)) * 1000;
}

static void show_event(const char *line)
{
	json_t *o = strncmp(line, "data: ", 6) == 0 ? json_loads(line + 6, 0, NULL) : NULL;
	char name[600];

	if (json_is_object(o) && json_object_get(o, "from_state")) {
		sv_client_name(sv_client_text(o, "group"), sv_client_text(o, "name"), name);
		printf("%s: %s -> %s%s%s\n", name, sv_client_text(o, "from_state"),
		       sv_client_text(o, "statename"),
		       json_is_true(json_object_get(o, "ready")) ? ", ready" : "",
		       json_is_true(json_object_get(o, "healthy")) ? ", healthy" : "");
	} else if (o) {
		puts(line + 6);
	}
	json_decref(o);
}

static void show_line(struct source *s, const char *line)
{
	int64_t at = s->since ? time_of(line) : 0;

	if (at)
		s->keeps = at >= s->since;
	if (s->events)
		show_event(line);
	else if (s->keeps)
		printf("%s%s\n", s->prefix, line);
}

static void show_lines(struct source *s, const char *bytes, size_t n)
{
	buf_put(&s->line, bytes, n);
	for (;;) {
		const char *data = (const char *)buf_data(&s->line);
		size_t len = buf_len(&s->line);
		const char *end = len ? memchr(data, '\n', len) : NULL;

		if (!end && len < LINE_MOST / 2)
			return;
		size_t line = end ? (size_t)(end - data) : len;
		char *text = strndup(data, line);
		show_line(s, text);
		free(text);
		buf_take(&s->line, line + (end != NULL));
	}
}

static void show(struct source *s, const char *bytes, size_t n)
{
	if (s->prefix)
		show_lines(s, bytes, n);
	else
		fwrite(bytes, 1, n, stdout);
	fflush(stdout);
}

static struct source source_of(int fd, const char *prefix, int64_t since)
{
	struct source s = { .fd = fd, .prefix = prefix ? mem_str(prefix) : NULL, .since = since };

	s.keeps = true;
	buf_init(&s.line, LINE_MOST);
	return s;
}

static void source_end(struct source *s)
{
	if (s->prefix && buf_len(&s->line))
		show_lines(s, "\n", 1);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	free(s->prefix);
	s->prefix = NULL;
	buf_fini(&s->line);
}

/* false: it is over. */
static bool source_read(struct source *s)
{
	char bytes[16384];
	ssize_t n = read(s->fd, bytes, sizeof(bytes));

	if (n > 0)
		show(s, bytes, (size_t)n);
	else if (n == 0 || errno != EINTR)
		source_end(s);
	return s->fd >= 0;
}

/* Until all have ended, or Ctrl-C. other: a descriptor of the caller's that wakes us; -1: none.
 * true: it has something to be read. */
static bool read_sources(struct source *all, size_t n, int other)
{
	struct pollfd polls[SOURCES + 1];
	size_t open = n;

	while (open && !interrupted) {
		for (size_t i = 0; i < n; i++)
			polls[i] = (struct pollfd){ .fd = all[i].fd, .events = POLLIN };
		polls[n] = (struct pollfd){ .fd = other, .events = POLLIN };
		if (poll(polls, n + 1, -1) < 0)
			continue;
		for (size_t i = 0; i < n; i++)
			if (polls[i].revents && !source_read(&all[i]))
				open--;
		if (polls[n].revents)
			return true;
	}
	return false;
}

static void end_sources(struct source *all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (all[i].fd >= 0)
			source_end(&all[i]);
}

/* ---- tail
 * ------------------------------------------------------------------------------------------ */

static void follow(struct sv_client *c, const char *target)
{
	struct sv_refusal why;

	puts("==> Press Ctrl-C to exit <==");
	fflush(stdout);
	int fd = sv_remote_stream(&c->remote, target, &why);
	if (fd < 0) {
		sv_client_complain(c, &why);
		return;
	}
	struct source s = source_of(fd, NULL, 0);
	catch_interrupt(true);
	read_sources(&s, 1, -1);
	catch_interrupt(false);
	end_sources(&s, 1);
	putchar('\n');
}

static void show_tail(struct sv_client *c, const char *method, json_t *params, const char *name)
{
	struct sv_refusal why;
	json_t *text = sv_client_try(c, method, params, &why);

	if (text)
		printf("%s\n", json_string_value(text));
	else if (why.fault == SV_NO_FILE)
		printf("%s: ERROR (no log file)\n", name);
	else if (why.fault == SV_FAILED)
		printf("%s: ERROR (unknown error reading log)\n", name);
	else if (why.fault == SV_BAD_NAME)
		printf("%s: ERROR (no such process name)\n", name);
	else
		sv_client_complain(c, &why);
	if (!text)
		c->status = SV_EXIT_GENERIC;
	json_decref(text);
}

/* "-f" or "-100": bytes 0 means -f. false: neither, told. */
static bool read_modifier(struct sv_client *c, const char *word, long *bytes)
{
	char *end;

	*bytes = strcmp(word, "-f") == 0 ? 0 : strtol(word + 1, &end, 10);
	if (strcmp(word, "-f") == 0 || (word[1] && !*end && *bytes > 0))
		return true;
	printf("Error: bad argument %s\n", word);
	c->status = SV_EXIT_GENERIC;
	return false;
}

static void tail(struct sv_client *c, int argc, char **argv)
{
	const char *words[3] = { NULL }, *modifier = NULL;
	char target[700];
	long bytes = 1600;
	int n = 0;

	for (int i = 1; i < argc; i++) /* the modifier may stand anywhere */
		if (*argv[i] == '-' && !modifier)
			modifier = argv[i];
		else if (n < 3)
			words[n++] = argv[i];
	if (n < 1 || n > 2) {
		sv_client_misused(c, "tail",
				  n          ? "Error: too many arguments"
				  : modifier ? "Error: tail requires process name"
					     : "Error: too few arguments",
				  SV_EXIT_GENERIC);
		return;
	}
	const char *channel = n == 2 ? words[1] : "stdout";
	bool err = strcasecmp(channel, "stderr") == 0;
	if (!err && strcasecmp(channel, "stdout") != 0) {
		printf("Error: bad channel '%s'\n", channel);
		c->status = SV_EXIT_GENERIC;
		return;
	}
	if (modifier && !read_modifier(c, modifier, &bytes))
		return;
	snprintf(target, sizeof(target), "/logtail/%.500s/%s", words[0], err ? "stderr" : "stdout");
	if (bytes == 0)
		follow(c, target);
	else
		show_tail(c,
			  err ? "supervisor.readProcessStderrLog"
			      : "supervisor.readProcessStdoutLog",
			  json_pack("[s,I,i]", words[0], (json_int_t)-bytes, 0), words[0]);
}

static void maintail(struct sv_client *c, int argc, char **argv)
{
	long bytes = 1600;

	if (argc > 2) {
		sv_client_misused(c, "maintail", "Error: too many arguments", SV_EXIT_GENERIC);
		return;
	}
	if (argc == 2 && !read_modifier(c, argv[1], &bytes))
		return;
	if (bytes == 0)
		follow(c, "/mainlogtail");
	else
		show_tail(c, "supervisor.readLog", json_pack("[I,i]", (json_int_t)-bytes, 0),
			  "supervisord");
}

/* ---- fg
 * ------------------------------------------------------------------------------------------ */

static bool runs(struct sv_client *c, const char *name)
{
	struct sv_refusal why;
	json_t *info = sv_client_try(c, "supervisor.getProcessInfo", json_pack("[s]", name), &why);
	bool is_running = json_integer_value(json_object_get(info, "state")) == 20;

	if (!info && why.fault == SV_BAD_NAME)
		puts("ERROR: bad process name supplied");
	else if (!info)
		sv_client_complain(c, &why);
	else if (!is_running)
		puts("ERROR: process not running");
	if (!is_running)
		c->status = SV_EXIT_GENERIC;
	json_decref(info);
	return is_running;
}

/* A line of ours for the process. false: it is over. */
static bool pass_line(struct sv_client *c, const char *name)
{
	struct sv_refusal why;
	char bytes[4096];
	ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));

	if (n <= 0)
		return false;
	json_t *text = json_stringn(bytes, (size_t)n);
	json_t *done = text ? sv_client_try(c, "supervisor.sendProcessStdin",
					    json_pack("[s,o]", name, text), &why)
			    : json_true();
	if (!done && why.fault == SV_NOT_RUNNING)
		puts("Process got killed");
	else if (!done)
		printf("ERROR: %s\n", why.text);
	json_decref(done);
	return done != NULL;
}

static size_t open_both(struct sv_client *c, const char *name, struct source all[2])
{
	static const char *const streams[] = { "stdout", "stderr" };
	struct sv_refusal why;
	char target[700];
	size_t n = 0;

	for (int i = 0; i < 2; i++) {
		snprintf(target, sizeof(target), "/logtail/%.500s/%s", name, streams[i]);
		int fd = sv_remote_stream(&c->remote, target, &why);
		if (fd >= 0)
			all[n++] = source_of(fd, NULL, 0);
	}
	return n;
}

static void fg(struct sv_client *c, int argc, char **argv)
{
	struct source all[2];

	if (argc != 2) {
		sv_client_misused(c, "fg",
				  argc < 2 ? "ERROR: no process name supplied"
					   : "ERROR: too many process names supplied",
				  SV_EXIT_GENERIC);
		return;
	}
	if (!runs(c, argv[1]))
		return;
	puts("==> Press Ctrl-C to exit <==");
	fflush(stdout);
	size_t n = open_both(c, argv[1], all);
	catch_interrupt(true);
	while (read_sources(all, n, STDIN_FILENO) && pass_line(c, argv[1]))
		;
	catch_interrupt(false);
	end_sources(all, n);
	puts("Exiting foreground");
}

/* ---- logs
 * ------------------------------------------------------------------------------------------ */

struct logs {
	bool follow;
	int64_t since;
	struct source all[SOURCES];
	size_t n;
};

/* [-f] [--since 10m] and names, which stay in argv. Their number; -1: told. */
static int read_words(struct sv_client *c, struct logs *l, int argc, char **argv)
{
	struct err err = { 0 };
	int kept = 0;

	for (int i = 1; i < argc; i++) {
		int64_t ms;
		if (strcmp(argv[i], "-f") == 0) {
			l->follow = true;
		} else if (strcmp(argv[i], "--since") == 0 && i + 1 < argc) {
			if (conf_number(CONF_DURATION, argv[++i], &ms, &err) != 0) {
				printf("Error: --since %s: %s\n", argv[i], err.text);
				c->status = SV_EXIT_INVALID_ARGS;
				return -1;
			}
			l->since = (int64_t)time(NULL) * 1000 - ms;
		} else {
			argv[kept++] = argv[i];
		}
	}
	return kept;
}

/* As supervisorctl's names; groups are all their processes. */
static json_t *log_names(struct sv_client *c, int argc, char **argv)
{
	json_t *all = sv_client_call(c, "supervisor.getAllProcessInfo", json_array()), *info;
	json_t *names = json_array();
	char group[300], process[300], full[600];
	size_t i;

	for (int k = 0; k < argc; k++) {
		sv_client_split(argv[k], group, process);
		json_array_foreach(all, i, info)
		{
			const char *g = sv_client_text(info, "group");
			const char *p = sv_client_text(info, "name");
			bool whole = strcmp(g, group) == 0 && (!*process || !strchr(argv[k], ':') ||
							       strcmp(p, process) == 0);
			if (whole || sv_client_matches(argv[k], info))
				json_array_append_new(names,
						      json_string(sv_client_name(g, p, full)));
		}
	}
	json_decref(all);
	return names;
}

static void add_log(struct sv_client *c, struct logs *l, const char *name, bool err, bool several)
{
	char target[800], prefix[640];
	struct sv_refusal why;

	snprintf(target, sizeof(target), "/logtail/%.500s/%s?bytes=%d", name,
		 err ? "stderr" : "stdout", l->since ? LOGS_MOST : LOGS_BYTES);
	snprintf(prefix, sizeof(prefix), "%s%s", several ? name : "", several ? " | " : "");
	int fd = l->n < SOURCES ? sv_remote_stream(&c->remote, target, &why) : -1;
	if (fd >= 0)
		l->all[l->n++] = source_of(fd, prefix, l->since);
}

static void show_log(struct sv_client *c, struct logs *l, const char *name, bool err, bool several)
{
	char prefix[640];
	struct sv_refusal why;
	json_t *text = sv_client_try(
		c, err ? "supervisor.readProcessStderrLog" : "supervisor.readProcessStdoutLog",
		json_pack("[s,i,i]", name, -(l->since ? LOGS_MOST : LOGS_BYTES), 0), &why);

	if (!text)
		return; /* it has none */
	snprintf(prefix, sizeof(prefix), "%s%s", several ? name : "", several ? " | " : "");
	struct source s = source_of(-1, prefix, l->since);
	show(&s, json_string_value(text), json_string_length(text));
	source_end(&s);
	json_decref(text);
}

static void logs(struct sv_client *c, int argc, char **argv)
{
	struct logs *l = mem_new(sizeof(*l));
	int n = read_words(c, l, argc, argv);
	json_t *names = n > 0 ? log_names(c, n, argv) : NULL, *name;
	size_t i;

	if (n == 0) {
		sv_client_misused(c, "logs", "Error: logs requires a process name",
				  SV_EXIT_GENERIC);
	} else if (n > 0 && json_array_size(names) == 0) {
		printf("%s: ERROR (no such process)\n", argv[0]);
		c->status = SV_EXIT_STATUS_UNKNOWN;
	}
	bool several = json_array_size(names) > 1;
	json_array_foreach(names, i, name)
	{
		for (int err = 0; err < 2; err++)
			if (l->follow)
				add_log(c, l, json_string_value(name), err, several);
			else
				show_log(c, l, json_string_value(name), err, several);
	}
	catch_interrupt(true);
	read_sources(l->all, l->n, -1);
	catch_interrupt(false);
	end_sources(l->all, l->n);
	json_decref(names);
	free(l);
}

/* ---- events
 * -------------------------------------------------------------------------------------- */

static void events(struct sv_client *c, int argc, char **argv)
{
	struct sv_refusal why;

	(void)argc;
	(void)argv;
	int fd = sv_remote_stream(&c->remote, "/events", &why);
	if (fd < 0) {
		sv_client_complain(c, &why);
		return;
	}
	struct source s = source_of(fd, c->json ? NULL : "", 0);
	s.events = !c->json;
	catch_interrupt(true);
	read_sources(&s, 1, -1);
	catch_interrupt(false);
	end_sources(&s, 1);
}

const struct sv_verb sv_verbs_log[] = {
	{ "tail", tail,
	  "tail [-f] <name> [stdout|stderr] (default stdout)\n"
	  "Ex:\n"
	  "tail -f <name>\t\tContinuous tail of named process stdout\n"
	  "\t\t\tCtrl-C to exit.\n"
	  "tail -100 <name>\tlast 100 *bytes* of process stdout\n"
	  "tail <name> stderr\tlast 1600 *bytes* of process stderr",
	  true },
	{ "maintail", maintail,
	  "maintail -f \tContinuous tail of supervisor main log file (Ctrl-C to exit)\n"
	  "maintail -100\tlast 100 *bytes* of supervisord main log file\n"
	  "maintail\tlast 1600 *bytes* of supervisor main log file\n",
	  true },
	{ "fg", fg, "fg <process>\tConnect to a process in foreground mode\n\t\tCtrl-C to exit",
	  true },
	{ "logs", logs,
	  "logs [-f] [--since 10m] <name> ...\tWhat processes wrote, and go on to write (-f).\n"
	  "\t\t\t--since: where the lines say their time",
	  true },
	{ "events", events, "events [-f]\t\tWhat happens, as it happens\n\t\t\tCtrl-C to exit",
	  true },
	{ NULL, NULL, NULL, false },
};
