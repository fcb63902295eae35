#include "roles/supervisor/sv_parse.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/conf/conf.h"

enum { STEPS_MAX = 16, NAME_BYTES_MAX = 255, FD_MAX = 1023 };

/* ---- signals ----------------------------------------------------------------- */

static bool whole_number(const char *word, long long most, long long *out)
{
	char *end;

	errno = 0;
	long long n = strtoll(word, &end, 10);
	if (end == word || *end || errno || n < 0 || n > most)
		return false;
	*out = n;
	return true;
}

static int realtime_signal(const char *name)
{
	long long n = 0;

	if (strncasecmp(name, "RTMIN", 5) != 0 && strncasecmp(name, "RTMAX", 5) != 0)
		return 0;
	bool from_min = strncasecmp(name, "RTMIN", 5) == 0;
	if (name[5] && (name[5] != (from_min ? '+' : '-') || !whole_number(name + 6, 64, &n)))
		return 0;
	int found = from_min ? SIGRTMIN + (int)n : SIGRTMAX - (int)n;
	return found >= SIGRTMIN && found <= SIGRTMAX ? found : 0;
}

static int signal_of(const char *word)
{
	const char *name = strncasecmp(word, "SIG", 3) == 0 ? word + 3 : word;
	long long n;

	if (whole_number(word, SIGRTMAX, &n))
		return (int)n;
	for (int i = 1; i < NSIG; i++) {
		const char *abbreviation = sigabbrev_np(i);
		if (abbreviation && strcasecmp(abbreviation, name) == 0)
			return i;
	}
	return realtime_signal(name);
}

int sv_parse_signal(const char *word, int *signal, struct err *err)
{
	int found = signal_of(word);

	if (found <= 0)
		return err_set(err, ERR_CONF, "'%s' is not a signal (TERM, HUP, INT, QUIT, ...)",
			       word);
	*signal = found;
	return 0;
}

/* "WORD/TIME": cuts the word off; *time stays when there is none. */
static int cut_time(char *word, int64_t *time, struct err *err)
{
	char *slash = strchr(word, '/');

	if (!slash)
		return 0;
	*slash = '\0';
	return conf_number(CONF_DURATION, slash + 1, time, err);
}

int sv_parse_stop(char *const *list, int64_t wait, struct sv_stop_step **steps, size_t *count,
		  struct err *err)
{
	struct sv_stop_step all[STEPS_MAX];
	size_t n = 0;

	for (; *list; list++, n++) {
		char word[64];

		if (n == STEPS_MAX)
			return err_set(err, ERR_CONF, "more than %d signals", STEPS_MAX);
		snprintf(word, sizeof(word), "%s", *list);
		all[n].wait = wait;
		int rc = cut_time(word, &all[n].wait, err);
		if (!rc)
			rc = sv_parse_signal(word, &all[n].signal, err);
		if (rc)
			return rc;
	}
	if (n == 0)
		return err_set(err, ERR_CONF, "no signal");
	*steps = mem_new(n * sizeof(*all));
	memcpy(*steps, all, n * sizeof(*all));
	*count = n;
	return 0;
}

/* ---- numbers ------------------------------------------------------------------ */

int sv_parse_octal(const char *word, int most, int *out, struct err *err)
{
	char *end;

	if (strncasecmp(word, "0o", 2) == 0)
		word += 2;
	long n = strtol(word, &end, 8);
	if (end == word || *end || n < 0 || n > most)
		return err_set(err, ERR_CONF, "'%s' is not an octal number up to %o", word,
			       (unsigned)most);
	*out = (int)n;
	return 0;
}

int sv_parse_exitcodes(char *const *list, int **out, int *count, struct err *err)
{
	int *codes = NULL, n = 0;

	for (; *list; list++) {
		long long code;

		if (!whole_number(*list, 255, &code)) {
			free(codes);
			return err_set(err, ERR_CONF, "'%s' is not an exit code (0 to 255)", *list);
		}
		codes = mem_resize(codes, (size_t)(n + 1) * sizeof(*codes));
		codes[n++] = (int)code;
	}
	*out = codes;
	*count = n;
	return 0;
}

