#include "roles/supervisor/sv_editor.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/words.h"

enum { HISTORY = 1000 };

typedef char *generator(const char *text, int state);

/* What we use of it; the names are readline's (editline/readline.h), whose calls have no place for
 * an owner. */
static struct {
	void *library;
	char *(*readline)(const char *prompt);
	int (*add_history)(const char *line);
	char **(*rl_completion_matches)(const char *text, generator *next);
	char **(**rl_attempted_completion_function)(const char *text, int start, int end);
	int *rl_attempted_completion_over;
	const char **rl_basic_word_break_characters;
	char **rl_line_buffer;

	sv_editor_words *words;
	void *owner;
	char **found; /* of the completion under way */
	char *history;
} ed;

/* ---- completion ------------------------------------------------------------------ */

/* The next of those that `text` begins. */
static char *next_match(const char *text, int state)
{
	static size_t at;

	if (state == 0)
		at = 0;
	while (ed.found[at]) {
		const char *word = ed.found[at++];
		if (strncmp(word, text, strlen(text)) == 0)
			return mem_str(word);
	}
	return NULL;
}

static char **complete(const char *text, int start, int end)
{
	char *line = mem_new((size_t)start + 1);

	(void)end;
	memcpy(line, *ed.rl_line_buffer, (size_t)start);
	ed.found = ed.words(ed.owner, line, text);
	char **matches = ed.rl_completion_matches(text, next_match);
	*ed.rl_attempted_completion_over = 1; /* no names of files */
	words_free(ed.found);
	free(line);
	return matches;
}

/* ---- the library ------------------------------------------------------------------ */

static bool find(const char *name, void *into)
{
	void *at = dlsym(ed.library, name);

	memcpy(into, &at, sizeof(at));
	return at != NULL;
}

#define FIND(name) find(#name, &ed.name)

static bool find_all(void)
{
	return ed.library && FIND(readline) && FIND(add_history) && FIND(rl_completion_matches) &&
	       FIND(rl_attempted_completion_function) && FIND(rl_attempted_completion_over) &&
	       FIND(rl_basic_word_break_characters) && FIND(rl_line_buffer);
}

static void load(void)
{
	static const char *const names[] = { "libedit.so.2", "libedit.so.0" };

	for (size_t i = 0; !ed.library && i < sizeof(names) / sizeof(names[0]); i++)
		ed.library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (find_all()) {
		*ed.rl_attempted_completion_function = complete;
		*ed.rl_basic_word_break_characters = " \t\n";
	} else if (ed.library) {
		dlclose(ed.library);
		ed.library = NULL;
	}
}

/* ---- history ------------------------------------------------------------------------ */

static void cut_history(char **lines, size_t from)
{
	FILE *out = fopen(ed.history, "we");

	for (; out && lines[from]; from++)
		fprintf(out, "%s\n", lines[from]);
	if (out)
		fclose(out);
}

static void read_history(void)
{
	char **lines = mem_new(sizeof(*lines)), *line = NULL;
	FILE *in = fopen(ed.history, "re");
	size_t size = 0;

	while (in && getline(&line, &size, in) >= 0) {
		line[strcspn(line, "\n")] = '\0';
		lines = words_add(lines, line);
	}
	size_t count = words_count(lines), from = count > HISTORY ? count - HISTORY : 0;
	for (char **at = lines + from; *at; at++)
		ed.add_history(*at);
	if (from)
		cut_history(lines, from);
	if (in)
		fclose(in);
	free(line);
	words_free(lines);
}

/* At once, so that nothing is lost when a signal ends us. */
static void remember(const char *line)
{
	ed.add_history(line);
	int fd =
		ed.history ? open(ed.history, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
	if (fd < 0)
		return;
	dprintf(fd, "%s\n", line);
	close(fd);
}

/* As a shell would find it. */
static char *path_of(const char *history)
{
	const char *home = getenv("HOME");
	char *path;

	if (strncmp(history, "~/", 2) != 0 || !home)
		return mem_str(history);
	return asprintf(&path, "%s%s", home, history + 1) < 0 ? NULL : path;
}

/* ---- what others call ----------------------------------------------------------------- */

void sv_editor_open(const char *history, sv_editor_words *words, void *owner)
{
	ed.words = words;
	ed.owner = owner;
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return;
	load();
	if (!ed.library || !history || !*history)
		return;
	ed.history = path_of(history);
	read_history();
}

/* The library stays: what it has allocated would be lost with its image. */
void sv_editor_close(void)
{
	free(ed.history);
	memset(&ed, 0, sizeof(ed));
}

char *sv_editor_line(const char *prompt)
{
	char *line = NULL;
	size_t size = 0;

	if (ed.library) {
		line = ed.readline(prompt);
		if (line && *line)
			remember(line);
		return line;
	}
	fputs(prompt, stdout);
	fflush(stdout);
	if (getline(&line, &size, stdin) < 0) {
		free(line);
		return NULL;
	}
	line[strcspn(line, "\n")] = '\0';
	return line;
}
