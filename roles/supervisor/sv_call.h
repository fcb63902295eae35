/*
 * sv_call - one call of a method, whoever brought it: XML-RPC, JSON, the control socket.
 *
 *	bringer -- sv_call_run --> method -- sv_call_return / sv_call_fault, now or later --> done
 *
 * Values are JSON trees. Faults are supervisord's numbers and words.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

struct sv;
struct sv_call;

enum sv_fault {
	SV_UNKNOWN_METHOD = 1,
	SV_INCORRECT_PARAMETERS = 2,
	SV_BAD_ARGUMENTS = 3,
	SV_SIGNATURE_UNSUPPORTED = 4,
	SV_SHUTDOWN_STATE = 6,
	SV_BAD_NAME = 10,
	SV_BAD_SIGNAL = 11,
	SV_NO_FILE = 20,
	SV_NOT_EXECUTABLE = 21,
	SV_FAILED = 30,
	SV_ABNORMAL_TERMINATION = 40,
	SV_SPAWN_ERROR = 50,
	SV_ALREADY_STARTED = 60,
	SV_NOT_RUNNING = 70,
	SV_SUCCESS = 80,
	SV_ALREADY_ADDED = 90,
	SV_STILL_RUNNING = 91,
	SV_CANT_REREAD = 92,
};

/* Exactly one of result and text is not NULL; both are the call's. The call is freed after it. */
typedef void (*sv_call_done)(struct sv_call *c, json_t *result, enum sv_fault fault,
			     const char *text);

struct sv_call {
	struct sv *sv;
	json_t *params; /* an array */
	void *data;     /* the bringer's; NULL: he is gone */
	sv_call_done done;
};

/* params: its reference is taken over. */
void sv_call_run(struct sv *sv, const char *method, json_t *params, sv_call_done done, void *data);

/* For methods. result's reference is taken over. */
void sv_call_return(struct sv_call *c, json_t *result);

/* A string for a result. A byte that is no UTF-8 becomes '?': XML and JSON have no place for it. */
json_t *sv_call_text(const char *text, size_t n);

/* "BAD_NAME: foo"; extra may be NULL. */
void sv_call_fault(struct sv_call *c, enum sv_fault fault, const char *extra);

/* "BAD_NAME" */
const char *sv_fault_name(enum sv_fault fault);

/* Parameter i, or NULL: then the call has been answered with INCORRECT_PARAMETERS. */
const char *sv_call_string(struct sv_call *c, size_t i);
bool sv_call_integer(struct sv_call *c, size_t i, json_int_t *out);
/* With a default for one that is not there. */
bool sv_call_flag(const struct sv_call *c, size_t i, bool otherwise);

/* A table of methods ends with name NULL. */
struct sv_method {
	const char *name;      /* "supervisor.getState" */
	const char *signature; /* XML-RPC's types: of its result, and of each parameter */
	size_t least;          /* parameters that must be there */
	void (*run)(struct sv_call *c);
	bool always;      /* also while all ends */
	const char *help; /* a sentence */
};

extern const struct sv_method sv_info_methods[], sv_run_methods[], sv_log_methods[],
	sv_admin_methods[], sv_system_methods[], sv_troupe_methods[];
