#include "roles/supervisor/sv_program.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/cron.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/base/words.h"
#include "core/conf/conf.h"
#include "roles/supervisor/sv_address.h"
#include "roles/supervisor/sv_event.h"
#include "roles/supervisor/sv_parse.h"
#include "roles/supervisor/sv_setup.h"

enum { UMASK_MOST = 0777, MODE_MOST = 07777, SOCKETS_MOST = 32, FIRST_DELAY = 1000 };

/* ---- for those who make -------------------------------------------------------- */

int sv_maker_complain(const struct sv_maker *k, const char *key, int rc, const struct err *err)
{
	if (rc)
		conf_error(k->errors, k->names.item, key, "%s", err->text);
	return rc;
}

char *sv_maker_text(const struct sv_maker *k, const char *key, const char *raw)
{
	struct err err = { 0 };
	char *text = sv_expand_text(&k->names, key, raw ? raw : "", &err);

	sv_maker_complain(k, key, text ? 0 : ERR_CONF, &err);
	return text;
}

/* sv_maker_text for each of a list. */
static char **list_of(const struct sv_maker *k, const char *key, char *const *raw)
{
	char **list = mem_new(sizeof(*list));

	for (; *raw; raw++) {
		char *text = sv_maker_text(k, key, *raw);
		if (text)
			list = words_add(list, text);
		free(text);
	}
	return list;
}

char **sv_maker_command(const struct sv_maker *k, const char *key, const char *raw)
{
	struct err err = { 0 };
	char *text = sv_maker_text(k, key, raw);
	char **words = text && *text ? words_split(text, &err) : NULL;

	if (text && *text)
		sv_maker_complain(k, key, words ? 0 : ERR_CONF, &err);
	free(text);
	return words;
}

/* ---- life ------------------------------------------------------------------------ */

static void make_restarts(struct sv_maker *k)
{
	struct sv_program *p = k->program;
	const struct sv_program_conf *c = p->conf;
	struct err err = { 0 };
	char **codes = list_of(k, "exitcodes", c->exitcodes);
	char **backoff = list_of(k, "restart_backoff", c->restart_backoff);
	char **flap = list_of(k, "flap", c->flap), **age = list_of(k, "max_age", c->max_age);

	sv_maker_complain(k, "exitcodes",
			  sv_parse_exitcodes(codes, &p->exitcodes, &p->exitcode_count, &err), &err);
	sv_maker_complain(k, "restart_backoff", sv_parse_backoff(backoff, &p->backoff, &err), &err);
	sv_maker_complain(k, "flap", sv_parse_flap(flap, &p->flap, &err), &err);
	sv_maker_complain(k, "max_age", sv_parse_age(age, &p->max_age, &p->max_age_jitter, &err),
			  &err);
	bool delays = conf_has(p->item, "restart_delay");
	p->backoff.delay = delays || !p->backoff.given ? c->restart_delay : FIRST_DELAY;
	if (delays && !p->backoff.given) { /* always the same */
		p->backoff.factor = 1;
		p->backoff.jitter = 0;
		p->backoff.cap = 0;
	}
	p->backoff.given |= delays;
	words_free(codes);
	words_free(backoff);
	words_free(flap);
	words_free(age);
}

static void make_stop(struct sv_maker *k)
{
	struct sv_program *p = k->program;
	const struct sv_program_conf *c = p->conf;
	struct err err = { 0 };
	char **signals = list_of(k, "stopsignal", c->stopsignal);
	bool said = conf_has(p->item, "killasgroup");

	sv_maker_complain(k, "stopsignal",
			  sv_parse_stop(signals, c->stopwaitsecs, &p->stop, &p->stop_count, &err),
			  &err);
	p->killasgroup = said ? c->killasgroup : c->stopasgroup;
	if (c->stopasgroup && !p->killasgroup)
		conf_error(k->errors, p->item, "killasgroup",
			   "must not be false where stopasgroup is true");
	words_free(signals);
}

