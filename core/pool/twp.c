#include "core/pool/twp.h"

#include <string.h>

#include "core/base/err.h"

/*
 * The fixed words of each verb: i id, t topic, n number, l length of a body; in capitals: may be
 * left out. R: the rest of the line.
 */
static const struct verb {
	const char *name;
	const char *words;
	enum twp_side from;
} verbs[] = {
	[TWP_HELLO] = { "HELLO", "t", TWP_MANAGER },
	[TWP_JOB] = { "JOB", "itnl", TWP_MANAGER },
	[TWP_CANCEL] = { "CANCEL", "iR", TWP_MANAGER },
	[TWP_PING] = { "PING", "n", TWP_MANAGER },
	[TWP_OK] = { "OK", "ni", TWP_MANAGER },
	[TWP_ERR] = { "ERR", "nR", TWP_MANAGER },
	[TWP_QUIT] = { "QUIT", "", TWP_MANAGER },
	[TWP_READY] = { "READY", "n", TWP_WORKER },
	[TWP_ACK] = { "ACK", "iL", TWP_WORKER },
	[TWP_FAIL] = { "FAIL", "il", TWP_WORKER },
	[TWP_RELEASE] = { "RELEASE", "i", TWP_WORKER },
	[TWP_TOUCH] = { "TOUCH", "iN", TWP_WORKER },
	[TWP_PROGRESS] = { "PROGRESS", "inl", TWP_WORKER },
	[TWP_LOG] = { "LOG", "tl", TWP_WORKER },
	[TWP_PUSH] = { "PUSH", "tl", TWP_WORKER },
	[TWP_DATA] = { "DATA", "il", TWP_WORKER },
	[TWP_BYE] = { "BYE", "", TWP_WORKER },
	[TWP_PONG] = { "PONG", "n", TWP_WORKER },
};

enum { VERBS = sizeof(verbs) / sizeof(verbs[0]), DIGITS = 18 };

const char *twp_verb_name(enum twp_verb v)
{
	return (unsigned)v < VERBS ? verbs[v].name : "?";
}

bool twp_is(struct twp_word w, const char *text)
{
	return w.at && strlen(text) == w.n && memcmp(w.at, text, w.n) == 0;
}

/* ---- frames in ----------------------------------------------------------------- */

static bool number_of(struct twp_word w, int64_t *out)
{
	int64_t n = 0;

	if (!w.n || w.n > DIGITS)
		return false;
	for (size_t i = 0; i < w.n; i++) {
		if (w.at[i] < '0' || w.at[i] > '9')
			return false;
		n = n * 10 + (w.at[i] - '0');
	}
	*out = n;
	return true;
}

/* The next word of the line, which loses it; words are one space apart. false: there is none. */
static bool take_word(struct twp_word *line, struct twp_word *word)
{
	if (!line->at)
		return false;
	const char *space = memchr(line->at, ' ', line->n);
	size_t n = space ? (size_t)(space - line->at) : line->n;

	*word = (struct twp_word){ line->at, n };
	line->at = space ? space + 1 : NULL;
	line->n = space ? line->n - n - 1 : 0;
	return true;
}

static enum twp_verb verb_of(struct twp_word name, enum twp_side from)
{
	for (int v = 0; v < VERBS; v++)
		if (verbs[v].from == from && twp_is(name, verbs[v].name))
			return (enum twp_verb)v;
	return TWP_UNKNOWN;
}

static bool is_opt(struct twp_word w)
{
	return memchr(w.at, '=', w.n) != NULL;
}

/* One fixed word. */
static const char *fill(struct twp_frame *f, char kind, struct twp_word w)
{
	int64_t n;

	if (!w.n)
		return "two spaces, or one at the end of a line";
	switch (kind) {
	case 'i':
		f->id = w;
		return NULL;
	case 't':
		f->topic = w;
		return NULL;
	case 'n':
		return number_of(w, &f->number) ? NULL : "a word that should be a number";
	default:
		if (!number_of(w, &n))
			return "a length that is no number";
		f->body = (struct twp_word){ w.at, (size_t)n };
		return NULL;
	}
}

static const char *take_opts(struct twp_frame *f, struct twp_word line)
{
	struct twp_word w;

	while (take_word(&line, &w)) {
		const char *eq = memchr(w.at, '=', w.n);
		if (!eq || eq == w.at)
			return "a word too many, that is no key=value";
		if (f->n_opts == TWP_OPTS)
			return "more than 16 options";
		struct twp_opt *o = &f->opts[f->n_opts++];
		o->key = (struct twp_word){ w.at, (size_t)(eq - w.at) };
		o->value = (struct twp_word){ eq + 1, w.n - o->key.n - 1 };
	}
	return NULL;
}

/* f->body.n is the length then. */
static const char *take_line(struct twp_frame *f, enum twp_side from, struct twp_word line)
{
	struct twp_word w, rest;
	const char *why;

	take_word(&line, &w);
	f->verb = verb_of(w, from);
	if (f->verb == TWP_UNKNOWN)
		return from == TWP_MANAGER ? NULL : "an unknown verb";
	for (const char *kind = verbs[f->verb].words; *kind; kind++) {
		bool must = *kind >= 'a';
		if (*kind == 'R') {
			f->text = line;
			return NULL;
		}
		rest = line;
		if (!take_word(&line, &w)) {
			if (must)
				return "a word too few";
			continue;
		}
		if (!must && is_opt(w)) { /* it was left out */
			line = rest;
			continue;
		}
		why = fill(f, (char)(*kind | 0x20), w);
		if (why)
			return why;
	}
	return take_opts(f, line);
}

