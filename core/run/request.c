#include "core/run/request.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"

enum { WORDS_MAX = 64 };

char *request_text(int argc, char *const *argv)
{
	json_t *array = json_array();
	char *line;

	for (int i = 0; i < argc; i++)
		json_array_append_new(array, json_stringn_nocheck(argv[i], strlen(argv[i])));
	char *text = json_dumps(array, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(array);
	if (asprintf(&line, "%s\n", text ? text : "[]") < 0)
		abort();
	free(text);
	return line;
}

static char **words_of(const json_t *array)
{
	size_t n = json_array_size(array);
	char **words = mem_new((n + 1) * sizeof(*words));

	for (size_t i = 0; i < n; i++) {
		const char *word = json_string_value(json_array_get(array, i));

		if (!word) {
			request_free(words);
			return NULL;
		}
		words[i] = mem_str(word);
	}
	return words;
}

int request_parse(const char *text, int *argc, char ***argv)
{
	json_t *array = json_loads(text, 0, NULL);
	size_t n = json_array_size(array);
	char **words = n >= 1 && n <= WORDS_MAX ? words_of(array) : NULL;

	json_decref(array);
	if (!words)
		return -1;
	*argc = (int)n;
	*argv = words;
	return 0;
}

void request_free(char **argv)
{
	for (char **word = argv; *word; word++)
		free(*word);
	free(argv);
}