static void make_reload(struct sv_maker *k)
{
	struct sv_program *p = k->program;
	const struct sv_program_conf *c = p->conf;
	struct err err = { 0 };
	char *signal = sv_maker_text(k, "reload_signal", c->reload_signal);

	if (signal && *signal)
		sv_maker_complain(k, "reload_signal",
				  sv_parse_signal(signal, &p->reload_signal, &err), &err);
	p->reload_argv = sv_maker_command(k, "reload_command", c->reload_command);
	free(signal);
}

static const struct {
	const char *name;
	enum sv_action action;
} actions[] = { { "restart", SV_ACTION_RESTART },
		{ "kill", SV_ACTION_KILL },
		{ "none", SV_ACTION_NONE },
		{ "", SV_ACTION_RESTART } };

static void make_health(struct sv_maker *k)
{
	struct sv_program *p = k->program;
	char *action = sv_maker_text(k, "health_action", p->conf->health_action);
	size_t n = sizeof(actions) / sizeof(actions[0]), i = 0;
	struct err err = { 0 };

	if (action && strncmp(action, "exec:", 5) == 0) {
		p->health_action = SV_ACTION_EXEC;
		p->health_argv = words_split(action + 5, &err);
		sv_maker_complain(k, "health_action", p->health_argv ? 0 : ERR_CONF, &err);
	} else if (action) {
		while (i < n && strcasecmp(actions[i].name, action) != 0)
			i++;
		if (i == n)
			conf_error(k->errors, p->item, "health_action",
				   "'%s' is none of restart, kill, none, exec:COMMAND", action);
		else
			p->health_action = actions[i].action;
	}
	free(action);
}

static void make_ready(struct sv_maker *k)
{
	struct sv_program *p = k->program;
	struct err err = { 0 };
	char *ready = sv_maker_text(k, "ready", p->conf->ready);

	if (ready)
		sv_maker_complain(k, "ready", sv_parse_ready(ready, &p->ready, &err), &err);
	if (p->ready.by == SV_READY_PROBE && (!p->conf->health || !*p->conf->health))
		conf_error(k->errors, p->item, "ready", "probe: there is no health to ask");
	free(ready);
}

/* ---- rights and limits ------------------------------------------------------------- */

static void make_user(struct sv_maker *k)
{
	struct sv_program *p = k->program;
	struct err err = { 0 };
	char *user = sv_maker_text(k, "user", p->conf->user);
	char *groups = NULL;
	size_t size;
	FILE *out = open_memstream(&groups, &size);

	for (char **group = p->conf->groups; *group; group++)
		fprintf(out, "%s,", *group);
	fclose(out);
	if (user && *user)
		p->has_user =
			sv_maker_complain(k, "user", user_lookup(&p->user, user, groups, &err),
					  &err) == 0;
	else if (*groups)
		conf_error(k->errors, p->item, "groups", "stands without user");
	if (p->has_user && geteuid() != 0 && p->user.uid != geteuid())
		conf_warn(k->errors, p->item, "user", "only root can become %s", user);
	free(groups);
	free(user);
}

static void make_rights(struct sv_maker *k)
{
	struct sv_program *p = k->program;
	const struct sv_program_conf *c = p->conf;
	struct err err = { 0 };
	char *mask = sv_maker_text(k, "umask", c->umask);
	char *cpus = sv_maker_text(k, "cpu_affinity", c->cpu_affinity);
	char *share = sv_maker_text(k, "cpu_max", c->cpu_max);
	char **caps = list_of(k, "capabilities", c->capabilities);

	p->umask = -1;
	if (mask && *mask)
		sv_maker_complain(k, "umask", sv_parse_octal(mask, UMASK_MOST, &p->umask, &err),
				  &err);
	if (cpus && *cpus) {
		p->cpus = mem_new(SV_CPUS / 8);
		sv_maker_complain(k, "cpu_affinity", sv_parse_cpus(cpus, p->cpus, &err), &err);
	}
	if (share && *share)
		sv_maker_complain(k, "cpu_max", sv_parse_percent(share, &p->cpu_max, &err), &err);
	p->caps_set = *caps;
	sv_maker_complain(k, "capabilities", sv_parse_caps(caps, &p->caps, &err), &err);
	free(mask);
	free(cpus);
	free(share);
	words_free(caps);
}

