/*
 * td_route - what can be asked for: one table, from which requests are dispatched and openapi.json
 * is made, so that the two can't differ.
 *
 *	{ TD_PUSH, "POST", "/v1/tasks/{id}:retry", td_task_retry, ... }
 *
 * {name} is one piece of the path, percent-decoded. A colon and a word end a path that orders
 * something.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/net/http_server.h"

struct td;
struct td_route;
struct td_token;

enum { TD_PART = 512, TD_QUERIES = 32 };

enum td_scope { TD_OPEN, TD_PUSH = 1, TD_READ = 2, TD_ADMIN = 4 };

struct td_query {
	const char *name, *value; /* decoded; in `text` */
};

/* A request, as long as its handler runs. */
struct td_ask {
	struct td *td;
	struct http_call *call;
	const struct http_message *m;
	const struct td_route *route;
	const struct td_token *token; /* NULL: nobody is asked who he is */
	char part[TD_PART];           /* the {...} of the path; "": none */
	struct td_query queries[TD_QUERIES];
	size_t n_queries;
	char *text; /* own */
};

typedef void (*td_handler)(struct td_ask *ask);

/* For openapi.json. Rows of a table end with name NULL. */
struct td_field {
	const char *name;
	const char *type; /* string, integer, boolean, object, array, any */
	const char *help;
};

struct td_route {
	enum td_scope scope;
	const char *method, *path;
	td_handler act;
	const char *summary;
	const struct td_field *query; /* NULL: none */
	const struct td_field *body;  /* NULL: none; a JSON object */
	const char *statuses;         /* "202 400 401" */
	bool raw;                     /* the body is not JSON, or more than one object */
};

extern const struct td_route td_routes[];

/* How many rows, and which number one has; those that none matched count as one more. */
size_t td_routes_count(void);

/* The handler of http_server. data: the listener's struct td. */
void td_serve(struct td *td, struct http_call *call);

/* A parameter's value, or NULL. */
const char *td_query(const struct td_ask *ask, const char *name);
/* Whether it is there and says yes: "", 1, true, yes. */
bool td_query_yes(const struct td_ask *ask, const char *name);
