#include "roles/jobd/jd_unserialize.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/jsontext.h"
#include "core/base/mem.h"
#include "core/base/utf8.h"

enum { SLOTS_MOST = 1 << 20 };

struct reading {
	const char *begin, *p, *end;
	struct json_out *out;
	size_t most;
	size_t *slots; /* where each value begins: what r and R speak of, from 1 */
	size_t n_slots, room;
	int depth;
	bool again; /* a value that was there before: it gets no slot */
	struct err *err;
};

struct text {
	const char *p;
	size_t n;
};

static int read_value(struct reading *r);

static int wrong(struct reading *r, const char *what)
{
	return err_set(r->err, ERR_PROTO, "%s at byte %zu", what, (size_t)(r->p - r->begin));
}

/* ---- pieces ----------------------------------------------------------------------------- */

static int expect(struct reading *r, char c)
{
	if (r->p == r->end || *r->p != c)
		return wrong(r, "not what serialize() writes");
	r->p++;
	return 0;
}

/* Up to the mark, which is passed over. */
static int take_until(struct reading *r, char mark, struct text *t)
{
	const char *stop = memchr(r->p, mark, (size_t)(r->end - r->p));

	if (!stop)
		return wrong(r, "cut off");
	*t = (struct text){ r->p, (size_t)(stop - r->p) };
	r->p = stop + 1;
	return 0;
}

static bool is_integer(struct text t)
{
	size_t at = t.n && (*t.p == '-' || *t.p == '+');

	if (at == t.n || t.n > 20)
		return false;
	for (; at < t.n; at++)
		if (t.p[at] < '0' || t.p[at] > '9')
			return false;
	return true;
}

static int take_length(struct reading *r, char mark, size_t *n)
{
	struct text t;
	int rc = take_until(r, mark, &t);

	if (rc != 0)
		return rc;
	if (!is_integer(t) || *t.p == '-' || *t.p == '+' || t.n > 10)
		return wrong(r, "no length");
	*n = strtoul(t.p, NULL, 10);
	return 0;
}

/* "..." of n bytes */
static int take_quoted(struct reading *r, size_t n, struct text *t)
{
	int rc = expect(r, '"');

	if (rc != 0)
		return rc;
	if (n > (size_t)(r->end - r->p))
		return wrong(r, "a length beyond the end");
	*t = (struct text){ r->p, n };
	r->p += n;
	return expect(r, '"');
}

static int take_string(struct reading *r, struct text *t)
{
	size_t n = 0;
	int rc = take_length(r, ':', &n);

	return rc != 0 ? rc : take_quoted(r, n, t);
}

static int put_string(struct reading *r, struct text t)
{
	if (!utf8_is(t.p, t.n))
		return wrong(r, "a string that is not UTF-8 ends");
	json_put_string(r->out, t.p, t.n);
	return 0;
}

/* ---- scalars ------------------------------------------------------------------------------ */

static int read_bool(struct reading *r)
{
	struct text t;
	int rc = take_until(r, ';', &t);

	if (rc != 0)
		return rc;
	if (t.n != 1 || (*t.p != '0' && *t.p != '1'))
		return wrong(r, "neither true nor false");
	json_puts(r->out, *t.p == '1' ? "true" : "false");
	return 0;
}

static int put_integer(struct reading *r, struct text t)
{
	if (!is_integer(t))
		return wrong(r, "no integer");
	json_printf(r->out, "%lld", strtoll(t.p, NULL, 10));
	return 0;
}

static int read_integer(struct reading *r)
{
	struct text t;
	int rc = take_until(r, ';', &t);

	return rc != 0 ? rc : put_integer(r, t);
}

/* INF and NAN are nothing that JSON has. */
static int read_double(struct reading *r)
{
	struct text t;
	struct json number;
	int rc = take_until(r, ';', &t);

	if (rc != 0)
		return rc;
	if ((t.n == 3 && (memcmp(t.p, "INF", 3) == 0 || memcmp(t.p, "NAN", 3) == 0)) ||
	    (t.n == 4 && memcmp(t.p, "-INF", 4) == 0)) {
		json_puts(r->out, "null");
		return 0;
	}
	if (json_read(&number, t.p, t.n, NULL) != 0 || number.kind != JSON_NUMBER)
		return wrong(r, "no number");
	json_put(r->out, number.p, number.n);
	return 0;
}

