#include "roles/sqlproxy/sp_lex_scan.h"

#include <string.h>

enum class {
	MARK,
	SPACE,
	LETTER,
	DIGIT,
	QUOTE, /* ' or " */
	BACK,  /* ` */
	MAYBE, /* may begin or end a comment: # - / * */
	AT,
	DOT,
	COLON,
	SINGLE, /* ( ) , ; */
};

/* clang-format off */
static const unsigned char classes[256] = {
	[0] = SPACE, ['\t'] = SPACE, ['\n'] = SPACE, ['\v'] = SPACE, ['\f'] = SPACE,
	['\r'] = SPACE, [' '] = SPACE,
	['a' ... 'z'] = LETTER, ['A' ... 'Z'] = LETTER, ['_'] = LETTER, ['$'] = LETTER,
	[0x80 ... 0xff] = LETTER, ['0' ... '9'] = DIGIT,
	['\''] = QUOTE, ['"'] = QUOTE, ['`'] = BACK,
	['#'] = MAYBE, ['-'] = MAYBE, ['/'] = MAYBE, ['*'] = MAYBE,
	['@'] = AT, ['.'] = DOT, [':'] = COLON,
	['('] = SINGLE, [')'] = SINGLE, [','] = SINGLE, [';'] = SINGLE,
};
/* clang-format on */

static inline unsigned class_of(char c)
{
	return classes[(unsigned char)c];
}

static inline bool in_word(char c)
{
	return class_of(c) - LETTER <= DIGIT - LETTER;
}

void sp_lex_scan_init(struct sp_lex_scan *s, const char *sql, size_t len, unsigned mode)
{
	*s = (struct sp_lex_scan){ .begin = sql, .at = sql, .end = sql + len, .mode = mode };
}

/* ---- comments and white space */

static void skip_line(struct sp_lex_scan *s)
{
	const char *nl = memchr(s->at, '\n', (size_t)(s->end - s->at));

	s->at = nl ? nl + 1 : s->end;
}

/* At the bang of an executable comment: what follows is code, after the version if there is one. */
static void open_code(struct sp_lex_scan *s)
{
	int digits = 0;

	s->at++;
	while (digits < 6 && s->at + digits < s->end && class_of(s->at[digits]) == DIGIT)
		digits++;
	if (digits >= 5)
		s->at += digits;
	s->in_code = s->had_code = true;
}

static bool is_bang(const struct sp_lex_scan *s, const char *text)
{
	static const char seed[] = "!smproxy:"; /* a hint of the seed's, not code */
	size_t left = (size_t)(s->end - text);

	if (left == 0 || *text != '!')
		return false;
	return s->at != s->begin || left < sizeof seed - 1 ||
	       memcmp(text, seed, sizeof seed - 1) != 0;
}

/* At the slash of a comment. */
static void skip_block(struct sp_lex_scan *s)
{
	const char *text = s->at + 2;

	if (is_bang(s, text)) {
		s->at = text;
		open_code(s);
		return;
	}
	if (s->end - text > 1 && *text == 'M' && is_bang(s, text + 1)) {
		s->at = text + 1;
		open_code(s);
		return;
	}
	const char *close = memmem(text, (size_t)(s->end - text), "*/", 2);
	const char *stop = close ? close : s->end;
	if (s->hints)
		sp_lex_hints(s->hints, (struct sp_span){ text, (size_t)(stop - text) },
			     s->at == s->begin);
	s->at = close ? close + 2 : s->end;
}

static bool opens_line(const struct sp_lex_scan *s)
{
	if (*s->at == '#')
		return true;
	if (s->end - s->at < 2 || s->at[1] != '-')
		return false;
	return s->end - s->at == 2 || (unsigned char)s->at[2] <= ' ' || s->at[2] == 0x7f;
}

/* Skips one comment; false when there is none. */
static bool skip_comment(struct sp_lex_scan *s)
{
	char c = *s->at, next = s->end - s->at > 1 ? s->at[1] : '\0';

	if (c == '/' && next == '*')
		skip_block(s);
	else if (c == '*' && next == '/' && s->in_code)
		s->at += 2, s->in_code = false;
	else if ((c == '#' || c == '-') && opens_line(s))
		skip_line(s);
	else
		return false;
	return true;
}

