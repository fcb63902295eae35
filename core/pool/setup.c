/* setup - a section [pool NAME], looked up and split, counted by who was started with it. */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/base/words.h"
#include "core/net/http_url.h"
#include "core/net/tls.h"
#include "core/pool/private.h"

/* "mail*3": a name and a weight, where only digits follow the star, and something stands before. */
static void add_topic(struct setup *s, const char *text)
{
	const char *star = strrchr(text, '*');
	size_t n = strlen(text);
	int weight = 1;

	if (star > text && star[1] && strspn(star + 1, "0123456789") == strlen(star + 1)) {
		weight = atoi(star + 1);
		n = (size_t)(star - text);
	}
	s->topics[s->n_topics] = mem_new(n + 1);
	memcpy(s->topics[s->n_topics], text, n);
	s->weights[s->n_topics++] = weight > 0 ? weight : 1;
}

static void add_topics(struct setup *s)
{
	size_t n = words_count(s->v->topics);

	s->topics = mem_new((n + 1) * sizeof(char *));
	s->weights = mem_new((n + 1) * sizeof(int));
	for (size_t i = 0; i < n; i++)
		add_topic(s, s->v->topics[i]);
}

static int add_env(struct setup *s, struct err *err)
{
	env_inherit(&s->env);
	for (char **it = s->v->env; *it; it++) {
		char *name = mem_str(*it), *eq = strchr(name, '=');
		if (!eq || eq == name) {
			free(name);
			return err_set(err, ERR_CONF, "env: '%s' is not NAME=value", *it);
		}
		*eq = '\0';
		env_set(&s->env, name, eq + 1);
		free(name);
	}
	if (s->has_user) {
		env_set(&s->env, "USER", s->user.name);
		env_set(&s->env, "LOGNAME", s->user.name);
		env_set(&s->env, "HOME", s->user.home);
	}
	return 0;
}

static int add_limits(struct setup *s, struct err *err)
{
	size_t n = words_count(s->v->rlimit);

	s->limits = mem_new((n + 1) * sizeof(*s->limits));
	for (char **it = s->v->rlimit; *it; it++) {
		char *name = mem_str(*it), *eq = strchr(name, '=');
		if (eq)
			*eq = '\0';
		int rc = eq ? limits_parse(&s->limits[s->n_limits], name, eq + 1, err)
			    : err_set(err, ERR_CONF, "'%s' is not NAME=value", *it);
		free(name);
		if (rc)
			return err_wrap(err, rc, "rlimit");
		s->n_limits++;
	}
	return 0;
}

/* "404", or "4xx" for all of them. */
static int add_dead(struct setup *s, const char *text, struct err *err)
{
	bool class = strlen(text) == 3 && strcmp(text + 1, "xx") == 0;
	int status = class ? (*text - '0') * 100 : atoi(text);

	if (strlen(text) != 3 || (!class && strspn(text, "0123456789") != 3) || status < 300 ||
	    status >= POOL_STATUSES)
		return err_set(err, ERR_CONF, "dead_on: '%s' is no status from 300 to 599, nor 4xx",
			       text);
	for (int i = 0; i < (class ? 100 : 1); i++)
		s->dead_on[status + i] = true;
	return 0;
}

static int add_service(struct setup *s, struct err *err)
{
	struct tls_conf tls = { .ca = s->v->tls_ca, .verify = s->v->tls_verify };
	int rc = 0;

	for (char **it = s->v->dead_on; *it && !rc; it++)
		rc = add_dead(s, *it, err);
	if (rc)
		return rc;
	s->url = mem_new(sizeof(*s->url));
	rc = http_url_read(s->url, s->v->url, err);
	if (rc)
		return err_wrap(err, rc, "url");
	if (s->url->tls)
		s->tls = tls_ctx_new(&tls, false, err);
	return s->url->tls && !s->tls ? err->code : 0;
}

static int fill(struct setup *s, struct err *err)
{
	struct err inner = { 0 };
	int rc = 0;

	add_topics(s);
	if (s->v->mode == POOL_HTTP)
		return add_service(s, err);
	if (s->v->command) {
		s->argv = words_split(s->v->command, &inner);
		if (!s->argv)
			return err_set(err, ERR_CONF, "command: %s", inner.text);
	}
	if (s->v->user) {
		rc = user_lookup(&s->user, s->v->user, NULL, err);
		s->has_user = rc == 0;
	}
	if (!rc)
		rc = add_env(s, err);
	if (!rc)
		rc = add_limits(s, err);
	return rc;
}

struct setup *setup_new(const struct conf *conf, const struct conf_item *item, struct err *err)
{
	struct setup *s = mem_new(sizeof(*s));

	s->holds = 1;
	s->conf = conf_hold(conf);
	s->item = item;
	s->v = item->values;
	env_init(&s->env);
	if (fill(s, err) == 0)
		return s;
	setup_drop(s);
	return NULL;
}

struct setup *setup_hold(struct setup *s)
{
	s->holds++;
	return s;
}

void setup_drop(struct setup *s)
{
	if (!s || --s->holds > 0)
		return;
	words_free(s->argv);
	words_free(s->topics);
	free(s->weights);
	free(s->limits);
	free(s->url);
	tls_ctx_drop(s->tls);
	env_fini(&s->env);
	if (s->has_user)
		user_fini(&s->user);
	conf_free(s->conf);
	free(s);
}

bool setup_has_topic(const struct setup *s, const char *topic)
{
	for (int i = 0; i < s->n_topics; i++)
		if (fnmatch(s->topics[i], topic, 0) == 0)
			return true;
	return false;
}

/* ---- what a change touches ------------------------------------------------------------- */

static const struct {
	const char *key;
	enum setup_change change;
} touches[] = {
	{ "mode", SETUP_POOL },        { "topics", SETUP_POOL },
	{ "topic_order", SETUP_POOL }, { "url", SETUP_POOL },
	{ "tls_ca", SETUP_POOL },      { "tls_verify", SETUP_POOL },
	{ "command", SETUP_WORKERS },  { "directory", SETUP_WORKERS },
	{ "user", SETUP_WORKERS },     { "env", SETUP_WORKERS },
	{ "rlimit", SETUP_WORKERS },   { "nice", SETUP_WORKERS },
	{ "credit", SETUP_WORKERS },   { "max_body", SETUP_WORKERS },
	{ "ready", SETUP_WORKERS },    { "heartbeat", SETUP_WORKERS },
};

static enum setup_change touch_of(const char *key)
{
	for (size_t i = 0; i < sizeof(touches) / sizeof(touches[0]); i++)
		if (strcmp(touches[i].key, key) == 0)
			return touches[i].change;
	return SETUP_VALUES;
}

enum setup_change setup_compare(const struct setup *old, const struct setup *now)
{
	enum setup_change most = SETUP_SAME;

	for (const struct conf_key *k = conf_first_key(now->item->section); k;
	     k = conf_next_key(k)) {
		enum setup_change c = touch_of(k->name);
		if (strcmp(conf_text(old->item, k), conf_text(now->item, k)) == 0)
			continue;
		if (c > most)
			most = c;
	}
	return most;
}