int sv_parse_percent(const char *word, int64_t *out, struct err *err)
{
	char digits[32];
	size_t n = strlen(word);
	long long found;

	while (n > 0 && (word[n - 1] == '%' || isspace((unsigned char)word[n - 1])))
		n--;
	snprintf(digits, sizeof(digits), "%.*s", (int)(n < 31 ? n : 31), word);
	if (!whole_number(digits, 1000000, &found))
		return err_set(err, ERR_CONF, "'%s' is not a share such as 150%%", word);
	*out = found;
	return 0;
}

/* "jitter 20%", "retry 5m": what stands behind the word, or NULL. */
static const char *behind(const char *text, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(text, word, n) != 0 || !isspace((unsigned char)text[n]))
		return NULL;
	return text + n + strspn(text + n, " \t");
}

int sv_parse_backoff(char *const *list, struct sv_backoff *out, struct err *err)
{
	bool has_factor = false;
	int rc = 0;

	out->given = *list != NULL;
	out->factor = 2;
	out->cap = 60000;
	out->jitter = 0.2;
	for (; *list && !rc; list++) {
		const char *jitter = behind(*list, "jitter");
		char *end;
		double factor = strtod(*list, &end);
		int64_t percent;

		if (jitter && (rc = sv_parse_percent(jitter, &percent, err)) == 0)
			out->jitter = (double)percent / 100;
		if (jitter)
			continue;
		if (!has_factor && end != *list && !*end && factor >= 1 && factor <= 100)
			out->factor = factor;
		else
			rc = conf_number(CONF_DURATION, *list, &out->cap, err);
		has_factor = true;
	}
	if (!rc && (out->jitter > 1 || out->cap < 0))
		rc = err_set(err, ERR_CONF, "not of the form FACTOR, LONGEST, jitter 20%%");
	return rc;
}

int sv_parse_flap(char *const *list, struct sv_flap *out, struct err *err)
{
	int rc = 0;

	*out = (struct sv_flap){ .given = *list != NULL };
	for (; *list && !rc; list++) {
		const char *retry = behind(*list, "retry");
		char word[64];
		long long n;

		snprintf(word, sizeof(word), "%s", *list);
		if (retry)
			rc = strcmp(retry, "never") == 0
				     ? 0
				     : conf_number(CONF_DURATION, retry, &out->retry, err);
		else if ((rc = cut_time(word, &out->window, err)) == 0 &&
			 (!whole_number(word, 1000000, &n) || n == 0 || out->window <= 0))
			rc = err_set(err, ERR_CONF, "'%s' is not of the form N/TIME", *list);
		else if (!rc)
			out->count = n;
	}
	if (!rc && out->given && !out->count)
		rc = err_set(err, ERR_CONF, "N/TIME is missing");
	return rc;
}

int sv_parse_age(char *const *list, int64_t *age, int64_t *jitter, struct err *err)
{
	int rc = 0;

	*age = *jitter = 0;
	for (; *list && !rc; list++) {
		const char *more = behind(*list, "jitter");

		rc = conf_number(CONF_DURATION, more ? more : *list, more ? jitter : age, err);
	}
	if (!rc && (*age < 0 || *jitter < 0))
		rc = err_set(err, ERR_CONF, "a time below 0");
	return rc;
}

/* ---- words -------------------------------------------------------------------- */

/* By number, as linux/capability.h has them. */
static const char *const cap_names[] = {
	"chown",
	"dac_override",
	"dac_read_search",
	"fowner",
	"fsetid",
	"kill",
	"setgid",
	"setuid",
	"setpcap",
	"linux_immutable",
	"net_bind_service",
	"net_broadcast",
	"net_admin",
	"net_raw",
	"ipc_lock",
	"ipc_owner",
	"sys_module",
	"sys_rawio",
	"sys_chroot",
	"sys_ptrace",
	"sys_pacct",
	"sys_admin",
	"sys_boot",
	"sys_nice",
	"sys_resource",
	"sys_time",
	"sys_tty_config",
	"mknod",
	"lease",
	"audit_write",
	"audit_control",
	"setfcap",
	"mac_override",
	"mac_admin",
	"syslog",
	"wake_alarm",
	"block_suspend",
	"audit_read",
	"perfmon",
	"bpf",
	"checkpoint_restore",
};

