#include "roles/supervisor/sv_call.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/utf8.h"
#include "roles/supervisor/sv.h"

static const struct sv_method *const tables[] = { sv_info_methods,   sv_run_methods,
						  sv_log_methods,    sv_admin_methods,
						  sv_system_methods, sv_troupe_methods };

static const struct sv_method *find(const char *name)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct sv_method *m = tables[i]; m->name; m++)
			if (strcmp(m->name, name) == 0)
				return m;
	return NULL;
}

const char *sv_fault_name(enum sv_fault fault)
{
	static const char *const names[] = {
		[SV_UNKNOWN_METHOD] = "UNKNOWN_METHOD",
		[SV_INCORRECT_PARAMETERS] = "INCORRECT_PARAMETERS",
		[SV_BAD_ARGUMENTS] = "BAD_ARGUMENTS",
		[SV_SIGNATURE_UNSUPPORTED] = "SIGNATURE_UNSUPPORTED",
		[SV_SHUTDOWN_STATE] = "SHUTDOWN_STATE",
		[SV_BAD_NAME] = "BAD_NAME",
		[SV_BAD_SIGNAL] = "BAD_SIGNAL",
		[SV_NO_FILE] = "NO_FILE",
		[SV_NOT_EXECUTABLE] = "NOT_EXECUTABLE",
		[SV_FAILED] = "FAILED",
		[SV_ABNORMAL_TERMINATION] = "ABNORMAL_TERMINATION",
		[SV_SPAWN_ERROR] = "SPAWN_ERROR",
		[SV_ALREADY_STARTED] = "ALREADY_STARTED",
		[SV_NOT_RUNNING] = "NOT_RUNNING",
		[SV_SUCCESS] = "SUCCESS",
		[SV_ALREADY_ADDED] = "ALREADY_ADDED",
		[SV_STILL_RUNNING] = "STILL_RUNNING",
		[SV_CANT_REREAD] = "CANT_REREAD",
	};

	return names[fault];
}

static void call_free(struct sv_call *c)
{
	json_decref(c->params);
	free(c);
}

json_t *sv_call_text(const char *text, size_t n)
{
	json_t *s = json_stringn(n ? text : "", n);

	if (s)
		return s;
	char *clean = mem_new(n);
	memcpy(clean, text, n);
	utf8_mend(clean, n);
	s = json_stringn(clean, n);
	free(clean);
	return s;
}

void sv_call_return(struct sv_call *c, json_t *result)
{
	assert(result);
	c->done(c, result, 0, NULL);
	json_decref(result);
	call_free(c);
}

void sv_call_fault(struct sv_call *c, enum sv_fault fault, const char *extra)
{
	char text[640];

	snprintf(text, sizeof(text), "%s%s%.500s", sv_fault_name(fault), extra ? ": " : "",
		 extra ? extra : "");
	json_t *clean = sv_call_text(text, strlen(text)); /* it may be cut within a character */
	c->done(c, NULL, fault, json_string_value(clean));
	json_decref(clean);
	call_free(c);
}

/* Parameters that it takes: all words of its signature but the first. */
static size_t most(const struct sv_method *m)
{
	size_t n = 0;

	for (const char *at = m->signature; *at; at++)
		n += *at == ' ';
	return n;
}

void sv_call_run(struct sv *sv, const char *method, json_t *params, sv_call_done done, void *data)
{
	struct sv_call *c = mem_new(sizeof(*c));
	const struct sv_method *m = find(method);
	size_t n = json_array_size(params);

	*c = (struct sv_call){ .sv = sv, .params = params, .data = data, .done = done };
	if (!m)
		sv_call_fault(c, SV_UNKNOWN_METHOD, NULL);
	else if (n < m->least || n > most(m))
		sv_call_fault(c, SV_INCORRECT_PARAMETERS, NULL);
	else if (sv->stopping && !m->always)
		sv_call_fault(c, SV_SHUTDOWN_STATE, NULL);
	else
		m->run(c);
}

/* ---- parameters ------------------------------------------------------------------------------ */

const char *sv_call_string(struct sv_call *c, size_t i)
{
	const char *s = json_string_value(json_array_get(c->params, i));

	if (!s)
		sv_call_fault(c, SV_INCORRECT_PARAMETERS, NULL);
	return s;
}

