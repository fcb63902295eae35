/* df_cli - what dfsd does from the command line, without a node. */
#pragma once

struct conf_section;

/* troupe dfs WORDS: what is not said here is said to the role. */
int df_cli_front(const struct conf_section *sections, int argc, char **argv);

int df_cli_keygen(int argc, char **argv);

/* df_sync.c: one folder becomes as another one is, once. */
int df_cli_sync(int argc, char **argv);
