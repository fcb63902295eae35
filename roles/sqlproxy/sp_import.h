/*
 * sp_import - `troupe sqlproxy import-smproxy DIR [OUT]`: SMProxy's JSON files as an ini for us.
 *
 * Every *.json of DIR is read and merged, in the order of their names, as SMProxy does. What has no
 * equal here stands in the result as a comment with the reason; nothing is dropped in silence.
 *
 * SMProxy's numbers may be PHP expressions ("swoole_cpu_num()*2"). They are read by a little
 * calculator, never run as code. Its maxConns is shared out among its workers; ours is a total for
 * all of them, so the number in the file is taken as it stands.
 */
#pragma once

#include <stdbool.h>

/* argv[1]: DIR, argv[2]: OUT, a file that must not exist yet; stdout without. Exit status. */
int sp_import_main(int argc, char **argv);

/*
 * Works out numbers, + - * / and parentheses, and swoole_cpu_num(), which is `cpus`. The result
 * is rounded down, as SMProxy does. False when it is anything else, or outside 0..1e9.
 */
bool sp_import_number(const char *text, long cpus, long *number);