/* Every row whose name begins with rlimit_. */
static void make_limits(struct sv_maker *k)
{
	struct sv_program *p = k->program;
	const struct conf_key *key = conf_first_key(p->item->section);

	for (; key; key = conf_next_key(key)) {
		const char *raw = key->type == CONF_STR && strncmp(key->name, "rlimit_", 7) == 0
					  ? *(char *const *)(const void *)((const char *)p->conf +
									   key->offset)
					  : NULL;
		struct err err = { 0 };
		char *text = raw && *raw ? sv_maker_text(k, key->name, raw) : NULL;

		if (!text)
			continue;
		p->limits = mem_resize(p->limits, (p->limit_count + 1) * sizeof(*p->limits));
		int rc = limits_parse(&p->limits[p->limit_count], key->name, text, &err);
		p->limit_count += rc == 0;
		sv_maker_complain(k, key->name, rc, &err);
		free(text);
	}
}

/* ---- sockets ------------------------------------------------------------------------ */

static void make_sockets(struct sv_maker *k)
{
	struct sv_program *p = k->program;
	char **list = list_of(k, "sockets", p->conf->sockets);
	size_t count = words_count(list);
	struct err err = { 0 };

	if (count > SOCKETS_MOST) {
		conf_error(k->errors, p->item, "sockets", "more than %d", SOCKETS_MOST);
		count = 0;
	}
	p->sockets = count ? mem_new(count * sizeof(*p->sockets)) : NULL;
	for (size_t i = 0; i < count; i++) {
		int rc = sv_address_socket(list[i], &p->sockets[p->socket_count], &err);
		p->socket_count += rc == 0;
		sv_maker_complain(k, "sockets", rc, &err);
	}
	words_free(list);
}

/* Whose the shared socket is: as said, else the program's own user. */
static void own_fcgi(struct sv_maker *k, const char *owner, const char *mode)
{
	struct sv_program *p = k->program;
	struct err err = { 0 };

	if (!p->fcgi->addr.is_unix && (*owner || *mode)) {
		conf_error(k->errors, p->item, *owner ? "socket_owner" : "socket_mode",
			   "is for unix sockets only");
		return;
	}
	if (*owner) {
		sv_maker_complain(k, "socket_owner", sv_address_owner(owner, p->fcgi, &err), &err);
	} else if (p->has_user && p->user.uid != geteuid()) {
		p->fcgi->chown = true;
		p->fcgi->uid = p->user.uid;
		p->fcgi->gid = p->user.gid;
	}
	if (*mode)
		sv_maker_complain(k, "socket_mode",
				  sv_parse_octal(mode, MODE_MOST, &p->fcgi->mode, &err), &err);
}

static void make_fcgi(struct sv_maker *k)
{
	struct sv_program *p = k->program;
	struct err err = { 0 };
	char *text = sv_maker_text(k, "socket", p->conf->socket);
	char *owner = sv_maker_text(k, "socket_owner", p->conf->socket_owner);
	char *mode = sv_maker_text(k, "socket_mode", p->conf->socket_mode);

	p->fcgi = mem_new(sizeof(*p->fcgi));
	if (text && *text && owner && mode &&
	    sv_maker_complain(k, "socket", sv_address_fcgi(text, p->fcgi, &err), &err) == 0)
		own_fcgi(k, owner, mode);
	p->fcgi->backlog = (int)p->conf->socket_backlog;
	free(text);
	free(owner);
	free(mode);
}

/* ---- listeners ---------------------------------------------------------------------- */

static void make_listener(struct sv_maker *k)
{
	struct sv_program *p = k->program;
	char **names = list_of(k, "events", p->conf->events);
	static const char usual[] = "supervisor.dispatchers:default_handler";

	for (char **name = names; *name; name++) {
		uint64_t bits = sv_event_bits(*name);
		const char *near = bits ? NULL : sv_event_near(*name);
		p->events |= bits;
		if (!bits) /* an extension may have had it */
			conf_warn(k->errors, p->item, "events", "%s: no such event%s%s%s", *name,
				  near ? ", is " : "", near ? near : "", near ? " meant?" : "");
	}
	if (!p->events && *names)
		conf_error(k->errors, p->item, "events", "none that there is");
	if (p->conf->redirect_stderr)
		conf_error(
			k->errors, p->item, "redirect_stderr",
			"must not be true: what it writes there would stand between its answers");
	if (p->conf->result_handler && strcmp(p->conf->result_handler, usual) != 0)
		conf_warn(k->errors, p->item, "result_handler", "only %s is there", usual);
	words_free(names);
}