static int read_string(struct reading *r)
{
	struct text t;
	int rc = take_string(r, &t);

	if (rc == 0)
		rc = put_string(r, t);
	return rc != 0 ? rc : expect(r, ';');
}

/* E:n:"Class:Case"; */
static int read_enum(struct reading *r)
{
	struct text t;
	int rc = take_string(r, &t);

	if (rc != 0)
		return rc;
	const char *colon = memchr(t.p, ':', t.n);
	if (colon)
		t = (struct text){ colon + 1, t.n - (size_t)(colon + 1 - t.p) };
	rc = put_string(r, t);
	return rc != 0 ? rc : expect(r, ';');
}

/* ---- what has parts -------------------------------------------------------------------------- */

/* Protected: \0*\0name, private: \0Class\0name. */
static struct text plain_name(struct text t)
{
	const char *stop = t.n && !*t.p ? memchr(t.p + 1, '\0', t.n - 1) : NULL;

	return stop ? (struct text){ stop + 1, t.n - (size_t)(stop + 1 - t.p) } : t;
}

static int read_key(struct reading *r)
{
	struct text t;
	char kind = r->p < r->end ? *r->p : '\0';
	int rc = kind == 'i' || kind == 's' ? 0 : wrong(r, "no key");

	r->p += rc == 0;
	if (rc == 0)
		rc = expect(r, ':');
	if (rc == 0 && kind == 'i') {
		rc = take_until(r, ';', &t);
		json_puts(r->out, "\"");
		if (rc == 0)
			rc = put_integer(r, t);
		json_puts(r->out, "\"");
	} else if (rc == 0) {
		rc = take_string(r, &t);
		if (rc == 0)
			rc = put_string(r, plain_name(t));
		if (rc == 0)
			rc = expect(r, ';');
	}
	return rc;
}

/* Whether the next key is the integer n; it is passed over then. */
static bool is_key(struct reading *r, size_t n)
{
	char want[32];
	int len = snprintf(want, sizeof(want), "i:%zu;", n);

	if ((size_t)(r->end - r->p) < (size_t)len || memcmp(r->p, want, (size_t)len) != 0)
		return false;
	r->p += len;
	return true;
}

/* Those from the i-th on, and the end of the map. */
static int read_members(struct reading *r, size_t i, size_t n)
{
	int rc = 0;

	for (; i < n && rc == 0; i++) {
		if (i)
			json_puts(r->out, ",");
		rc = read_key(r);
		json_puts(r->out, ":");
		if (rc == 0)
			rc = read_value(r);
	}
	json_puts(r->out, "}");
	return rc;
}

static int read_map(struct reading *r, size_t n)
{
	json_puts(r->out, "{");
	return read_members(r, 0, n);
}

/* What was written as a list of n, its elements at `marks`, becomes the beginning of a map. */
static void make_map(struct reading *r, size_t start, const size_t *marks, size_t n)
{
	struct json_out map = { .p = NULL };
	size_t end = r->out->n;

	json_puts(&map, "{");
	for (size_t i = 0; i < n; i++) {
		size_t stop = i + 1 < n ? marks[i + 1] - 1 : end; /* without its comma */
		json_printf(&map, "%s\"%zu\":", i ? "," : "", i);
		json_put(&map, r->out->p + marks[i], stop - marks[i]);
	}
	r->out->n = start;
	json_put(r->out, map.p, map.n);
	json_out_fini(&map);
}

/* As long as its keys are 0, 1, 2 ... it is one. */
static int read_list(struct reading *r, size_t n)
{
	size_t start = r->out->n, i = 0, room = 0, *marks = NULL;
	int rc = 0;

	json_puts(r->out, "[");
	for (; i < n && rc == 0 && is_key(r, i); i++) {
		if (i)
			json_puts(r->out, ",");
		if (i == room) {
			room = room ? 2 * room : 16;
			marks = mem_resize(marks, room * sizeof(*marks));
		}
		marks[i] = r->out->n;
		rc = read_value(r);
	}
	if (rc == 0 && i < n) {
		make_map(r, start, marks, i);
		rc = read_members(r, i, n);
	} else {
		json_puts(r->out, "]");
	}
	free(marks);
	return rc;
}

