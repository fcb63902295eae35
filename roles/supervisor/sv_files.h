/*
 * sv_files - programs that are restarted, or told by their reload_signal, when a file changes:
 * `watch`. The folders of the patterns are watched, as they are when the configuration is read; a
 * change is acted on when there was none for 200 ms.
 */
#pragma once

struct sv;

/* By the setup that is in force now. */
void sv_files_look(struct sv *sv);
void sv_files_close(struct sv *sv);
