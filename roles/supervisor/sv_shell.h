/* sv_shell - supervisorctl's prompt: lines of standard input, until its end or quit. */
#pragma once

struct sv_client;

/* history: the file that keeps what was typed at a terminal; NULL: none. */
void sv_shell_run(struct sv_client *c, const char *prompt, const char *history);