static int read_parts(struct reading *r, bool list)
{
	size_t n = 0;
	int rc = take_length(r, ':', &n);

	if (rc == 0)
		rc = expect(r, '{');
	if (rc == 0 && n > (size_t)(r->end - r->p))
		return wrong(r, "more parts than bytes");
	if (rc == 0)
		rc = list ? read_list(r, n) : read_map(r, n);
	return rc != 0 ? rc : expect(r, '}');
}

static int read_object(struct reading *r)
{
	struct text name;
	int rc = take_string(r, &name);

	if (rc == 0)
		rc = expect(r, ':');
	return rc != 0 ? rc : read_parts(r, false);
}

/* ---- what was there before ----------------------------------------------------------------------
 */

/* It is read once more, where it stands. One within itself ends at the depth's limit. */
static int read_reference(struct reading *r)
{
	struct text t;
	bool again = r->again;
	int rc = take_until(r, ';', &t);

	if (rc != 0)
		return rc;
	size_t n = is_integer(t) ? strtoul(t.p, NULL, 10) : 0;
	if (!n || n > r->n_slots)
		return wrong(r, "a reference to what is not there");
	const char *p = r->p;
	r->p = r->begin + r->slots[n - 1];
	r->again = true;
	rc = read_value(r);
	r->again = again;
	if (rc == 0)
		r->p = p;
	return rc;
}

static int add_slot(struct reading *r)
{
	if (r->n_slots >= SLOTS_MOST)
		return wrong(r, "too many values");
	if (r->n_slots == r->room) {
		r->room = r->room ? 2 * r->room : 64;
		r->slots = mem_resize(r->slots, r->room * sizeof(*r->slots));
	}
	r->slots[r->n_slots++] = (size_t)(r->p - r->begin);
	return 0;
}

static int read_kind(struct reading *r, char kind)
{
	switch (kind) {
	case 'b':
		return read_bool(r);
	case 'i':
		return read_integer(r);
	case 'd':
		return read_double(r);
	case 's':
		return read_string(r);
	case 'E':
		return read_enum(r);
	case 'a':
		return read_parts(r, true);
	case 'O':
		return read_object(r);
	case 'r':
	case 'R':
		return read_reference(r);
	default:
		return wrong(r, "a kind of value that is not read");
	}
}

static int read_value(struct reading *r)
{
	int rc = 0;

	if (r->p == r->end)
		return wrong(r, "cut off");
	char kind = *r->p;
	if (r->depth >= JD_UNSERIALIZE_DEPTH)
		return wrong(r, "too deep");
	if (r->out->n > r->most)
		return wrong(r, "too long");
	if (!r->again && kind != 'R')
		rc = add_slot(r);
	if (rc != 0)
		return rc;
	r->p++;
	if (kind == 'N') {
		json_puts(r->out, "null");
		return expect(r, ';');
	}
	rc = expect(r, ':');
	r->depth++;
	if (rc == 0)
		rc = read_kind(r, kind);
	r->depth--;
	return rc;
}

bool jd_is_serialized(const char *text, size_t n)
{
	return n >= 2 && ((strchr("bidsaOE", *text) && *text && text[1] == ':') ||
			  (*text == 'N' && text[1] == ';'));
}

int jd_unserialize(const char *text, size_t n, size_t most, struct json_out *out, struct err *err)
{
	struct reading r = {
		.begin = text, .p = text, .end = text + n, .out = out, .most = most, .err = err
	};
	int rc = read_value(&r);

	if (rc == 0 && r.p != r.end)
		rc = wrong(&r, "more than one value");
	if (rc == 0 && out->n > most)
		rc = wrong(&r, "too long");
	free(r.slots);
	return rc;
}
