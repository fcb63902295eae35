#include "roles/supervisor/sv_ctl.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/run/control.h"
#include "roles/supervisor/sv_call.h"
#include "roles/supervisor/sv_stream.h"

struct asked {
	struct control_peer *peer; /* NULL: gone */
};

static void answer(struct control_peer *peer, int status, const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	control_begin(peer, status);
	control_put(peer, text ? text : "null", text ? strlen(text) : 4);
	control_put(peer, "\n", 1);
	control_end(peer);
	free(text);
}

static void refuse(struct control_peer *peer, enum sv_fault fault, const char *text)
{
	json_t *o = json_pack("{s:i,s:s,s:s}", "fault", (int)fault, "name", sv_fault_name(fault),
			      "text", text);

	answer(peer, 1, o);
	json_decref(o);
}

static void on_done(struct sv_call *c, json_t *result, enum sv_fault fault, const char *text)
{
	struct asked *a = c->data;

	if (a->peer && result)
		answer(a->peer, 0, result);
	else if (a->peer)
		refuse(a->peer, fault, text);
	free(a);
}

static void on_gone(void *data)
{
	((struct asked *)data)->peer = NULL;
}

static void call(struct sv *sv, const char *method, const char *text, struct control_peer *peer)
{
	json_error_t error;
	json_t *params = text ? json_loads(text, JSON_REJECT_DUPLICATES, &error) : json_array();

	if (!json_is_array(params)) {
		refuse(peer, SV_INCORRECT_PARAMETERS, params ? "no array" : error.text);
		json_decref(params);
		return;
	}
	struct asked *a = mem_new(sizeof(*a));
	a->peer = peer;
	control_wait(peer, a, on_gone, NULL);
	sv_call_run(sv, method, params, on_done, a);
}

bool sv_ctl_later(void *self, int argc, char **argv, struct control_peer *peer)
{
	if (argc >= 2 && argc <= 3 && strcmp(argv[0], "call") == 0)
		call(self, argv[1], argc > 2 ? argv[2] : NULL, peer);
	else if (argc == 2 && strcmp(argv[0], "stream") == 0)
		sv_stream_peer(self, peer, argv[1]);
	else
		return false;
	return true;
}
