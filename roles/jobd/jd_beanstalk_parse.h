/*
 * jd_beanstalk_parse - a line of beanstalkd's protocol (its doc/protocol.txt, 1.13).
 *
 *	VERB [NUMBER | TUBE]... CR LF
 *
 * Pure: bytes in, a struct out. What beanstalkd tells apart is told apart here as there: a word
 * that begins as a verb does but goes on otherwise is BAD_FORMAT, any other UNKNOWN_COMMAND. Where
 * its program reads numbers more loosely than its text says (kick 5x), the text counts.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JD_BS_LINE = 224, JD_BS_TUBE = 200 }; /* with CR LF; of a name */

/* In the order in which `stats` tells of them, as far as it does. */
enum jd_bs_verb {
	JD_BS_PUT,
	JD_BS_PEEK,
	JD_BS_PEEK_READY,
	JD_BS_PEEK_DELAYED,
	JD_BS_PEEK_BURIED,
	JD_BS_RESERVE,
	JD_BS_RESERVE_WITH_TIMEOUT,
	JD_BS_DELETE,
	JD_BS_RELEASE,
	JD_BS_USE,
	JD_BS_WATCH,
	JD_BS_IGNORE,
	JD_BS_BURY,
	JD_BS_KICK,
	JD_BS_TOUCH,
	JD_BS_STATS,
	JD_BS_STATS_JOB,
	JD_BS_STATS_TUBE,
	JD_BS_LIST_TUBES,
	JD_BS_LIST_TUBE_USED,
	JD_BS_LIST_TUBES_WATCHED,
	JD_BS_PAUSE_TUBE,
	JD_BS_KICK_JOB,
	JD_BS_RESERVE_JOB,
	JD_BS_QUIT,
	/* what is no command */
	JD_BS_UNKNOWN,
	JD_BS_BAD,
	JD_BS_TOO_LONG, /* bad, and its end is to be looked for: jd_bs_skip */
	JD_BS_VERBS,
};

struct jd_bs_command {
	enum jd_bs_verb verb;
	uint64_t id;
	uint32_t pri, delay, ttr;
	uint32_t n;       /* put: bytes of its body; kick: how many */
	int64_t timeout;  /* seconds; less than 0: none */
	const char *name; /* a tube's, where it was read; no 0 behind it */
	size_t name_n;
};

/* Bytes of the line; 0: it is not there as a whole. */
size_t jd_bs_parse(struct jd_bs_command *c, const char *data, size_t n);

/* Bytes that go of a line that was too long; *ended: its end was among them. */
size_t jd_bs_skip(const char *data, size_t n, bool *ended);

/* As the protocol spells it. */
const char *jd_bs_verb_name(enum jd_bs_verb verb);
