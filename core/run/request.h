/* request - the words of a command as one line of JSON, and back: ["log-level","debug"]. */
#pragma once

/* With its newline; the caller's to free. */
char *request_text(int argc, char *const *argv);

/* *argv: NULL-terminated; request_free frees it. -1: not an array of 1 to 64 strings. */
int request_parse(const char *text, int *argc, char ***argv);
void request_free(char **argv);
