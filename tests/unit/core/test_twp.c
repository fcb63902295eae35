#include "core/pool/twp.h"

#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "tests/lib/check.h"

static struct twp_word word(const char *text)
{
	return (struct twp_word){ text, strlen(text) };
}

static const char *text_of(struct twp_word w)
{
	static char text[4][256];
	static unsigned turn;
	char *t = text[turn++ % 4];

	snprintf(t, sizeof(text[0]), "%.*s", w.at ? (int)w.n : 1, w.at ? w.at : "-");
	return t;
}

Test(twp, frames_of_both_sides)
{
	static const struct {
		enum twp_side from;
		const char *bytes;
		enum twp_verb verb;
		const char *id, *topic, *text, *body;
		int64_t number;
		int opts;
	} cases[] = {
		{ TWP_MANAGER, "HELLO twp/1 role=taskd credit=4\n", TWP_HELLO, "-", "twp/1", "-",
		  "-", -1, 2 },
		{ TWP_MANAGER, "JOB 7 mail 2 5 prio=3\nhello\n", TWP_JOB, "7", "mail", "-", "hello",
		  2, 1 },
		{ TWP_MANAGER, "JOB 7 mail 2 0\n\n", TWP_JOB, "7", "mail", "-", "", 2, 0 },
		{ TWP_MANAGER, "CANCEL 7\n", TWP_CANCEL, "7", "-", "-", "-", -1, 0 },
		{ TWP_MANAGER, "CANCEL 7 it took too long\n", TWP_CANCEL, "7", "-",
		  "it took too long", "-", -1, 0 },
		{ TWP_MANAGER, "PING 9\n", TWP_PING, "-", "-", "-", "-", 9, 0 },
		{ TWP_MANAGER, "OK 3 0123\n", TWP_OK, "0123", "-", "-", "-", 3, 0 },
		{ TWP_MANAGER, "ERR 3 no such topic\n", TWP_ERR, "-", "-", "no such topic", "-", 3,
		  0 },
		{ TWP_MANAGER, "QUIT\n", TWP_QUIT, "-", "-", "-", "-", -1, 0 },
		{ TWP_MANAGER, "NEWER thing x=1\n", TWP_UNKNOWN, "-", "-", "-", "-", -1, 0 },
		{ TWP_WORKER, "READY 4 caps=cancel,ping\n", TWP_READY, "-", "-", "-", "-", 4, 1 },
		{ TWP_WORKER, "ACK 7\n", TWP_ACK, "7", "-", "-", "-", -1, 0 },
		{ TWP_WORKER, "ACK 7 2\nok\n", TWP_ACK, "7", "-", "-", "ok", -1, 0 },
		{ TWP_WORKER, "ACK 7 trace=1\n", TWP_ACK, "7", "-", "-", "-", -1, 1 },
		{ TWP_WORKER, "FAIL 7 3 retry=no\nbad\n", TWP_FAIL, "7", "-", "-", "bad", -1, 1 },
		{ TWP_WORKER, "RELEASE 7 delay=50\n", TWP_RELEASE, "7", "-", "-", "-", -1, 1 },
		{ TWP_WORKER, "TOUCH 7\n", TWP_TOUCH, "7", "-", "-", "-", -1, 0 },
		{ TWP_WORKER, "TOUCH 7 900\n", TWP_TOUCH, "7", "-", "-", "-", 900, 0 },
		{ TWP_WORKER, "PROGRESS 7 50 4\nhalf\n", TWP_PROGRESS, "7", "-", "-", "half", 50,
		  0 },
		{ TWP_WORKER, "LOG warn 2\nhm\n", TWP_LOG, "-", "warn", "-", "hm", -1, 0 },
		{ TWP_WORKER, "PUSH mail 1 delay=5 ref=1 on=7\nx\n", TWP_PUSH, "-", "mail", "-",
		  "x", -1, 3 },
		{ TWP_WORKER, "DATA 7 3\na\nb\n", TWP_DATA, "7", "-", "-", "a\nb", -1, 0 },
		{ TWP_WORKER, "BYE\n", TWP_BYE, "-", "-", "-", "-", -1, 0 },
		{ TWP_WORKER, "PONG 9\n", TWP_PONG, "-", "-", "-", "-", 9, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct twp_frame f;
		const char *why = NULL;
		char twice[512];
		size_t n = strlen(cases[i].bytes);

		snprintf(twice, sizeof(twice), "%sBYE\n", cases[i].bytes);
		check_int(twp_read(&f, cases[i].from, word(twice), 100, &why), n);
		check_int(f.verb, cases[i].verb);
		check_str(text_of(f.id), cases[i].id);
		check_str(text_of(f.topic), cases[i].topic);
		check_str(text_of(f.text), cases[i].text);
		check_str(text_of(f.body), cases[i].body);
		check_int(f.number, cases[i].number);
		check_int(f.n_opts, cases[i].opts);
		for (size_t cut = 0; cut < n; cut++) { /* no part of it is anything */
			struct twp_word part = { cases[i].bytes, cut };
			check_int(twp_read(&f, cases[i].from, part, 100, &why), 0);
			cr_expect(f.need == 0 || f.need == n);
		}
	}
}

Test(twp, what_is_no_frame)
{
	static const struct {
		const char *bytes, *why;
	} cases[] = {
		{ "hello\n", "an unknown verb" },
		{ "JOB 7 mail 2 0\n\n", "an unknown verb" }, /* the other side's */
		{ "ready 4\n", "an unknown verb" },
		{ "\n", "an empty line" },
		{ "READY\n", "a word too few" },
		{ "READY x\n", "a word that should be a number" },
		{ "READY -1\n", "a word that should be a number" },
		{ "READY 9999999999999999999\n", "a word that should be a number" },
		{ "READY  4\n", "two spaces, or one at the end of a line" },
		{ "READY 4 \n", "a word too many, that is no key=value" },
		{ "READY 4 5\n", "a word too many, that is no key=value" },
		{ "READY 4 =5\n", "a word too many, that is no key=value" },
		{ "ACK 7 x\n", "a length that is no number" },
		{ "ACK 7 101\n", "a body longer than the agreed maximum" },
		{ "ACK 7 999999999999999999\n", "a body longer than the agreed maximum" },
		{ "ACK 7 2\nabc\n", "no end of line behind a body" },
		{ "READY 4\r\n", "a control character in a line" },
		{ "PHP Warning:\tx", "a control character in a line" }, /* at once */
		{ "READY 1 a= b= c= d= e= f= g= h= i= j= k= l= m= n= o= p= q=\n",
		  "more than 16 options" },
	};
	static char line[TWP_LINE + 2];
	const char *why = NULL;
	struct twp_frame f;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		why = NULL;
		check_int(twp_read(&f, TWP_WORKER, word(cases[i].bytes), 100, &why), ERR_PROTO);
		check_str(why, cases[i].why);
	}
	memset(line, 'a', TWP_LINE);
	memcpy(line, "ACK ", 4);
	line[TWP_LINE - 1] = '\n';
	check_int(twp_read(&f, TWP_WORKER, word(line), 100, &why), TWP_LINE);
	line[TWP_LINE - 1] = 'a';
	check_int(twp_read(&f, TWP_WORKER, word(line), 100, &why), ERR_PROTO);
	check_str(why, "a line of more than 4096 bytes");
}

