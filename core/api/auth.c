#include "core/api/auth.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/api/api.h"
#include "core/api/reply.h"
#include "core/api/route.h"
#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/net/http_auth.h"
#include "core/net/http_server.h"

struct api_token {
	char *text;
	int scopes;
	char **topics; /* ends with NULL; none: all */
};

struct api_tokens {
	struct api_token *all;
	size_t n;
	bool ask;
	struct api_tokens *older;
};

/* ---- the file -------------------------------------------------------------------- */

static int scope_of(const char *word)
{
	return strcmp(word, "push") == 0    ? API_PUSH
	       : strcmp(word, "read") == 0  ? API_READ
	       : strcmp(word, "admin") == 0 ? API_ADMIN
					    : 0;
}

static int read_scopes(char *words, int *scopes, struct err *err)
{
	char *save = NULL;

	*scopes = 0;
	for (char *w = strtok_r(words, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		int scope = scope_of(w);
		if (!scope)
			return err_set(err, ERR_CONF, "'%s' is none of push, read, admin", w);
		*scopes |= scope;
	}
	return *scopes ? 0 : err_set(err, ERR_CONF, "a token without scopes");
}

static void read_topics(char *words, struct api_token *t)
{
	char *save = NULL;
	size_t n = 0;

	t->topics = mem_new(sizeof(char *));
	for (char *w = strtok_r(words, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		t->topics = mem_resize(t->topics, (n + 2) * sizeof(char *));
		t->topics[n++] = mem_str(w);
		t->topics[n] = NULL;
	}
}

static int read_line(struct api_tokens *all, char *line, struct err *err)
{
	static const char space[] = " \t\r\n";
	char *save = NULL, *text = strtok_r(line, space, &save), none[1] = "";
	struct api_token t = { .text = NULL };

	if (!text || *text == '#')
		return 0;
	char *scopes = strtok_r(NULL, space, &save);
	char *topics = scopes ? strtok_r(NULL, space, &save) : NULL;
	int rc = read_scopes(scopes ? scopes : none, &t.scopes, err);
	if (rc != 0)
		return rc;
	t.text = mem_str(text);
	read_topics(topics ? topics : none, &t);
	all->all = mem_resize(all->all, (all->n + 1) * sizeof(t));
	all->all[all->n++] = t;
	return 0;
}

void api_tokens_free(struct api_tokens *t)
{
	while (t) {
		struct api_tokens *older = t->older;
		for (size_t i = 0; i < t->n; i++) {
			for (char **topic = t->all[i].topics; *topic; topic++)
				free(*topic);
			free(t->all[i].topics);
			free(t->all[i].text);
		}
		free(t->all);
		free(t);
		t = older;
	}
}

static struct api_tokens *read_file(const char *path, struct err *err)
{
	FILE *in = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	int rc = 0, number = 0;

	if (!in) {
		err_set(err, uv_translate_sys_error(errno), "%s: %s", path, strerror(errno));
		return NULL;
	}
	struct api_tokens *t = mem_new(sizeof(*t));
	while (rc == 0 && getline(&line, &room, in) >= 0) {
		number++;
		rc = read_line(t, line, err);
	}
	if (rc == 0 && t->n == 0)
		rc = err_set(err, ERR_CONF, "no token in it");
	if (line)
		explicit_bzero(line, room);
	free(line);
	fclose(in);
	if (rc == 0)
		return t;
	err_wrap(err, rc, "%s:%d", path, number);
	api_tokens_free(t);
	return NULL;
}

int api_tokens_take(struct api_tokens **t, const char *path, struct err *err)
{
	struct api_tokens *fresh = path ? read_file(path, err) : mem_new(sizeof(*fresh));

	if (!fresh)
		return err ? err->code : ERR_CONF;
	fresh->ask = path != NULL;
	fresh->older = *t;
	*t = fresh;
	return 0;
}

bool api_tokens_ask(const struct api_tokens *t)
{
	return t && t->ask;
}

/* ---- questions --------------------------------------------------------------------- */

/* All are looked at, so that how long it takes says nothing. */
static const struct api_token *find(const struct api_tokens *t, const char *text)
{
	const struct api_token *found = NULL;

	for (size_t i = 0; i < t->n; i++)
		if (http_auth_same(t->all[i].text, text))
			found = &t->all[i];
	return found;
}

bool api_auth(struct api_ask *ask)
{
	const struct api_tokens *tokens = ask->api->tokens;
	enum api_scope scope = ask->route->scope;

	if (scope == API_OPEN)
		return true;
	if (!api_tokens_ask(tokens)) {
		if (!http_auth_is_foreign(ask->m, true))
			return true;
		api_refuse(ask, 403, NULL, "a page of another site has sent this");
		return false;
	}
	const char *text = http_auth_bearer(ask->m);
	ask->token = text ? find(tokens, text) : NULL;
	if (!ask->token)
		api_refuse(ask, 401, NULL, text ? "no such token" : "a token is needed");
	else if (!(ask->token->scopes & (int)scope))
		api_refuse(ask, 403, NULL, "the token is not for this (scope)");
	else
		return true;
	return false;
}

bool api_token_has(const struct api_token *t, const char *topic)
{
	if (!t || !*t->topics)
		return true;
	for (char **pattern = t->topics; topic && *pattern; pattern++)
		if (fnmatch(*pattern, topic, 0) == 0)
			return true;
	return false;
}

bool api_auth_topic(const struct api_ask *ask, const char *topic)
{
	if (api_token_has(ask->token, topic))
		return true;
	api_refuse(ask, 403, "topic", "the token is not for this topic");
	return false;
}