static void skip_comments(struct sp_lex_scan *s)
{
	while (skip_comment(s)) {
		while (s->at < s->end && class_of(*s->at) == SPACE)
			s->at++;
		if (s->at == s->end)
			return;
	}
}

static inline void skip_blanks(struct sp_lex_scan *s)
{
	const char *p = s->at, *end = s->end;

	while (p < end && class_of(*p) == SPACE)
		p++;
	s->at = p;
	if (p < end && class_of(*p) == MAYBE)
		skip_comments(s);
}

/* ---- tokens */

static struct sp_span span(const char *from, const char *to)
{
	return (struct sp_span){ from, (size_t)(to - from) };
}

/* At an opening quote: goes past the closing one and returns what is between them. */
static struct sp_span quoted(struct sp_lex_scan *s, bool slash)
{
	char quote = *s->at;
	const char *from = ++s->at, *p = from, *end = s->end;

	for (;; p++) {
		while (p < end && *p != quote && *p != '\\')
			p++;
		if (p >= end)
			break;
		if (*p == '\\') {
			if (slash && p + 1 < end)
				p++;
			continue;
		}
		if (p + 1 == end || p[1] != quote)
			break;
		p++;
	}
	s->at = p < end ? p + 1 : end;
	if (s->in_code && memmem(from, (size_t)(p - from), "*/", 2))
		s->doubtful = true;
	return span(from, p);
}

static bool escapes(const struct sp_lex_scan *s)
{
	return !(s->mode & SP_LEX_NO_BACKSLASH);
}

static bool is_name_quote(const struct sp_lex_scan *s)
{
	return *s->at == '"' && (s->mode & SP_LEX_ANSI_QUOTES);
}

static void scan_quote(struct sp_lex_scan *s, struct sp_lex_token *t)
{
	bool name = is_name_quote(s);

	t->kind = name ? SP_TOK_NAME : SP_TOK_STRING;
	t->name = quoted(s, !name && escapes(s));
}

static void scan_word(struct sp_lex_scan *s, struct sp_lex_token *t)
{
	const char *from = s->at, *p = from;

	const char *end = s->end;

	while (p < end && in_word(*p))
		p++;
	s->at = p;
	t->kind = SP_TOK_WORD;
	t->name = span(from, p);
	if (p - from == 1 && p < s->end && *p == '\'' && strchr("xXbBnN", *from)) {
		t->kind = SP_TOK_STRING;
		t->name = quoted(s, escapes(s));
	}
}

static const char *digits(const struct sp_lex_scan *s, const char *p)
{
	while (p < s->end && class_of(*p) == DIGIT)
		p++;
	return p;
}

static const char *exponent(const struct sp_lex_scan *s, const char *p)
{
	if (p == s->end || (*p | 0x20) != 'e')
		return p;
	const char *from = p + 1;
	if (from < s->end && (*from == '+' || *from == '-'))
		from++;
	const char *to = digits(s, from);
	return to > from ? to : p;
}

/* A number, or a name that begins with a digit (1st, 0x, 2e): those are words. */
static void scan_number(struct sp_lex_scan *s, struct sp_lex_token *t)
{
	const char *from = s->at, *p = digits(s, from);

	if (p - from == 1 && *from == '0' && p < s->end && (*p == 'x' || *p == 'b')) {
		scan_word(s, t);
		t->kind = t->name.len > 2 ? SP_TOK_NUMBER : SP_TOK_WORD;
		return;
	}
	bool whole = p == s->end || *p != '.';
	if (!whole)
		p = digits(s, p + 1);
	p = exponent(s, p);
	if (whole && p < s->end && class_of(*p) == LETTER) {
		scan_word(s, t);
		return;
	}
	t->kind = SP_TOK_NUMBER;
	s->at = p;
}

