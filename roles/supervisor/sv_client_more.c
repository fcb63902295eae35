/* wait, run, upgrade: of no interest to supervisord's own server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/conf/conf.h"
#include "roles/supervisor/sv_call.h"
#include "roles/supervisor/sv_client.h"

enum { WAIT_MS = 60000, PAUSE_MS = 40, QUIET_READS = 2, NOT_FOUND = 127, UPGRADE_MS = 10000 };

/* ---- wait --------------------------------------------------------------------------------- */

/* "web:ready", "web:web_00:ready", "web": what and until what. */
static void split_until(char *word, const char **until)
{
	static const char *const words[] = { "ready",   "healthy", "started",
					     "running", "stopped", "exited" };
	char *colon = strrchr(word, ':');

	*until = "ready";
	for (size_t i = 0; colon && i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(colon + 1, words[i]) == 0) {
			*until = words[i];
			*colon = '\0';
			return;
		}
}

static void wait_for(struct sv_client *c, int argc, char **argv)
{
	struct err err = { 0 };
	int64_t ms = WAIT_MS;
	const char *until;
	int n = 0;

	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--timeout") != 0) {
			argv[n++] = argv[i];
		} else if (++i == argc || conf_number(CONF_DURATION, argv[i], &ms, &err) != 0) {
			sv_client_misused(c, "wait", "Error: --timeout requires a time",
					  SV_EXIT_INVALID_ARGS);
			return;
		}
	if (n == 0)
		sv_client_misused(c, "wait", "Error: wait requires a process name",
				  SV_EXIT_INVALID_ARGS);
	for (int i = 0; i < n; i++) {
		split_until(argv[i], &until);
		json_t *done = sv_client_call(c, "troupe.wait",
					      json_pack("[s,s,I]", argv[i], until, (json_int_t)ms));
		if (done)
			printf("%s: %s\n", argv[i], until);
		json_decref(done);
	}
}

/* ---- run ------------------------------------------------------------------------------------ */

static void pause_ms(int ms)
{
	struct timespec t = { .tv_nsec = ms * 1000000L };

	nanosleep(&t, NULL);
}

/* What is new of its output. Returns how much there was. */
static size_t show_more(struct sv_client *c, const char *name, json_int_t *at)
{
	struct sv_refusal why;
	json_t *text = sv_client_try(c, "supervisor.readProcessStdoutLog",
				     json_pack("[s,I,i]", name, *at, 0), &why);
	size_t n = json_string_length(text);

	if (n)
		fwrite(json_string_value(text), 1, n, stdout);
	fflush(stdout);
	*at += (json_int_t)n;
	json_decref(text);
	return n;
}

/* Shows its output until it has ended, and some moments more. Its exit status; -1: it is gone. */
static int watch(struct sv_client *c, const char *name)
{
	json_int_t at = 0, state = 10, status = -1;
	int quiet = 0;

	while (quiet < QUIET_READS) {
		bool over = state >= 100 || state == 0;
		quiet = show_more(c, name, &at) == 0 && over ? quiet + 1 : 0;
		json_t *info =
			sv_client_call(c, "supervisor.getProcessInfo", json_pack("[s]", name));
		if (!info)
			return -1;
		state = json_integer_value(json_object_get(info, "state"));
		status = json_integer_value(json_object_get(info, "exitstatus"));
		if (state == 200) { /* it never ran */
			fprintf(stderr, "%s\n", sv_client_text(info, "spawnerr"));
			json_decref(info);
			return NOT_FOUND;
		}
		json_decref(info);
		pause_ms(PAUSE_MS);
	}
	return (int)status;
}

static void run(struct sv_client *c, int argc, char **argv)
{
	char cwd[4096];
	json_t *words = json_array();
	int first = argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1;

	for (int i = first; i < argc; i++)
		json_array_append_new(words, json_string(argv[i]));
	if (first == argc) {
		json_decref(words);
		sv_client_misused(c, "run", "Error: run requires a command", SV_EXIT_INVALID_ARGS);
		return;
	}
	json_t *name = sv_client_call(
		c, "troupe.run", json_pack("[o,s]", words, getcwd(cwd, sizeof(cwd)) ? cwd : "/"));
	if (!name)
		return;
	int status = watch(c, json_string_value(name));
	c->status = status < 0 ? SV_EXIT_GENERIC : status;
	json_decref(sv_client_call(c, "supervisor.removeProcessGroup", json_pack("[O]", name)));
	json_decref(name);
}

/* ---- upgrade -------------------------------------------------------------------------------- */

/* Is it another image that answers now? */
static bool has_changed(struct sv_client *c, const char *before)
{
	struct sv_refusal why;
	json_t *now = sv_client_try(c, "troupe.getImage", json_array(), &why);
	bool changed = now && strcmp(json_string_value(now), before) != 0;

	json_decref(now);
	return changed;
}

static void upgrade(struct sv_client *c, int argc, char **argv)
{
	int left = UPGRADE_MS / PAUSE_MS;

	(void)argv;
	if (argc > 1) {
		sv_client_misused(c, "upgrade", "Error: upgrade accepts no arguments",
				  SV_EXIT_INVALID_ARGS);
		return;
	}
	json_t *before = sv_client_call(c, "troupe.upgrade", json_array());
	if (!before)
		return;
	do
		pause_ms(PAUSE_MS);
	while (!has_changed(c, json_string_value(before)) && --left > 0);
	json_decref(before);
	puts(left > 0 ? "Upgraded" : "ERROR: no new image answers, see its log");
	if (left == 0)
		c->status = SV_EXIT_GENERIC;
}

const struct sv_verb sv_verbs_more[] = {
	{ "wait", wait_for,
	  "wait <name>[:ready|healthy|started|stopped|exited] [--timeout 10s]\n"
	  "\t\t\tUntil all its processes are so; ready when nothing is said",
	  true },
	{ "run", run,
	  "run [--] <command>\tRuns it once, and shows its output; its exit status is "
	  "ours",
	  true },
	{ "upgrade", upgrade,
	  "upgrade\t\t\tExecute the supervisor anew, from the file that is there now; what runs\n"
	  "\t\t\tgoes on",
	  true },
	{ NULL, NULL, NULL, false },
};
