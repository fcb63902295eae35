#include "roles/supervisor/sv_expand.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/mem.h"
#include "core/base/words.h"
#include "core/conf/percent.h"

/* One of the three kinds. */
static bool is_program(const struct conf_section *section)
{
	return strcmp(section->name, "program") == 0 ||
	       strcmp(section->name, "fcgi-program") == 0 ||
	       strcmp(section->name, "eventlistener") == 0;
}

char *sv_expand_text(const struct sv_names *n, const char *key, const char *text, struct err *err)
{
	struct percent_name names[6];
	struct percent with = { .names = names, .envs = { n->env, n->main_env, environ } };
	char num[24], numprocs[24];

	if (!percent_has(text))
		return mem_str(text);
	const char *file = conf_file(n->item, key);
	char *here = conf_here(file ? file : "");
	snprintf(num, sizeof(num), "%lld", (long long)n->num);
	snprintf(numprocs, sizeof(numprocs), "%lld", (long long)n->numprocs);
	names[with.count++] = (struct percent_name){ "here", here };
	names[with.count++] = (struct percent_name){ "host_node_name", percent_node() };
	if (is_program(n->item->section))
		names[with.count++] = (struct percent_name){ "program_name", n->item->name };
	if (n->group) {
		names[with.count++] = (struct percent_name){ "group_name", n->group };
		names[with.count++] = (struct percent_name){ "numprocs", numprocs };
	}
	if (n->in_process)
		names[with.count++] = (struct percent_name){ "process_num", num };
	char *result = percent_expand(text, &with, err);
	free(here);
	return result;
}

char **sv_expand_main_env(const struct conf *conf, struct err *err)
{
	const struct conf_item *item = conf_find(conf, "supervisord", "");
	const struct conf_key *key = conf_first_key(item->section);
	const struct sv_names names = { .conf = conf, .item = item };

	while (strcmp(key->name, "environment") != 0)
		key = conf_next_key(key);
	char *text = sv_expand_text(&names, "environment", conf_text(item, key), err);
	char **env = text ? words_env(text, err) : NULL;
	free(text);
	return env;
}

char *sv_expand_home(const char *path)
{
	char name[256], *full;
	size_t n = strcspn(path, "/");

	if (*path != '~')
		return mem_str(path);
	snprintf(name, sizeof(name), "%.*s", (int)(n - 1), path + 1);
	struct passwd *user = *name ? getpwnam(name) : NULL;
	const char *home = user ? user->pw_dir : *name ? NULL : getenv("HOME");
	if (!home)
		return mem_str(path);
	if (asprintf(&full, "%s%s", home, path + n) < 0)
		abort();
	return full;
}

/* Strings of programs wait for their process; what does not is known once and for all. */
static char *on_value(const struct conf *conf, const struct conf_item *item,
		      const struct conf_key *key, const char *raw, struct err *err)
{
	struct sv_names names = { .conf = conf, .item = item };
	char **env = NULL;

	if (!percent_has(raw) ||
	    (is_program(item->section) && (key->type == CONF_STR || key->type == CONF_LIST)))
		return mem_str(raw);
	if (strcmp(item->section->name, "supervisord") != 0)
		names.main_env = env = sv_expand_main_env(conf, NULL);
	char *word = sv_expand_text(&names, key->name, raw, err);
	words_free(env);
	return word;
}

const struct conf_dialect sv_dialect = { .expand = on_value };