bool sv_call_integer(struct sv_call *c, size_t i, json_int_t *out)
{
	const json_t *n = json_array_get(c->params, i);

	if (json_is_integer(n))
		*out = json_integer_value(n);
	else
		sv_call_fault(c, SV_INCORRECT_PARAMETERS, NULL);
	return json_is_integer(n);
}

bool sv_call_flag(const struct sv_call *c, size_t i, bool otherwise)
{
	const json_t *n = json_array_get(c->params, i);

	if (json_is_integer(n))
		return json_integer_value(n) != 0;
	return n ? json_is_true(n) : otherwise;
}

/* ---- system.* -----------------------------------------------------------------------------------
 */

static void list_methods(struct sv_call *c)
{
	json_t *all = json_array();

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct sv_method *m = tables[i]; m->name; m++)
			json_array_append_new(all, json_string(m->name));
	sv_call_return(c, all);
}

/* NULL: the call has its answer. */
static const struct sv_method *asked(struct sv_call *c)
{
	const char *name = sv_call_string(c, 0);
	const struct sv_method *m = name ? find(name) : NULL;

	if (name && !m)
		sv_call_fault(c, SV_SIGNATURE_UNSUPPORTED, NULL);
	return m;
}

static void method_signature(struct sv_call *c)
{
	const struct sv_method *m = asked(c);
	json_t *types = json_array();

	for (const char *at = m ? m->signature : ""; *at; at += strspn(at, " ")) {
		size_t n = strcspn(at, " ");
		json_array_append_new(types, json_stringn(at, n));
		at += n;
	}
	if (m)
		sv_call_return(c, types);
	else
		json_decref(types);
}

static void method_help(struct sv_call *c)
{
	const struct sv_method *m = asked(c);

	if (m)
		sv_call_return(c, json_string(m->help));
}

/* Calls one after the other; each has a result, or a struct with its fault. */
struct multi {
	struct sv_call *outer;
	json_t *results;
	size_t at;
	bool running, went_on;
};

static void go_on(struct multi *m);

static void one_done(struct sv_call *c, json_t *result, enum sv_fault fault, const char *text)
{
	struct multi *m = c->data;

	if (result)
		json_array_append(m->results, result);
	else
		json_array_append_new(m->results, json_pack("{s:i,s:s}", "faultCode", (int)fault,
							    "faultString", text));
	if (m->running)
		m->went_on = true;
	else
		go_on(m);
}

/* false: it is answered later. */
static bool run_one(struct multi *m)
{
	const json_t *one = json_array_get(m->outer->params, 0);
	const json_t *call = json_array_get(one, m->at++);
	const char *name = json_string_value(json_object_get(call, "methodName"));
	json_t *params = json_object_get(call, "params");

	m->went_on = false;
	m->running = true;
	if (!name || strcmp(name, "system.multicall") == 0) {
		const char *why =
			name ? "INCORRECT_PARAMETERS: Recursive system.multicall forbidden"
			     : "INCORRECT_PARAMETERS: No methodName";
		json_array_append_new(m->results,
				      json_pack("{s:i,s:s}", "faultCode", SV_INCORRECT_PARAMETERS,
						"faultString", why));
		m->went_on = true;
	} else {
		sv_call_run(m->outer->sv, name, params ? json_incref(params) : json_array(),
			    one_done, m);
	}
	m->running = false;
	return m->went_on;
}

static void go_on(struct multi *m)
{
	const json_t *calls = json_array_get(m->outer->params, 0);

	while (m->at < json_array_size(calls))
		if (!run_one(m))
			return;
	sv_call_return(m->outer, m->results);
	free(m);
}

static void multicall(struct sv_call *c)
{
	if (!json_is_array(json_array_get(c->params, 0))) {
		sv_call_fault(c, SV_INCORRECT_PARAMETERS, NULL);
		return;
	}
	struct multi *m = mem_new(sizeof(*m));
	m->outer = c;
	m->results = json_array();
	go_on(m);
}

const struct sv_method sv_system_methods[] = {
	{ "system.listMethods", "array", 0, list_methods, true, "The names of all methods." },
	{ "system.methodSignature", "array string", 1, method_signature, true,
	  "The types of a method's result and of its parameters." },
	{ "system.methodHelp", "string string", 1, method_help, true, "What a method does." },
	{ "system.multicall", "array array", 1, multicall, true,
	  "Runs calls, each a struct of methodName and params; a result or a struct with the fault "
	  "of each." },
	{ .name = NULL },
};