static const char *bad_byte(struct twp_word line)
{
	for (size_t i = 0; i < line.n; i++)
		if ((unsigned char)line.at[i] < 0x20 || line.at[i] == 0x7f)
			return "a control character in a line";
	return line.n ? NULL : "an empty line";
}

long twp_read(struct twp_frame *f, enum twp_side from, struct twp_word data, size_t max,
	      const char **why)
{
	size_t look = data.n < TWP_LINE ? data.n : TWP_LINE;
	const char *lf = look ? memchr(data.at, '\n', look) : NULL;
	struct twp_word line = { data.at, lf ? (size_t)(lf - data.at) : look };

	*f = (struct twp_frame){ .number = -1 };
	if (!lf && look < TWP_LINE) /* garbage need not be waited for */
		return line.n && (*why = bad_byte(line)) ? ERR_PROTO : 0;
	*why = lf ? bad_byte(line) : "a line of more than 4096 bytes";
	if (!*why)
		*why = take_line(f, from, line);
	if (*why)
		return ERR_PROTO;
	size_t used = line.n + 1;
	if (!f->body.at)
		return (long)used;
	if (f->body.n > max) {
		*why = "a body longer than the agreed maximum";
		return ERR_PROTO;
	}
	f->need = used + f->body.n + 1;
	if (data.n < f->need)
		return 0;
	f->body.at = data.at + used;
	if (f->body.at[f->body.n] != '\n') {
		*why = "no end of line behind a body";
		return ERR_PROTO;
	}
	return (long)f->need;
}

/* ---- options ---------------------------------------------------------------------- */

struct twp_word twp_opt(const struct twp_frame *f, const char *key)
{
	for (int i = 0; i < f->n_opts; i++)
		if (twp_is(f->opts[i].key, key))
			return f->opts[i].value;
	return (struct twp_word){ 0 };
}

int64_t twp_opt_number(const struct twp_frame *f, const char *key, int64_t none)
{
	struct twp_word w = twp_opt(f, key);
	int64_t n;

	return w.at && number_of(w, &n) ? n : none;
}

static int hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

long twp_decode(struct twp_word value, char *into, size_t room)
{
	size_t n = 0;

	for (size_t i = 0; i < value.n; i++) {
		int c = (unsigned char)value.at[i];
		if (c == '%') {
			int high = i + 2 < value.n ? hex(value.at[i + 1]) : -1;
			int low = i + 2 < value.n ? hex(value.at[i + 2]) : -1;
			c = high < 0 || low < 0 ? 0 : high * 16 + low;
			i += 2;
		}
		if (!c || n + 1 >= room)
			return -1;
		into[n++] = (char)c;
	}
	if (!room)
		return -1;
	into[n] = '\0';
	return (long)n;
}

/* ---- lines out ---------------------------------------------------------------------- */

static void add(struct twp_line *l, const char *s, size_t n)
{
	if (l->n + n >= TWP_LINE) { /* the last one is the LF's */
		l->cut = true;
		return;
	}
	memcpy(l->text + l->n, s, n);
	l->n += n;
}

void twp_begin(struct twp_line *l, enum twp_verb v)
{
	l->n = 0;
	l->cut = false;
	add(l, verbs[v].name, strlen(verbs[v].name));
}

void twp_put(struct twp_line *l, const char *word)
{
	add(l, " ", 1);
	add(l, word, strlen(word));
}

static void add_number(struct twp_line *l, int64_t n)
{
	char text[24], *at = text + sizeof(text);
	uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;

	do {
		*--at = (char)('0' + left % 10);
		left /= 10;
	} while (left);
	if (n < 0)
		*--at = '-';
	add(l, at, (size_t)(text + sizeof(text) - at));
}

void twp_put_number(struct twp_line *l, int64_t n)
{
	add(l, " ", 1);
	add_number(l, n);
}

static bool is_plain(unsigned char c)
{
	return c > 0x20 && c < 0x7f && c != '%' && c != '=';
}

void twp_put_opt(struct twp_line *l, const char *key, const char *value)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t before = l->n;

	add(l, " ", 1);
	add(l, key, strlen(key));
	add(l, "=", 1);
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;
		char code[3] = { '%', digits[c >> 4], digits[c & 15] };
		if (is_plain(c))
			add(l, value, 1);
		else
			add(l, code, 3);
	}
	if (l->cut) /* all of it or nothing */
		l->n = before;
}

void twp_put_opt_number(struct twp_line *l, const char *key, int64_t n)
{
	add(l, " ", 1);
	add(l, key, strlen(key));
	add(l, "=", 1);
	add_number(l, n);
}

void twp_put_text(struct twp_line *l, const char *text)
{
	add(l, " ", 1);
	for (; *text; text++)
		add(l, (unsigned char)*text < 0x20 || *text == 0x7f ? " " : text, 1);
}

void twp_end(struct twp_line *l)
{
	l->text[l->n++] = '\n';
}