/* After t.5x a name; otherwise .5 is a number. */
static void scan_dot(struct sp_lex_scan *s, struct sp_lex_token *t)
{
	bool number = s->end - s->at > 1 && class_of(s->at[1]) == DIGIT;

	if (number && s->at > s->begin && (in_word(s->at[-1]) || s->at[-1] == '`'))
		number = false;
	t->kind = number ? SP_TOK_NUMBER : SP_TOK_DOT;
	s->at = number ? exponent(s, digits(s, s->at + 1)) : s->at + 1;
}

/* The name of a variable, quoted or not, maybe empty. dots: they belong to it. */
static struct sp_span variable(struct sp_lex_scan *s, bool dots)
{
	if (s->at < s->end && class_of(*s->at) == BACK)
		return quoted(s, false);
	if (s->at < s->end && class_of(*s->at) == QUOTE && dots)
		return quoted(s, escapes(s) && !is_name_quote(s));
	const char *from = s->at;
	while (s->at < s->end && (in_word(*s->at) || (dots && *s->at == '.')))
		s->at++;
	return span(from, s->at);
}

static void scan_at(struct sp_lex_scan *s, struct sp_lex_token *t)
{
	s->at++;
	if (s->at == s->end || *s->at != '@') {
		t->kind = SP_TOK_UVAR;
		t->name = variable(s, true);
		return;
	}
	s->at++;
	t->kind = SP_TOK_SYSVAR;
	t->name = variable(s, false);
	t->scope = (struct sp_span){ s->at, 0 };
	while (s->end - s->at > 1 && *s->at == '.') {
		t->scope = t->name;
		s->at++;
		t->name = variable(s, false);
	}
}

static void scan_single(struct sp_lex_scan *s, struct sp_lex_token *t)
{
	switch (*s->at++) {
	case '(':
		t->kind = SP_TOK_OPEN;
		break;
	case ')':
		t->kind = SP_TOK_CLOSE;
		break;
	case ',':
		t->kind = SP_TOK_COMMA;
		break;
	default:
		t->kind = SP_TOK_SEMI;
	}
}

static void scan_colon(struct sp_lex_scan *s, struct sp_lex_token *t)
{
	bool assign = s->end - s->at > 1 && s->at[1] == '=';

	t->kind = assign ? SP_TOK_ASSIGN : SP_TOK_MARK;
	s->at += assign ? 2 : 1;
}

static void scan_back(struct sp_lex_scan *s, struct sp_lex_token *t)
{
	t->kind = SP_TOK_NAME;
	t->name = quoted(s, false);
}

static void scan_mark(struct sp_lex_scan *s, struct sp_lex_token *t)
{
	t->kind = SP_TOK_MARK;
	s->at++;
}

void sp_lex_scan_next(struct sp_lex_scan *s, struct sp_lex_token *t)
{
	static void (*const scan[])(struct sp_lex_scan *, struct sp_lex_token *) = {
		[MARK] = scan_mark,    [SPACE] = scan_mark,    [LETTER] = scan_word,
		[DIGIT] = scan_number, [QUOTE] = scan_quote,   [BACK] = scan_back,
		[MAYBE] = scan_mark,   [AT] = scan_at,         [DOT] = scan_dot,
		[COLON] = scan_colon,  [SINGLE] = scan_single,
	};

	skip_blanks(s);
	t->kind = SP_TOK_END;
	t->call = false;
	t->glued = s->at == s->last;
	/* one by one: copied as a struct, they would be loaded before they have been stored */
	t->all.at = t->name.at = s->at;
	t->all.len = t->name.len = 0;
	if (s->at == s->end)
		return;
	/* t.1st is a name, whatever it looks like */
	if (class_of(*s->at) == DIGIT && s->at > s->begin && s->at[-1] == '.')
		scan_word(s, t);
	else
		scan[class_of(*s->at)](s, t);
	t->all.len = (size_t)(s->at - t->all.at);
	s->last = s->at;
	if (t->kind == SP_TOK_WORD || t->kind == SP_TOK_NAME) {
		skip_blanks(s);
		t->call = s->at < s->end && *s->at == '(';
	}
}