Test(twp, options)
{
	const char *why;
	char into[8];
	struct twp_frame f;

	twp_read(&f, TWP_WORKER, word("PUSH t 0 uniq=a%20b%3d delay=70 prio=x\n\n"), 9, &why);
	check_str(text_of(twp_opt(&f, "uniq")), "a%20b%3d");
	check_int(twp_decode(twp_opt(&f, "uniq"), into, sizeof(into)), 4);
	check_str(into, "a b=");
	check_int(twp_decode(twp_opt(&f, "uniq"), into, 4), -1);
	cr_expect(twp_opt(&f, "on").at == NULL);
	check_int(twp_opt_number(&f, "delay", -1), 70);
	check_int(twp_opt_number(&f, "prio", 128), 128);
	check_int(twp_opt_number(&f, "on", -1), -1);
	check_int(twp_decode(word("a%0"), into, sizeof(into)), -1);
	check_int(twp_decode(word("%zz"), into, sizeof(into)), -1);
	check_int(twp_decode(word("%00"), into, sizeof(into)), -1);
	check_int(twp_decode(word("%41"), into, sizeof(into)), 1);
}

Test(twp, lines_out_are_read_as_they_were_meant)
{
	static struct twp_line l;
	struct twp_frame f;
	const char *why;
	char long_word[TWP_LINE];

	twp_begin(&l, TWP_JOB);
	twp_put(&l, "0123");
	twp_put(&l, "mail");
	twp_put_number(&l, 3);
	twp_put_number(&l, 0);
	twp_put_opt(&l, "type", "a b=%\n\xc3\xa4");
	twp_put_opt_number(&l, "enq", -5);
	twp_end(&l);
	l.text[l.n++] = '\n';
	l.text[l.n] = '\0';
	check_str(l.text, "JOB 0123 mail 3 0 type=a%20b%3D%25%0A%C3%A4 enq=-5\n\n");
	check_int(twp_read(&f, TWP_MANAGER, (struct twp_word){ l.text, l.n }, 9, &why), l.n);

	twp_begin(&l, TWP_ERR);
	twp_put_number(&l, 7);
	twp_put_text(&l, "no\nsuch");
	twp_end(&l);
	l.text[l.n] = '\0';
	check_str(l.text, "ERR 7 no such\n");

	memset(long_word, '=', sizeof(long_word) - 1);
	long_word[sizeof(long_word) - 1] = '\0';
	twp_begin(&l, TWP_HELLO);
	twp_put(&l, "twp/1");
	twp_put_opt(&l, "pool", long_word);
	cr_expect(l.cut);
	twp_end(&l);
	l.text[l.n] = '\0';
	check_str(l.text, "HELLO twp/1\n");
}
