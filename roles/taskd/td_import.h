/* td_import - `troupe import-config PATH`: swoole-task's files become an ini. */
#pragma once

struct conf_section;

int td_import_main(const struct conf_section *sections, int argc, char **argv);
