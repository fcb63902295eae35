/*
 * twp - TWP/1, the troupe worker protocol, as bytes: frames out of a stream, lines into one.
 *
 *	VERB word word key=value ... LF			at most 4096 bytes, LF included
 *	VERB word ... LENGTH key=value ... LF body LF	where the last fixed word is a length
 *
 * Values are percent-encoded. One reader for both sides: who manages and who works. It copies
 * nothing and keeps nothing: bytes that are not yet a whole frame are given again with those that
 * follow.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TWP_LINE = 4096, TWP_OPTS = 16 };

enum twp_side { TWP_MANAGER, TWP_WORKER };

enum twp_verb {
	/* from the manager */
	TWP_HELLO,  /* twp/1 role= pool= worker= credit= max= hb= */
	TWP_JOB,    /* id topic number(attempt) body [deadline= enq= type= prio= sync= ...] */
	TWP_CANCEL, /* id [text] */
	TWP_PING,   /* number */
	TWP_OK,     /* number id */
	TWP_ERR,    /* number text */
	TWP_QUIT,
	/* from the worker */
	TWP_READY,    /* number(credit) [caps=] */
	TWP_ACK,      /* id [body] */
	TWP_FAIL,     /* id body [retry= delay=] */
	TWP_RELEASE,  /* id [delay=] */
	TWP_TOUCH,    /* id [number(ms)] */
	TWP_PROGRESS, /* id number(per cent) body */
	TWP_LOG,      /* topic(level) body */
	TWP_PUSH,     /* topic body [delay= prio= uniq= after= ref= on=] */
	TWP_DATA,     /* id body */
	TWP_BYE,
	TWP_PONG, /* number */
	/* from the manager, and newer than we: to be skipped */
	TWP_UNKNOWN,
};

/* Not zero-terminated. */
struct twp_word {
	const char *at; /* NULL: there is none */
	size_t n;
};

struct twp_opt {
	struct twp_word key, value; /* value: still encoded */
};

struct twp_frame {
	enum twp_verb verb;
	struct twp_word id, topic, text;
	int64_t number; /* -1: there is none */
	struct twp_word body;
	struct twp_opt opts[TWP_OPTS];
	int n_opts;
	size_t need; /* when it is not whole: its bytes, as far as they are known by now; 0: not */
};

/*
 * The frame at the beginning of data, sent by `from`. max: bytes of a body. Returns how many bytes
 * it has; 0: it is not whole yet; ERR_PROTO: these bytes are no frame, *why says in what way (a
 * constant).
 */
long twp_read(struct twp_frame *f, enum twp_side from, struct twp_word data, size_t max,
	      const char **why);

const char *twp_verb_name(enum twp_verb v);

/* NULL at: it has no such option. */
struct twp_word twp_opt(const struct twp_frame *f, const char *key);

/* A decimal number of that option; `none` when it is not there or no number. */
int64_t twp_opt_number(const struct twp_frame *f, const char *key, int64_t none);

/* The decoded text of a value, zero-terminated. Returns its length, or -1: too long, badly encoded,
 * or with a zero byte in it. */
long twp_decode(struct twp_word value, char *into, size_t room);

bool twp_is(struct twp_word w, const char *text);

/* ---- lines out ------------------------------------------------------------------- */

/* A line in the making; what does not fit is left out, and `cut` says so. */
struct twp_line {
	size_t n;
	bool cut;
	char text[TWP_LINE];
};

void twp_begin(struct twp_line *l, enum twp_verb v);
void twp_put(struct twp_line *l, const char *word); /* as it is */
void twp_put_number(struct twp_line *l, int64_t n);
void twp_put_opt(struct twp_line *l, const char *key, const char *value);
void twp_put_opt_number(struct twp_line *l, const char *key, int64_t n);
/* Text up to the end of the line; what would break the line becomes a space. */
void twp_put_text(struct twp_line *l, const char *text);
void twp_end(struct twp_line *l);
