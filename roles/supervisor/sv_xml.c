/*
 * A stack of values under construction. Each element that matters opens a place:
 *
 *	methodCall > params > param > value > array > data > value ...
 *	                                    > struct > member > name, value
 *
 * Text counts where a scalar is read, and directly in <value>, where it is a string.
 */
#include "roles/supervisor/sv_xml.h"

#include <errno.h>
#include <expat.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/mem.h"

enum { TEXT_MOST = 10 * 1024 * 1024 };

enum element {
	NOTHING,
	METHOD_CALL,
	METHOD_RESPONSE,
	FAULT,
	METHOD_NAME,
	PARAMS,
	PARAM,
	VALUE,
	STRING,
	INT,
	BOOLEAN,
	DOUBLE,
	BASE64,
	DATE,
	NIL,
	ARRAY,
	DATA,
	STRUCT,
	MEMBER,
	NAME,
};

static const struct word {
	const char *name;
	enum element element;
	unsigned under; /* bits of elements that it may stand in */
} words[] = {
	{ "methodCall", METHOD_CALL, 1 << NOTHING },
	{ "methodName", METHOD_NAME, 1 << METHOD_CALL },
	{ "methodResponse", METHOD_RESPONSE, 1 << NOTHING },
	{ "fault", FAULT, 1 << METHOD_RESPONSE },
	{ "params", PARAMS, 1 << METHOD_CALL | 1 << METHOD_RESPONSE },
	{ "param", PARAM, 1 << PARAMS },
	{ "value", VALUE, 1 << PARAM | 1 << DATA | 1 << MEMBER | 1 << FAULT },
	{ "string", STRING, 1 << VALUE },
	{ "int", INT, 1 << VALUE },
	{ "i4", INT, 1 << VALUE },
	{ "i8", INT, 1 << VALUE },
	{ "boolean", BOOLEAN, 1 << VALUE },
	{ "double", DOUBLE, 1 << VALUE },
	{ "base64", BASE64, 1 << VALUE },
	{ "dateTime.iso8601", DATE, 1 << VALUE },
	{ "nil", NIL, 1 << VALUE },
	{ "array", ARRAY, 1 << VALUE },
	{ "data", DATA, 1 << ARRAY },
	{ "struct", STRUCT, 1 << VALUE },
	{ "member", MEMBER, 1 << STRUCT },
	{ "name", NAME, 1 << MEMBER },
};

/* An element that is open. */
struct level {
	enum element element;
	json_t *value; /* of VALUE, ARRAY, STRUCT: what is built */
	char *name;    /* of MEMBER */
};

enum { LEVELS = SV_XML_DEPTH * 4 + 8 };

struct reading {
	XML_Parser parser;
	struct level levels[LEVELS];
	int depth; /* levels[depth - 1] is the innermost */
	int values, most;
	bool fault;
	struct buf text;
	char *method;
	json_t *params;
	char why[160];
};

static void refuse(struct reading *r, const char *why)
{
	if (!*r->why)
		snprintf(r->why, sizeof(r->why), "%s", why);
	XML_StopParser(r->parser, XML_FALSE);
}

static enum element innermost(const struct reading *r)
{
	return r->depth ? r->levels[r->depth - 1].element : NOTHING;
}

/* ---- elements begin
 * --------------------------------------------------------------------------------- */

static const struct word *find(const char *name)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].name, name) == 0)
			return &words[i];
	return NULL;
}

static void on_start(void *data, const char *name, const char **attributes)
{
	struct reading *r = data;
	const struct word *w = find(name);
	char why[120];

	(void)attributes;
	if (!w || !(w->under & 1u << innermost(r))) {
		snprintf(why, sizeof(why), "<%.60s> has no place here", name);
		refuse(r, why);
		return;
	}
	if (r->depth == LEVELS || (w->element == VALUE && ++r->values > r->most)) {
		refuse(r, "too many values, or too deep");
		return;
	}
	struct level *l = &r->levels[r->depth++];
	*l = (struct level){ .element = w->element };
	if (w->element == ARRAY)
		l->value = json_array();
	else if (w->element == STRUCT)
		l->value = json_object();
	buf_take(&r->text, buf_len(&r->text));
}

/* ---- text
 * --------------------------------------------------------------------------------------------- */

static void on_text(void *data, const char *text, int n)
{
	struct reading *r = data;

	if (buf_put(&r->text, text, (size_t)n) != 0)
		refuse(r, "a value is too long");
}

/* What was read, with an end. */
static const char *text_of(struct reading *r)
{
	buf_put(&r->text, "", 1);
	return (const char *)buf_data(&r->text);
}

/* ---- elements end
 * -------------------------------------------------------------------------------------- */

