/* The calculator of sp_import: recursive descent, and not too deep. */
#include <ctype.h>
#include <string.h>

#include "roles/sqlproxy/sp_import.h"

enum { DEPTH_MAX = 20 };

struct calc {
	const char *at;
	long cpus;
	int depth;
	bool bad;
};

static double sum(struct calc *c);

static void skip_spaces(struct calc *c)
{
	while (isspace((unsigned char)*c->at))
		c->at++;
}

static bool accept(struct calc *c, const char *text)
{
	size_t len = strlen(text);

	skip_spaces(c);
	if (strncmp(c->at, text, len) != 0)
		return false;
	c->at += len;
	return true;
}

static double number(struct calc *c)
{
	double n = 0, unit = 0.1;

	if (!isdigit((unsigned char)*c->at))
		c->bad = true;
	while (isdigit((unsigned char)*c->at))
		n = n * 10 + (*c->at++ - '0');
	if (*c->at == '.')
		c->at++;
	else
		return n;
	for (; isdigit((unsigned char)*c->at); unit /= 10)
		n += unit * (*c->at++ - '0');
	return n;
}

static double factor(struct calc *c)
{
	double n;

	if (++c->depth > DEPTH_MAX) {
		c->bad = true;
		return 0;
	}
	if (accept(c, "-")) {
		n = -factor(c);
	} else if (accept(c, "(")) {
		n = sum(c);
		c->bad |= !accept(c, ")");
	} else if (accept(c, "swoole_cpu_num")) {
		n = (double)c->cpus;
		c->bad |= !accept(c, "(") || !accept(c, ")");
	} else {
		n = number(c);
	}
	c->depth--;
	return n;
}

static double product(struct calc *c)
{
	double n = factor(c);

	for (;;) {
		if (accept(c, "*")) {
			n *= factor(c);
		} else if (accept(c, "/")) {
			double by = factor(c);
			c->bad |= by == 0;
			n = by == 0 ? 0 : n / by;
		} else {
			return n;
		}
	}
}

static double sum(struct calc *c)
{
	double n = product(c);

	for (;;) {
		if (accept(c, "+"))
			n += product(c);
		else if (accept(c, "-"))
			n -= product(c);
		else
			return n;
	}
}

bool sp_import_number(const char *text, long cpus, long *result)
{
	struct calc c = { .at = text, .cpus = cpus };
	double n = sum(&c);

	skip_spaces(&c);
	if (c.bad || *c.at != '\0' || !(n >= 0 && n <= 1e9))
		return false;
	*result = (long)n;
	return true;
}
