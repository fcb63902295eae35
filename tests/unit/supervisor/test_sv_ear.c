/* What listeners say, and parts of output, cut at each place. */
#include "roles/supervisor/sv_ear.h"

#include <stdlib.h>
#include <string.h>

#include "roles/supervisor/sv_capture.h"
#include "tests/lib/check.h"

/* One letter for each thing said: r(eady) o(k) f(ail) n(onsense). An event is sent when it is
 * ready.
 */
static void hear(struct sv_ear *e, const char *text, size_t n, char *said)
{
	static const char letters[] = ".rofn";
	enum sv_ear_said one;

	while ((one = sv_ear_hear(e, &text, &n)) != SV_EAR_NOTHING) {
		said[strlen(said)] = letters[one];
		if (one == SV_EAR_IS_READY)
			sv_ear_ask(e);
	}
}

Test(sv_ear, hears_the_same_however_it_is_cut)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "READY\n", "r" },
		{ "READY\nRESULT 2\nOK", "ro" },
		{ "READY\nRESULT 2\nOKREADY\nRESULT 4\nFAILREADY\n", "rorfr" },
		{ "READY\nRESULT 2\nNO", "rf" },
		{ "READY\nRESULT 3\nOK\n", "rf" },
		{ "READY\nRESULT 0\nREADY\n", "rfr" },
		{ "READY\nRESULT  2 \r\nOK", "ro" },
		{ "READY\nRESULT two\n", "rn" },
		{ "READY\nRESULT -1\n", "rn" },
		{ "READY\nRESULT \n", "rn" },
		{ "READY\nRESULT 2x\n", "rn" },
		{ "READY\nRESULT 9999999999\n", "rn" },
		{ "READY\nRESULT 11111111111111111111111111111", "rn" },
		{ "READY\nOK\n", "rn" },
		{ "READY\r\n", "n" },
		{ "hello", "n" },
		{ "REA", "" },
		{ "nREADY\nREADY\n", "n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *text = cases[i].text;
		size_t n = strlen(text);
		for (size_t cut = 0; cut <= n; cut++) {
			struct sv_ear e = { SV_EAR_ACKNOWLEDGED };
			char said[16] = "";
			hear(&e, text, cut, said);
			hear(&e, text + cut, n - cut, said);
			check_str(said, cases[i].want);
		}
		struct sv_ear e = { SV_EAR_ACKNOWLEDGED };
		char said[16] = "";
		for (size_t k = 0; k < n; k++)
			hear(&e, text + k, 1, said);
		check_str(said, cases[i].want);
	}
}

Test(sv_ear, who_is_ready_has_nothing_to_say)
{
	struct sv_ear e = { SV_EAR_ACKNOWLEDGED };
	const char *text = "READY\nREADY\n";
	size_t n = strlen(text);

	cr_assert(sv_ear_hear(&e, &text, &n) == SV_EAR_IS_READY);
	cr_assert(sv_ear_hear(&e, &text, &n) == SV_EAR_NONSENSE);
	cr_assert(e.state == SV_EAR_UNKNOWN);
	cr_assert(sv_ear_hear(&e, &text, &n) == SV_EAR_NOTHING && n == 0);
}

/* ---- parts --------------------------------------------------------------------------------- */

struct seen {
	char text[256], parts[256];
};

static void on_text(struct sv_capture *c, char *data, size_t n)
{
	strncat(((struct seen *)c->owner)->text, data, n);
}

static void on_part(struct sv_capture *c, const char *data, size_t n)
{
	struct seen *s = c->owner;

	strcat(s->parts, "[");
	strncat(s->parts, n ? data : "", n);
	strcat(s->parts, "]");
}

/* In pieces of `step` bytes, the first of `cut`. */
static void feed(const char *given, size_t cut, size_t step, size_t most, struct seen *s)
{
	struct sv_capture c = { .owner = s, .on_text = on_text, .on_part = on_part };
	char *text = strdup(given);
	size_t n = strlen(text), at = 0, piece = cut;

	*s = (struct seen){ "", "" };
	sv_capture_init(&c, most);
	for (; at < n; at += piece, piece = step) {
		if (piece > n - at)
			piece = n - at;
		sv_capture_feed(&c, text + at, piece);
	}
	sv_capture_end(&c);
	sv_capture_fini(&c);
	free(text);
}

#define BEGIN "<!--XSUPERVISOR:BEGIN-->"
#define END   "<!--XSUPERVISOR:END-->"

Test(sv_capture, parts_are_taken_out_however_they_are_cut)
{
	static const struct {
		const char *given, *text, *parts;
	} cases[] = {
		{ "plain", "plain", "" },
		{ "a" BEGIN "b" END "c", "ac", "[b]" },
		{ BEGIN END, "", "[]" },
		{ BEGIN "a" END BEGIN "b" END "c", "c", "[a][b]" },
		{ "a<<!--X<" BEGIN "b<!--XSUPERVISOR:" END "<", "a<<!--X<<",
		  "[b<!--XSUPERVISOR:]" },
		{ "a" END "b" BEGIN "c" BEGIN "d" END, "a" END "b", "[c" BEGIN "d]" },
		{ "a<!--XSUPERVISOR:BEG", "a<!--XSUPERVISOR:BEG", "" },
		{ "a" BEGIN "b", "a", "" },
	};
	struct seen s;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t cut = 1; cut <= strlen(cases[i].given); cut++)
			for (size_t step = 1; step < 200; step += 198) {
				feed(cases[i].given, cut, step, 100, &s);
				check_str(s.text, cases[i].text);
				check_str(s.parts, cases[i].parts);
			}
}

Test(sv_capture, last_bytes_of_a_part_that_is_too_long)
{
	struct seen s;

	feed(BEGIN "0123456789abcdef" END, 7, 3, 4, &s);
	check_str(s.parts, "[cdef]");
	feed(BEGIN "0123456789abcdef" END, 100, 100, 4, &s);
	check_str(s.parts, "[cdef]");
}
