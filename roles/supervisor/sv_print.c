#include "roles/supervisor/sv_print.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/words.h"

/* ---- the numbers -------------------------------------------------------------- */

/* FNV-1a. */
static uint64_t mix(uint64_t print, const void *data, size_t n)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < n; i++)
		print = (print ^ bytes[i]) * 1099511628211ULL;
	return print;
}

static uint64_t mix_text(uint64_t print, const char *text)
{
	return mix(print, text ? text : "", text ? strlen(text) + 1 : 1);
}

static uint64_t mix_words(uint64_t print, char *const *words)
{
	for (; words && *words; words++)
		print = mix_text(print, *words);
	return mix(print, "", 1);
}

/* Those that are met as something else than their text, or say nothing of the process itself. */
static bool is_apart(const char *key)
{
	static const char *const keys[] = { "command",      "environment", "env_file",
					    "process_name", "numprocs",    "numprocs_start",
					    "serverurl" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(keys[i], key) == 0)
			return true;
	return false;
}

static const void *member(const struct sv_process_conf *process, const struct conf_key *key)
{
	return (const char *)process->program->conf + key->offset;
}

/* The text of a string or a list, names filled in. The caller's to free. */
static char *text_of(const struct sv_names *names, const struct conf_key *key, const char *raw)
{
	char *text = sv_expand_text(names, key->name, raw, NULL);

	return text ? text : mem_str(raw);
}

static uint64_t mix_key(uint64_t print, const struct sv_process_conf *process,
			const struct sv_names *names, const struct conf_key *key)
{
	const void *at = member(process, key);
	const char *raw = key->type == CONF_STR ? *(char *const *)at : NULL;

	if (key->type == CONF_BOOL)
		return mix(print, at, sizeof(bool));
	if (key->type == CONF_ENUM)
		return mix(print, at, sizeof(int));
	if (key->type != CONF_STR && key->type != CONF_LIST)
		return mix(print, at, sizeof(int64_t));
	for (char *const *list = raw ? NULL : *(char **const *)at; key->type == CONF_LIST && *list;
	     list++) {
		char *text = text_of(names, key, *list);
		print = mix_text(print, text);
		free(text);
	}
	char *text = text_of(names, key, raw ? raw : "");
	print = mix_text(print, text);
	free(text);
	return print;
}

void sv_print_make(struct sv_process_conf *process, const struct sv_names *names)
{
	const struct sv_program *p = process->program;
	uint64_t restart = 14695981039346656037ULL, live = restart;

	restart = mix_text(restart, p->item->section->name);
	restart = mix_words(restart, process->argv);
	restart = mix_words(restart, process->env);
	restart = mix(restart, &p->user.uid, sizeof(p->user.uid));
	restart = mix(restart, &p->user.gid, sizeof(p->user.gid));
	for (const struct conf_key *key = conf_first_key(p->item->section); key;
	     key = conf_next_key(key)) {
		if (is_apart(key->name))
			continue;
		if (key->flags & CONF_RELOAD)
			live = mix_key(live, process, names, key);
		else
			restart = mix_key(restart, process, names, key);
	}
	live = mix_text(live, process->out.path);
	live = mix_text(live, process->err.path);
	live = mix(live, &process->spare, sizeof(process->spare));
	process->restart_print = restart;
	process->live_print = live;
}

/* ---- for a person ---------------------------------------------------------------- */

static struct sv_names names_of(const struct sv_process_conf *process)
{
	return (struct sv_names){ .item = process->program->item,
				  .group = process->program->group->name,
				  .num = process->num,
				  .numprocs = process->program->conf->numprocs,
				  .in_process = true,
				  .env = process->env };
}

static char *shown(const struct sv_process_conf *process, const char *name)
{
	const struct sv_names names = names_of(process);
	const struct conf_key *key = conf_first_key(process->program->item->section);

	while (key && strcmp(key->name, name) != 0)
		key = conf_next_key(key);
	if (!key)
		return mem_str("");
	const char *raw = conf_text(process->program->item, key);
	return key->type == CONF_STR || key->type == CONF_LIST ? text_of(&names, key, raw)
							       : mem_str(raw);
}

static void tell_key(FILE *out, const char *key, const char *old, const char *now)
{
	fprintf(out, "%s%s: %.200s -> %.200s", ftell(out) ? "; " : "", key, *old ? old : "(empty)",
		*now ? now : "(empty)");
}

/* Names only: values may be secrets. */
static void tell_variables(FILE *out, const struct sv_process_conf *old,
			   const struct sv_process_conf *now)
{
	char **all = words_put_all(words_copy(old->env), now->env);
	const char *comma = ftell(out) ? "; environment: " : "environment: ";

	for (char **one = all; *one; one++) {
		size_t n = strcspn(*one, "=") + 1;
		const char *was = NULL, *is = NULL;

		for (char **v = old->env; *v; v++)
			was = strncmp(*v, *one, n) == 0 ? *v : was;
		for (char **v = now->env; *v; v++)
			is = strncmp(*v, *one, n) == 0 ? *v : is;
		if (was && is && strcmp(was, is) == 0)
			continue;
		fprintf(out, "%s%.*s %s", comma, (int)(n - 1), *one,
			!was  ? "is new"
			: !is ? "is gone"
			      : "has changed");
		comma = ", ";
	}
	words_free(all);
}

void sv_print_differences(const struct sv_process_conf *old, const struct sv_process_conf *now,
			  FILE *out)
{
	const struct conf_key *key = conf_first_key(now->program->item->section);

	for (; key; key = conf_next_key(key)) {
		char *a = shown(old, key->name), *b = shown(now, key->name);
		bool variables = strcmp(key->name, "environment") == 0 ||
				 strcmp(key->name, "env_file") == 0 ||
				 strcmp(key->name, "serverurl") == 0;

		if (!variables && strcmp(a, b) != 0)
			tell_key(out, key->name, a, b);
		free(a);
		free(b);
	}
	tell_variables(out, old, now);
}