static json_t *integer(struct reading *r)
{
	const char *text = text_of(r);
	char *end;

	errno = 0;
	long long n = strtoll(text, &end, 10);
	end += strspn(end, " \t\r\n");
	if (end == text || *end || errno)
		refuse(r, "not an integer");
	return json_integer(n);
}

static json_t *scalar(struct reading *r, enum element element)
{
	const char *text;

	switch (element) {
	case INT:
		return integer(r);
	case BOOLEAN:
		text = text_of(r);
		text += strspn(text, " \t\r\n");
		if (*text != '0' && *text != '1')
			refuse(r, "not a boolean");
		return json_boolean(*text == '1');
	case DOUBLE:
		return json_real(strtod(text_of(r), NULL));
	case NIL:
		return json_null();
	default:
		text = text_of(r);
		return json_string(text);
	}
}

/* The last of several counts. */
static void set_value(struct level *l, json_t *value)
{
	json_decref(l->value);
	l->value = value;
}

/* A value is complete: into the array, the member or the parameters that it stands in. */
static void place(struct reading *r, json_t *value)
{
	struct level *in = &r->levels[r->depth - 1];

	if (in->element == FAULT)
		r->fault = true;
	if (in->element == PARAM || in->element == FAULT)
		json_array_append_new(r->params, value);
	else if (in->element == DATA)
		json_array_append_new(in[-1].value, value);
	else
		set_value(in, value); /* MEMBER: its name may come later */
}

static void end_value(struct reading *r, struct level *l)
{
	json_t *value = l->value;

	if (!value)
		value = json_string(text_of(r)); /* no type: a string */
	l->value = NULL;
	place(r, value);
}

static void end_member(struct reading *r, struct level *l)
{
	if (l->name && l->value)
		json_object_set(r->levels[r->depth - 1].value, l->name, l->value);
	else
		refuse(r, "a member without name or value");
}

static void on_end(void *data, const char *name)
{
	struct reading *r = data;

	if (*r->why) /* the end of an element that was refused */
		return;
	struct level l = r->levels[--r->depth];
	struct level *in = r->depth ? &r->levels[r->depth - 1] : NULL;

	(void)name;
	switch (l.element) {
	case METHOD_NAME:
		free(r->method);
		r->method = mem_str(text_of(r));
		break;
	case VALUE:
		end_value(r, &l);
		break;
	case ARRAY:
	case STRUCT:
		set_value(in, json_incref(l.value));
		break;
	case MEMBER:
		end_member(r, &l);
		break;
	case NAME:
		free(in->name);
		in->name = mem_str(text_of(r));
		break;
	case METHOD_CALL:
	case METHOD_RESPONSE:
	case FAULT:
	case PARAMS:
	case PARAM:
	case DATA:
		break;
	default:
		set_value(in, scalar(r, l.element));
	}
	json_decref(l.value);
	free(l.name);
	buf_take(&r->text, buf_len(&r->text));
}

static void on_doctype(void *data, const char *name, const char *system, const char *public,
		       int internal)
{
	(void)name;
	(void)system;
	(void)public;
	(void)internal;
	refuse(data, "a DOCTYPE is not allowed");
}

static void forget_levels(struct reading *r)
{
	while (r->depth > 0) {
		struct level *l = &r->levels[--r->depth];
		json_decref(l->value);
		free(l->name);
	}
}

static int parse(struct reading *r, const char *text, size_t n, struct err *err)
{
	int rc = 0;

	r->parser = XML_ParserCreate(NULL);
	r->params = json_array();
	buf_init(&r->text, TEXT_MOST);
	XML_SetUserData(r->parser, r);
	XML_SetElementHandler(r->parser, on_start, on_end);
	XML_SetCharacterDataHandler(r->parser, on_text);
	XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
	if (XML_Parse(r->parser, text, (int)n, 1) != XML_STATUS_OK)
		rc = err_set(err, ERR_PROTO, "line %lu: %s",
			     (unsigned long)XML_GetCurrentLineNumber(r->parser),
			     *r->why ? r->why : XML_ErrorString(XML_GetErrorCode(r->parser)));
	else if (*r->why)
		rc = err_set(err, ERR_PROTO, "%s", r->why);
	XML_ParserFree(r->parser);
	forget_levels(r);
	buf_fini(&r->text);
	return rc;
}

int sv_xml_read_call(const char *text, size_t n, char **method, json_t **params, struct err *err)
{
	struct reading r = { .most = SV_XML_VALUES };
	int rc = parse(&r, text, n, err);

	if (rc == 0 && !r.method)
		rc = err_set(err, ERR_PROTO, "no <methodName>");
	if (rc) {
		free(r.method);
		json_decref(r.params);
		return rc;
	}
	*method = r.method;
	*params = r.params;
	return 0;
}

