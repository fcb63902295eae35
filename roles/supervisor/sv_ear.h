/*
 * sv_ear - what an event listener says, byte by byte (supervisord.org/events.html).
 *
 *	ACKNOWLEDGED -- "READY\n" --> READY -- sv_ear_ask --> BUSY -- "RESULT 2\nOK" -->
 *ACKNOWLEDGED anything else at any time --> UNKNOWN, for good
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum sv_ear_state { SV_EAR_ACKNOWLEDGED, SV_EAR_READY, SV_EAR_BUSY, SV_EAR_UNKNOWN };

enum sv_ear_said {
	SV_EAR_NOTHING, /* all bytes are taken */
	SV_EAR_IS_READY,
	SV_EAR_OK,
	SV_EAR_FAIL, /* whatever is not OK */
	SV_EAR_NONSENSE,
};

struct sv_ear {
	enum sv_ear_state state;

	/* private */
	char line[32]; /* as much of it as is complete */
	size_t n;
	bool counting; /* a result's own bytes */
	size_t length, got;
	char result[2];
};

/* The next thing that was said; takes what it needs from the front. */
enum sv_ear_said sv_ear_hear(struct sv_ear *e, const char **at, size_t *n);

/* READY: an event was sent. */
void sv_ear_ask(struct sv_ear *e);
