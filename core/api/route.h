/*
 * api_route - what can be asked for: one table, from which requests are dispatched and openapi.json
 * is made, so that the two can't differ.
 *
 *	{ API_PUSH, "POST", "/v1/tasks/{id}:retry", api_task_retry, ... }
 *
 * {name} is one piece of the path, percent-decoded. A colon and a word end a path that orders
 * something.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/net/http_server.h"

struct api;
struct api_route;
struct api_token;

enum { API_PART = 512, API_QUERIES = 32 };

enum api_scope { API_OPEN, API_PUSH = 1, API_READ = 2, API_ADMIN = 4 };

struct api_query {
	const char *name, *value; /* decoded; in `text` */
};

/* A request, as long as its handler runs. */
struct api_ask {
	struct api *api;
	struct http_call *call;
	const struct http_message *m;
	const struct api_route *route;
	const struct api_token *token; /* NULL: nobody is asked who he is */
	char part[API_PART];           /* the {...} of the path; "": none */
	struct api_query queries[API_QUERIES];
	size_t n_queries;
	char *text; /* own */
};

typedef void (*api_handler)(struct api_ask *ask);

/* For openapi.json. Rows of a table end with name NULL. */
struct api_field {
	const char *name;
	const char *type; /* string, integer, boolean, object, array, any */
	const char *help;
};

struct api_route {
	enum api_scope scope;
	const char *method, *path;
	api_handler act;
	const char *summary;
	const struct api_field *query; /* NULL: none */
	const struct api_field *body;  /* NULL: none; a JSON object */
	const char *statuses;          /* "202 400 401" */
	bool raw;                      /* the body is not JSON, or more than one object */
};

extern const struct api_route api_routes[];

/* How many rows, and which number one has; those that none matched count as one more. */
size_t api_routes_count(void);

/* The handler of http_server. data: the listener's struct api. */
void api_serve(struct api *api, struct http_call *call);

/* A parameter's value, or NULL. */
const char *api_query(const struct api_ask *ask, const char *name);
/* Whether it is there and says yes: "", 1, true, yes. */
bool api_query_yes(const struct api_ask *ask, const char *name);
