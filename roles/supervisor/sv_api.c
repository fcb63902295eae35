#include "roles/supervisor/sv_api.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/net/http_decode.h"
#include "core/net/http_server.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_call.h"

struct asked {
	struct http_call *call; /* NULL: gone */
};

static void answer(struct http_call *call, int status, const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	http_reply(call,
		   &(struct http_answer){ status, "application/json", "Cache-Control: no-store\r\n",
					  text ? text : "null", text ? strlen(text) : 4 });
	free(text);
}

static int status_of(enum sv_fault fault)
{
	switch (fault) {
	case SV_BAD_NAME:
	case SV_NO_FILE:
	case SV_UNKNOWN_METHOD:
		return 404;
	case SV_ALREADY_STARTED:
	case SV_NOT_RUNNING:
	case SV_ALREADY_ADDED:
	case SV_STILL_RUNNING:
		return 409;
	case SV_SHUTDOWN_STATE:
		return 503;
	case SV_INCORRECT_PARAMETERS:
	case SV_BAD_ARGUMENTS:
	case SV_BAD_SIGNAL:
		return 400;
	default:
		return 500;
	}
}

static void on_done(struct sv_call *c, json_t *result, enum sv_fault fault, const char *text)
{
	struct asked *a = c->data;

	if (a->call && result) {
		answer(a->call, 200, result);
	} else if (a->call) {
		json_t *o = json_pack("{s:i,s:s,s:s}", "fault", (int)fault, "name",
				      sv_fault_name(fault), "text", text);
		answer(a->call, status_of(fault), o);
		json_decref(o);
	}
	free(a);
}

static void on_gone(void *data)
{
	((struct asked *)data)->call = NULL;
}

static void run(struct sv *sv, struct http_call *call, const char *method, json_t *params)
{
	struct asked *a = mem_new(sizeof(*a));

	a->call = call;
	http_call_wait(call, a, on_gone);
	sv_call_run(sv, method, params, on_done, a);
}

enum { WORDS = 4, PATH_MOST = 2048 };

struct path {
	char text[PATH_MOST];
	char *words[WORDS];
	size_t n; /* 0: nothing is there */
};

/* "programs/NAME/VERB[/MORE]" into its words. */
static void split(struct path *p, const char *path)
{
	char *at = p->text;
	const char *end = path + strcspn(path, "?");

	p->n = 0;
	if (end - path >= PATH_MOST)
		return;
	while (path < end && p->n < WORDS) {
		size_t n = strcspn(path, "/?");
		int len = http_decode(path, n, at, false);
		if (len < 0) {
			p->n = 0;
			return;
		}
		p->words[p->n++] = at;
		at += len + 1;
		path += n + (path[n] == '/');
	}
	if (path < end)
		p->n = 0;
}

static json_t *of_name(const char *name)
{
	return json_pack("[o]", sv_call_text(name, strlen(name)));
}

void sv_api_get(struct sv *sv, struct http_call *call, const char *path)
{
	struct path p = { .n = 0 };

	split(&p, path);
	if (p.n == 1 && strcmp(p.words[0], "programs") == 0)
		run(sv, call, "supervisor.getAllProcessInfo", json_array());
	else if (p.n == 2 && strcmp(p.words[0], "programs") == 0)
		run(sv, call, "supervisor.getProcessInfo", of_name(p.words[1]));
	else if (p.n == 1 && strcmp(p.words[0], "state") == 0)
		run(sv, call, "supervisor.getState", json_array());
	else
		http_reply_status(call, 404);
}

static void call_method(struct sv *sv, struct http_call *call, const char *method)
{
	const struct http_message *m = http_call_message(call);
	json_error_t error;
	json_t *params = m->body_len
				 ? json_loadb(m->body, m->body_len, JSON_REJECT_DUPLICATES, &error)
				 : json_array();

	if (json_is_array(params)) {
		run(sv, call, method, params);
		return;
	}
	json_t *o = json_pack("{s:i,s:s,s:s}", "fault", SV_INCORRECT_PARAMETERS, "name",
			      "INCORRECT_PARAMETERS", "text",
			      params ? "the body is to be an array" : error.text);
	answer(call, 400, o);
	json_decref(o);
	json_decref(params);
}

static bool act(struct sv *sv, struct http_call *call, const struct path *p)
{
	static const char *const verbs[][2] = {
		{ "start", "supervisor.startProcess" },
		{ "stop", "supervisor.stopProcess" },
		{ "restart", "troupe.restart" },
		{ "reload", "troupe.reload" },
		{ "clear", "supervisor.clearProcessLogs" },
	};

	json_t *params = of_name(p->words[1]);
	if (p->n == 4 && strcmp(p->words[2], "signal") == 0) {
		json_array_append_new(params, sv_call_text(p->words[3], strlen(p->words[3])));
		run(sv, call, "supervisor.signalProcess", params);
		return true;
	}
	for (size_t i = 0; p->n == 3 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(p->words[2], verbs[i][0]) == 0) {
			run(sv, call, verbs[i][1], params);
			return true;
		}
	json_decref(params);
	return false;
}

void sv_api_post(struct sv *sv, struct http_call *call, const char *path)
{
	struct path p = { .n = 0 };

	split(&p, path);
	if (p.n == 2 && strcmp(p.words[0], "call") == 0)
		call_method(sv, call, p.words[1]);
	else if (p.n < 3 || strcmp(p.words[0], "programs") != 0 || !act(sv, call, &p))
		http_reply_status(call, 404);
}
