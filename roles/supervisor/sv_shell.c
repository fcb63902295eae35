#include "roles/supervisor/sv_shell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/words.h"
#include "roles/supervisor/sv_client.h"
#include "roles/supervisor/sv_editor.h"

enum { WORDS_MOST = 64 };

struct shell {
	struct sv_client *client;
	json_t *infos; /* of this line's completion; NULL: not asked for yet */
};

/* ---- completion ------------------------------------------------------------------ */

static const char *const of_processes[] = { "clear",   "fg",     "logs",  "pid",    "reload",
					    "restart", "signal", "start", "status", "stop",
					    "tail",    "wait",   NULL };
static const char *const of_groups[] = { "add", "remove", "rolling", "scale", "update", NULL };
static const char *const more_verbs[] = { "exit", "help", "quit", NULL };

static bool is_one_of(const char *word, const char *const *list)
{
	while (*list && strcmp(*list, word) != 0)
		list++;
	return *list != NULL;
}

static char **add_once(char **list, const char *word)
{
	return is_one_of(word, (const char *const *)list) ? list : words_add(list, word);
}

static char **add_verbs(char **list)
{
	const char *names[SV_VERBS_MOST] = { NULL };
	size_t n = sv_client_verbs(names);

	for (size_t i = 0; i < n; i++)
		list = words_add(list, names[i]);
	for (const char *const *at = more_verbs; *at; at++)
		list = words_add(list, *at);
	return list;
}

/* Asked once for a line, however often the key is hit. */
static const json_t *infos_of(struct shell *s)
{
	struct sv_refusal why;

	if (!s->infos)
		s->infos = sv_client_try(s->client, "supervisor.getAllProcessInfo", json_array(),
					 &why);
	return s->infos;
}

static char **add_groups(struct shell *s, char **list)
{
	size_t i;
	json_t *info;

	json_array_foreach(infos_of(s), i, info)
	{
		list = add_once(list, sv_client_text(info, "group"));
	}
	return list;
}

/* web for web:web until a colon is typed; with each group its group:* */
static char **add_processes(struct shell *s, char **list, const char *word)
{
	bool colon = strchr(word, ':') != NULL;
	size_t i;
	json_t *info;

	json_array_foreach(infos_of(s), i, info)
	{
		const char *group = sv_client_text(info, "group"),
			   *name = sv_client_text(info, "name");
		char text[600];
		if (!colon && strcmp(group, name) == 0) {
			list = words_add(list, name);
			continue;
		}
		snprintf(text, sizeof(text), "%s:%s", group, name);
		list = words_add(list, text);
		snprintf(text, sizeof(text), "%s:*", group);
		list = add_once(list, text);
	}
	return list;
}

static char **words_for(void *owner, const char *line, const char *word)
{
	struct shell *s = owner;
	char **list = mem_new(sizeof(*list)), verb[32] = "";

	if (sscanf(line, "%31s", verb) != 1 || strcmp(verb, "help") == 0)
		return add_verbs(list);
	if (is_one_of(verb, of_groups))
		return add_groups(s, list);
	return is_one_of(verb, of_processes) ? add_processes(s, list, word) : list;
}

/* ---- lines ------------------------------------------------------------------------ */

static int words_of(char *line, char **words)
{
	char *save, *rest = line;
	int n = 0;

	for (char *word; n < WORDS_MOST - 1 && (word = strtok_r(rest, " \t\r\n", &save));
	     rest = NULL)
		words[n++] = word;
	words[n] = NULL;
	return n;
}

/* false: it is over. */
static bool do_line(struct sv_client *c, char *line)
{
	char *copy = mem_str(line), *words[WORDS_MOST];
	int n = words_of(line, words);
	bool over = n && (strcmp(words[0], "quit") == 0 || strcmp(words[0], "exit") == 0);

	copy[strcspn(copy, "\r\n")] = '\0';
	if (over)
		putchar('\n');
	else if (n && (strcmp(words[0], "help") == 0 || strcmp(words[0], "?") == 0))
		sv_client_help(c, words[1]);
	else if (n && !sv_client_do(c, n, words))
		printf("*** Unknown syntax: %s\n", copy);
	fflush(stdout);
	free(copy);
	return !over;
}

void sv_shell_run(struct sv_client *c, const char *prompt, const char *history)
{
	struct shell s = { .client = c };
	char first[] = "status", *line, *whole;
	bool more = do_line(c, first);

	if (asprintf(&whole, "%s> ", prompt) < 0)
		return;
	sv_editor_open(history, words_for, &s);
	while (more) {
		line = sv_editor_line(whole);
		json_decref(s.infos);
		s.infos = NULL;
		if (!line)
			putchar('\n');
		more = line && do_line(c, line);
		free(line);
	}
	sv_editor_close();
	free(whole);
}