int sv_xml_read_response(const char *text, size_t n, json_t **value, bool *fault, struct err *err)
{
	struct reading r = { .most = SV_XML_ANSWERS };
	int rc = parse(&r, text, n, err);

	if (rc == 0 && (r.method || json_array_size(r.params) != 1))
		rc = err_set(err, ERR_PROTO, "no answer");
	if (rc == 0) {
		*value = json_incref(json_array_get(r.params, 0));
		*fault = r.fault;
	}
	free(r.method);
	json_decref(r.params);
	return rc;
}

/* ---- writing
 * -----------------------------------------------------------------------------------------------
 */

static int put(struct buf *out, const char *text)
{
	return buf_put(out, text, strlen(text));
}

/* Control characters have no way of being written in XML 1.0. */
static int put_text(struct buf *out, const char *text, size_t n)
{
	int rc = 0;

	for (size_t i = 0, from = 0; i <= n; i++) {
		unsigned char c = i < n ? (unsigned char)text[i] : 0;
		bool plain = i < n && c != '<' && c != '>' && c != '&' &&
			     (c >= 0x20 || c == '\n' || c == '\t' || c == '\r');
		if (plain)
			continue;
		rc |= buf_put(out, text + from, i - from);
		from = i + 1;
		if (i < n)
			rc |= put(out, c == '<'   ? "&lt;"
				       : c == '>' ? "&gt;"
				       : c == '&' ? "&amp;"
						  : "?");
	}
	return rc;
}

static int put_value(struct buf *out, const json_t *v);

static int put_array(struct buf *out, const json_t *v)
{
	int rc = put(out, "<array><data>");
	size_t i;
	json_t *one;

	json_array_foreach(v, i, one) rc |= put_value(out, one);
	return rc | put(out, "</data></array>");
}

static int put_struct(struct buf *out, const json_t *v)
{
	int rc = put(out, "<struct>");
	const char *name;
	json_t *one;

	json_object_foreach((json_t *)v, name, one)
	{
		rc |= put(out, "<member><name>");
		rc |= put_text(out, name, strlen(name));
		rc |= put(out, "</name>");
		rc |= put_value(out, one);
		rc |= put(out, "</member>");
	}
	return rc | put(out, "</struct>");
}

static int put_scalar(struct buf *out, const json_t *v)
{
	char number[64];
	int rc;

	switch (json_typeof(v)) {
	case JSON_INTEGER:
		snprintf(number, sizeof(number), "<int>%lld</int>",
			 (long long)json_integer_value(v));
		return put(out, number);
	case JSON_REAL:
		snprintf(number, sizeof(number), "<double>%.17g</double>", json_real_value(v));
		return put(out, number);
	case JSON_TRUE:
		return put(out, "<boolean>1</boolean>");
	case JSON_FALSE:
		return put(out, "<boolean>0</boolean>");
	case JSON_STRING:
		rc = put(out, "<string>");
		rc |= put_text(out, json_string_value(v), json_string_length(v));
		return rc | put(out, "</string>");
	default:
		return put(out, "<nil/>");
	}
}

static int put_value(struct buf *out, const json_t *v)
{
	int rc = put(out, "<value>");

	if (json_is_array(v))
		rc |= put_array(out, v);
	else if (json_is_object(v))
		rc |= put_struct(out, v);
	else
		rc |= put_scalar(out, v);
	return rc | put(out, "</value>\n");
}

int sv_xml_write_result(struct buf *out, const json_t *value)
{
	int rc = put(out, "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n");

	rc |= put_value(out, value);
	rc |= put(out, "</param>\n</params>\n</methodResponse>\n");
	return rc ? ERR_LIMIT : 0;
}

int sv_xml_write_fault(struct buf *out, int code, const char *text)
{
	json_t *fault = json_pack("{s:i,s:s}", "faultCode", code, "faultString", text);
	int rc = put(out, "<?xml version='1.0'?>\n<methodResponse>\n<fault>\n");

	rc |= put_value(out, fault);
	rc |= put(out, "</fault>\n</methodResponse>\n");
	json_decref(fault);
	return rc ? ERR_LIMIT : 0;
}

int sv_xml_write_call(struct buf *out, const char *method, const json_t *params)
{
	int rc = put(out, "<?xml version='1.0'?>\n<methodCall>\n<methodName>");
	size_t i;
	json_t *value;

	rc |= put_text(out, method, strlen(method));
	rc |= put(out, "</methodName>\n<params>\n");
	json_array_foreach(params, i, value)
	{
		rc |= put(out, "<param>\n");
		rc |= put_value(out, value);
		rc |= put(out, "</param>\n");
	}
	rc |= put(out, "</params>\n</methodCall>\n");
	return rc ? ERR_LIMIT : 0;
}
