#include "roles/supervisor/sv_ear.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

enum { LENGTH_DIGITS = 9 };

static const char ready[] = "READY\n", result[] = "RESULT ";

static enum sv_ear_said nonsense(struct sv_ear *e)
{
	e->state = SV_EAR_UNKNOWN;
	return SV_EAR_NONSENSE;
}

static enum sv_ear_said hear_ready(struct sv_ear *e, char c)
{
	if (c != ready[e->n])
		return nonsense(e);
	if (++e->n < sizeof(ready) - 1)
		return SV_EAR_NOTHING;
	*e = (struct sv_ear){ .state = SV_EAR_READY };
	return SV_EAR_IS_READY;
}

/* Blanks may stand around the number, as Python's int() has it. */
static bool read_length(const char *text, size_t *length)
{
	size_t n = 0;
	int digits = 0;

	while (isspace((unsigned char)*text))
		text++;
	for (; isdigit((unsigned char)*text) && digits <= LENGTH_DIGITS; text++, digits++)
		n = n * 10 + (size_t)(*text - '0');
	while (isspace((unsigned char)*text))
		text++;
	*length = n;
	return digits > 0 && digits <= LENGTH_DIGITS && !*text;
}

static enum sv_ear_said end_result(struct sv_ear *e)
{
	bool well = e->length == 2 && memcmp(e->result, "OK", 2) == 0;

	*e = (struct sv_ear){ .state = SV_EAR_ACKNOWLEDGED };
	return well ? SV_EAR_OK : SV_EAR_FAIL;
}

static enum sv_ear_said hear_length(struct sv_ear *e, char c)
{
	size_t word = sizeof(result) - 1;

	if (c == '\n' && e->n >= word) {
		e->line[e->n] = '\0';
		if (!read_length(e->line + word, &e->length))
			return nonsense(e);
		e->counting = true;
		return e->length ? SV_EAR_NOTHING : end_result(e);
	}
	if (e->n + 1 == sizeof(e->line) || c == '\0' || (e->n < word && c != result[e->n]))
		return nonsense(e);
	e->line[e->n++] = c;
	return SV_EAR_NOTHING;
}

static enum sv_ear_said hear_result(struct sv_ear *e, char c)
{
	if (e->got < sizeof(e->result))
		e->result[e->got] = c;
	return ++e->got < e->length ? SV_EAR_NOTHING : end_result(e);
}

static enum sv_ear_said hear(struct sv_ear *e, char c)
{
	switch (e->state) {
	case SV_EAR_ACKNOWLEDGED:
		return hear_ready(e, c);
	case SV_EAR_READY:
		return nonsense(e);
	case SV_EAR_BUSY:
		return e->counting ? hear_result(e, c) : hear_length(e, c);
	default:
		return SV_EAR_NOTHING;
	}
}

enum sv_ear_said sv_ear_hear(struct sv_ear *e, const char **at, size_t *n)
{
	enum sv_ear_said said = SV_EAR_NOTHING;

	for (; *n > 0 && said == SV_EAR_NOTHING; ++*at, --*n)
		said = hear(e, **at);
	return said;
}

void sv_ear_ask(struct sv_ear *e)
{
	assert(e->state == SV_EAR_READY);
	*e = (struct sv_ear){ .state = SV_EAR_BUSY };
}