enum { CAPS = sizeof(cap_names) / sizeof(cap_names[0]) };

int sv_parse_caps(char *const *list, uint64_t *out, struct err *err)
{
	*out = 0;
	if (*list && !list[1] && strcasecmp(*list, "none") == 0)
		return 0;
	for (; *list; list++) {
		const char *name = strncasecmp(*list, "cap_", 4) == 0 ? *list + 4 : *list;
		int i = 0;

		while (i < CAPS && strcasecmp(cap_names[i], name) != 0)
			i++;
		if (i == CAPS) {
			const char *near = conf_near(name, cap_names, CAPS);
			return err_set(err, ERR_CONF, "'%s' is not a capability%s%s%s", *list,
				       near ? ", is " : "", near ? near : "",
				       near ? " meant?" : "");
		}
		*out |= 1ULL << i;
	}
	return 0;
}

int sv_parse_cpus(const char *text, uint64_t out[SV_CPUS / 64], struct err *err)
{
	memset(out, 0, SV_CPUS / 8);
	for (const char *p = text; *p; p += *p == ',') {
		char *end;
		long first = strtol(p, &end, 10), last = first;

		if (end != p && *end == '-') {
			p = end + 1;
			last = strtol(p, &end, 10);
		}
		end += strspn(end, " ");
		if (end == p || (*end && *end != ',') || first < 0 || last < first ||
		    last >= SV_CPUS)
			return err_set(err, ERR_CONF, "'%s' is not a list of cores such as 0-3,6",
				       text);
		for (long i = first; i <= last; i++)
			out[i / 64] |= 1ULL << (i % 64);
		p = end;
	}
	return 0;
}

static int ready_log(const char *pattern, struct sv_ready *out, struct err *err)
{
	char why[120];
	int rc = regcomp(&out->match, pattern, REG_EXTENDED | REG_NOSUB);

	if (rc) {
		regerror(rc, &out->match, why, sizeof(why));
		return err_set(err, ERR_CONF, "'%.60s': %s", pattern, why);
	}
	out->by = SV_READY_LOG;
	return 0;
}

int sv_parse_ready(const char *word, struct sv_ready *out, struct err *err)
{
	long long fd;

	out->by = SV_READY_NONE;
	if (strcmp(word, "none") == 0 || !*word)
		return 0;
	if (strncmp(word, "log:", 4) == 0)
		return ready_log(word + 4, out, err);
	if (strcmp(word, "notify") == 0)
		out->by = SV_READY_NOTIFY;
	else if (strcmp(word, "probe") == 0)
		out->by = SV_READY_PROBE;
	else if (strncmp(word, "fd:", 3) == 0 && whole_number(word + 3, FD_MAX, &fd) && fd > 2)
		out->by = SV_READY_FD;
	else
		return err_set(err, ERR_CONF,
			       "'%s' is none of none, notify, fd:N, log:REGEX, probe", word);
	if (out->by == SV_READY_FD)
		out->fd = (int)fd;
	return 0;
}

/* Clients are told of it in XML and JSON. */
static bool is_text(const char *name)
{
	json_t *text = json_string(name);
	bool yes = text != NULL;

	json_decref(text);
	return yes;
}

bool sv_parse_bad_name(const char *name, struct err *err)
{
	const char *bad = strpbrk(name, " :/\t\r\n");

	if (!*name)
		err_set(err, ERR_CONF, "an empty name");
	else if (bad)
		err_set(err, ERR_CONF, "'%.60s': a name must not have a '%c' in it", name, *bad);
	else if (strlen(name) > NAME_BYTES_MAX)
		err_set(err, ERR_CONF, "'%.60s...': a name over %d bytes", name, NAME_BYTES_MAX);
	else if (!is_text(name))
		err_set(err, ERR_CONF, "'%.60s': a name must be UTF-8", name);
	else
		return false;
	return true;
}