/* ---- all of it ------------------------------------------------------------------------ */

static enum sv_kind kind_of(const struct conf_item *item)
{
	if (strcmp(item->section->name, "fcgi-program") == 0)
		return SV_FCGI;
	return strcmp(item->section->name, "eventlistener") == 0 ? SV_LISTENER : SV_PROGRAM;
}

static void make_schedule(struct sv_maker *k)
{
	struct sv_program *p = k->program;
	struct err err = { 0 };
	char *text = sv_maker_text(k, "schedule", p->conf->schedule);

	if (text && *text) {
		p->cron = cron_new(text, &err);
		sv_maker_complain(k, "schedule", p->cron ? 0 : ERR_CONF, &err);
		if (p->conf->interval)
			conf_error(k->errors, p->item, "interval", "there is a schedule already");
	}
	free(text);
}

static void make_scale(struct sv_maker *k)
{
	struct sv_program *p = k->program;
	struct err err = { 0 };
	char *text = sv_maker_text(k, "scale_on", p->conf->scale_on);
	struct sv_scale scale = { .by = SV_SCALE_NONE };

	if (text)
		sv_maker_complain(k, "scale_on", sv_address_scale(text, &scale, &err), &err);
	if (scale.by != SV_SCALE_NONE) {
		p->scale = mem_new(sizeof(scale));
		*p->scale = scale;
	}
	if (p->scale && p->conf->numprocs_max <= p->conf->numprocs)
		conf_error(k->errors, p->item, "scale_on",
			   "needs a numprocs_max above numprocs to go up to");
	free(text);
}

void sv_program_make(struct sv_program *p, const struct sv_maker *with,
		     const struct sv_group *group, const struct conf_item *item)
{
	struct sv_maker k = *with;
	struct err err;

	p->kind = kind_of(item);
	p->name = item->name;
	p->group = group;
	p->item = item;
	p->conf = item->values;
	k.program = p;
	k.names = (struct sv_names){ .conf = with->conf,
				     .item = item,
				     .group = group->name,
				     .numprocs = p->conf->numprocs,
				     .main_env = with->main->env };
	if (sv_parse_bad_name(item->name, &err))
		conf_error(k.errors, item, NULL, "[%s] %s", item->section->name, err.text);
	if (!conf_has(item, "command")) /* not a required key: the file of `troupe run` lacks it */
		conf_error(k.errors, item, "command", "[%s %s] must set it", item->section->name,
			   item->name);
	make_restarts(&k);
	make_stop(&k);
	make_reload(&k);
	make_ready(&k);
	make_health(&k);
	make_user(&k);
	make_rights(&k);
	make_limits(&k);
	make_sockets(&k);
	make_scale(&k);
	p->watch = list_of(&k, "watch", p->conf->watch);
	make_schedule(&k);
	if (p->kind == SV_FCGI)
		make_fcgi(&k);
	if (p->kind == SV_LISTENER)
		make_listener(&k);
	sv_process_make_all(&k);
}

void sv_program_fini(struct sv_program *p)
{
	for (size_t i = 0; i < p->count; i++)
		sv_process_fini(&p->processes[i]);
	for (size_t i = 0; i < p->socket_count; i++)
		sv_address_socket_fini(&p->sockets[i]);
	if (p->ready.by == SV_READY_LOG)
		regfree(&p->ready.match);
	if (p->fcgi)
		sv_address_socket_fini(p->fcgi);
	if (p->scale)
		sv_address_scale_fini(p->scale);
	free(p->fcgi);
	free(p->scale);
	words_free(p->health_argv);
	words_free(p->reload_argv);
	words_free(p->watch);
	user_fini(&p->user);
	cron_free(p->cron);
	free(p->processes);
	free(p->sockets);
	free(p->exitcodes);
	free(p->cpus);
	free(p->limits);
	free(p->depends);
	free(p->stop);
}
