/*
 * sv_editor - a line that a person types: moving about in it, completion, and what was typed
 * before.
 *
 * By libedit, looked for when it is needed: where there is none, or no terminal, lines are read as
 * they come. The history is a file of plain lines, which supervisord's own supervisorctl reads too.
 */
#pragma once

/* All words that may stand where `word` begins, at `line`'s end; not only those that it begins. An
 * array that ends with NULL, the editor's to free. */
typedef char **sv_editor_words(void *owner, const char *line, const char *word);

/* One at a time. history NULL: none. Ends with sv_editor_close. */
void sv_editor_open(const char *history, sv_editor_words *words, void *owner);
void sv_editor_close(void);

/* Without its newline, the caller's to free; NULL: that was the last. */
char *sv_editor_line(const char *prompt);
