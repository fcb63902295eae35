#include "roles/supervisor/sv_api.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
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

/* "programs/NAME/VERB[/MORE]" into its words, in place. */
static size_t split(char *path, char *words[4])
{
	size_t n = 0;
	char *save, *rest = path;

	path[strcspn(path, "?")] = '\0';
	for (char *word; n < 4 && (word = strtok_r(rest, "/", &save)); rest = NULL)
		words[n++] = word;
	return n;
}

void sv_api_get(struct sv *sv, struct http_call *call, const char *path)
{
	char text[700], *words[4];

	snprintf(text, sizeof(text), "%s", path);
	size_t n = split(text, words);
	if (n == 1 && strcmp(words[0], "programs") == 0)
		run(sv, call, "supervisor.getAllProcessInfo", json_array());
	else if (n == 2 && strcmp(words[0], "programs") == 0)
		run(sv, call, "supervisor.getProcessInfo", json_pack("[s]", words[1]));
	else if (n == 1 && strcmp(words[0], "state") == 0)
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

static bool act(struct sv *sv, struct http_call *call, char **words, size_t n)
{
	static const char *const verbs[][2] = {
		{ "start", "supervisor.startProcess" },
		{ "stop", "supervisor.stopProcess" },
		{ "restart", "troupe.restart" },
		{ "reload", "troupe.reload" },
		{ "clear", "supervisor.clearProcessLogs" },
	};

	if (n == 4 && strcmp(words[2], "signal") == 0) {
		run(sv, call, "supervisor.signalProcess", json_pack("[s,s]", words[1], words[3]));
		return true;
	}
	for (size_t i = 0; n == 3 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(words[2], verbs[i][0]) == 0) {
			run(sv, call, verbs[i][1], json_pack("[s]", words[1]));
			return true;
		}
	return false;
}

void sv_api_post(struct sv *sv, struct http_call *call, const char *path)
{
	char text[700], *words[4];

	snprintf(text, sizeof(text), "%s", path);
	size_t n = split(text, words);
	if (n == 2 && strcmp(words[0], "call") == 0)
		call_method(sv, call, words[1]);
	else if (n < 3 || strcmp(words[0], "programs") != 0 || !act(sv, call, words, n))
		http_reply_status(call, 404);
}
