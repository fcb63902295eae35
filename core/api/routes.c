/* The table of api_route.h. Rows are in the order of openapi.json; the hot one comes first. */
#include <stddef.h>

#include "core/api/handlers.h"
#include "core/api/route.h"

static const struct api_field task_fields[] = {
	{ "topic", "string", "1 to 128 bytes; decides the pool" },
	{ "payload", "any", "what the worker gets, byte for byte as it stands here" },
	{ "payload_b64", "string", "or the same in base 64" },
	{ "type", "string", "up to 128 bytes, for the worker" },
	{ "id", "string", "a name of your own: one pending task has it" },
	{ "delay_ms", "integer", "start no sooner than so many ms from now" },
	{ "run_at", "any", "or at a moment: ms since 1970, or RFC 3339" },
	{ "priority", "integer", "0 to 255, the lower first; 128" },
	{ "max_attempts", "integer", "instead of the topic's" },
	{ "backoff", "string", "instead of the topic's: exp 1s 1h jitter 20%" },
	{ "timeout_ms", "integer", "of an attempt" },
	{ "expires_in_ms", "integer", "dropped when it has not started by then" },
	{ "unique", "object", "key, ttl_ms, until (finish, start, ttl): one task of the topic" },
	{ "group", "string", "what limits per key go by" },
	{ "after", "array", "ids of tasks that must have succeeded first" },
	{ "headers", "object", "texts, up to 8 KiB" },
	{ "callback", "object", "url, on: is told when it is over" },
	{ "keep_ms", "integer", "how long what became of it is kept" },
	{ "batch", "string", "of which it is one" },
	{ NULL, NULL, NULL },
};

static const struct api_field wait_query[] = {
	{ "wait", "string", "answer when it is over, at most after that time: 30s" },
	{ NULL, NULL, NULL },
};

static const struct api_field raw_query[] = {
	{ "wait", "string", "answer when it is over, at most after that time: 30s" },
	{ "type", "string", "and each of the following also as X-Troupe-Type and so on" },
	{ "id", "string", "a name of your own" },
	{ "delay", "string", "5m" },
	{ "delay_ms", "integer", "the same in ms" },
	{ "run_at", "string", "a moment" },
	{ "priority", "integer", "0 to 255" },
	{ "max_attempts", "integer", "1 to 1000" },
	{ "backoff", "string", "fixed 30s" },
	{ "timeout_ms", "integer", "of an attempt" },
	{ "expires_in_ms", "integer", "dropped when it has not started by then" },
	{ "keep_ms", "integer", "how long what became of it is kept" },
	{ "group", "string", "what limits per key go by" },
	{ "batch", "string", "of which it is one" },
	{ "unique", "string", "a key: one task of the topic" },
	{ NULL, NULL, NULL },
};

static const struct api_field atomic_query[] = {
	{ "atomic", "boolean", "all or none" },
	{ NULL, NULL, NULL },
};

static const struct api_field get_query[] = {
	{ "wait", "string", "answer when it is over: 30s" },
	{ "fields", "string", "only these: id,state" },
	{ NULL, NULL, NULL },
};

static const struct api_field list_query[] = {
	{ "topic", "string", "of one topic" },
	{ "state", "string",
	  "pending (default), ready, scheduled, waiting, running, succeeded, dead, cancelled, "
	  "expired" },
	{ "type", "string", "of one type" },
	{ "q", "string", "a text in payload, result or error" },
	{ "since", "string", "submitted then or later" },
	{ "until", "string", "submitted then or before" },
	{ "cursor", "string", "what `next` said" },
	{ "limit", "integer", "1 to 1000; 100" },
	{ "fields", "string", "only these" },
	{ NULL, NULL, NULL },
};

static const struct api_field delete_query[] = {
	{ "running", "string", "cancel (default): with grace; kill: without" },
	{ NULL, NULL, NULL },
};

static const struct api_field edit_fields[] = {
	{ "topic", "string", "another one" },
	{ "delay_ms", "integer", "from now" },
	{ "priority", "integer", "0 to 255" },
	{ "payload", "any", "another one" },
	{ NULL, NULL, NULL },
};

static const struct api_field events_query[] = {
	{ "topic", "string", "of one topic" },
	{ "last_event_id", "string", "as the field Last-Event-ID" },
	{ NULL, NULL, NULL },
};

static const struct api_field patch_fields[] = {
	{ "max_attempts", "integer", "0 to 1000" },
	{ "max_crashes", "integer", "0 to 31" },
	{ "backoff", "string", "exp 1s 1h jitter 20%" },
	{ "rate", "string", "100/s burst 20; empty: none" },
	{ "concurrency", "integer", "0: no limit" },
	{ "key_concurrency", "integer", "of each key; 0: no limit" },
	{ "timeout_ms", "integer", "of an attempt" },
	{ "expires_in_ms", "integer", "0: never" },
	{ "keep_ms", "integer", "what became of tasks" },
	{ "max_jobs", "integer", "pending ones; 0: no limit" },
	{ "max_bytes", "integer", "of pending ones; 0: no limit" },
	{ NULL, NULL, NULL },
};

static const struct api_field range_fields[] = {
	{ "state", "string", "pending (default), dead, succeeded" },
	{ "older_ms", "integer", "only those that are older" },
	{ NULL, NULL, NULL },
};

static const struct api_field older_fields[] = {
	{ "older_ms", "integer", "only those that died longer ago" },
	{ NULL, NULL, NULL },
};

static const struct api_field schedule_fields[] = {
	{ "name", "string", "where the path has none" },
	{ "cron", "string", "5 3 * * *" },
	{ "every_ms", "integer", "or an interval" },
	{ "tz", "string", "of cron: Asia/Shanghai" },
	{ "topic", "string", "of its tasks" },
	{ "type", "string", "of its tasks" },
	{ "priority", "integer", "of its tasks" },
	{ "payload", "any", "of its tasks" },
	{ "overlap", "string", "skip, queue, replace" },
	{ "missed", "string", "skip, once, all" },
	{ "jitter_ms", "integer", "up to that much later" },
	{ NULL, NULL, NULL },
};

static const struct api_field batch_fields[] = {
	{ "on_success", "object", "a task: when all have succeeded" },
	{ "on_complete", "object", "a task: when all are over" },
	{ "on_death", "object", "a task: when the first one has died" },
	{ NULL, NULL, NULL },
};

static const struct api_field worker_query[] = {
	{ "pool", "string", "of one pool" },
	{ NULL, NULL, NULL },
};

static const struct api_field scale_fields[] = {
	{ "min", "integer", "workers" },
	{ "max", "integer", "workers" },
	{ NULL, NULL, NULL },
};

static const struct api_field rpc_query[] = {
	{ "timeout", "string", "5s; 30s" },
	{ NULL, NULL, NULL },
};

static const struct api_field backup_fields[] = {
	{ "path", "string", "where to, on the server; nothing may be there" },
	{ NULL, NULL, NULL },
};

#define PUSHED "202 200 400 401 403 404 409 413 415 422 429 503"

const struct api_route api_routes[] = {
	{ API_PUSH, "POST", "/v1/tasks", api_push, "A task is taken in.", wait_query, task_fields,
	  PUSHED, false },
	{ API_READ, "GET", "/v1/tasks", api_task_list, "Tasks, page by page.", list_query, NULL,
	  "200 400 401 403 503", false },
	{ API_PUSH, "POST", "/v1/tasks:batch", api_push_batch,
	  "Up to 10,000 of them, in one commit: an array, or an object a line.", atomic_query, NULL,
	  "202 400 401 403 404 413 422 429 503", true },
	{ API_READ, "GET", "/v1/tasks/{id}", api_task_get,
	  "One task. Its state is one of those that the list knows, or ending: over, and not yet "
	  "on the disk.",
	  get_query, NULL, "200 202 400 401 403 404 410 503", false },
	{ API_ADMIN, "DELETE", "/v1/tasks/{id}", api_task_delete, "It is cancelled.", delete_query,
	  NULL, "202 204 400 401 403 404 409 503", false },
	{ API_ADMIN, "POST", "/v1/tasks/{id}:retry", api_task_retry,
	  "A dead one, or one that waits for its next attempt, is tried again.", NULL, edit_fields,
	  "202 400 401 403 404 409 415 503", false },
	{ API_ADMIN, "POST", "/v1/tasks/{id}:run", api_task_run, "A scheduled one starts early.",
	  NULL, NULL, "202 401 403 404 409 503", false },
	{ API_ADMIN, "POST", "/v1/tasks/{id}:kill", api_task_kill, "What runs ends now.", NULL,
	  NULL, "202 401 403 404 409 503", false },
	{ API_ADMIN, "POST", "/v1/tasks/{id}:move", api_task_move,
	  "Another topic, time, priority or payload.", NULL, edit_fields,
	  "202 400 401 403 404 409 415 503", false },
	{ API_READ, "GET", "/v1/tasks/{id}/events", api_task_events,
	  "What happens to it, until it is over (text/event-stream).", NULL, NULL,
	  "200 401 403 404 503", false },
	{ API_READ, "GET", "/v1/events", api_all_events,
	  "What happens to all tasks (text/event-stream).", events_query, NULL, "200 401 403",
	  false },
	{ API_PUSH, "POST", "/v1/topics/{topic}/tasks", api_push_raw,
	  "A task whose payload is the body, whatever it is.", raw_query, NULL,
	  "202 200 400 401 403 404 409 413 422 429 503", true },
	{ API_READ, "GET", "/v1/topics", api_topic_list, "All topics.", NULL, NULL, "200 401 403",
	  false },
	{ API_READ, "GET", "/v1/topics/{topic}", api_topic_get,
	  "One topic, its limits, its last 24 hours.", NULL, NULL, "200 401 403 404 503", false },
	{ API_ADMIN, "PATCH", "/v1/topics/{topic}", api_topic_patch,
	  "Its limits; they outlive a restart.", NULL, patch_fields, "200 400 401 403 404 415 503",
	  false },
	{ API_ADMIN, "POST", "/v1/topics/{topic}:pause", api_topic_pause,
	  "It takes in, and hands nothing out.", NULL, NULL, "202 401 403 404", false },
	{ API_ADMIN, "POST", "/v1/topics/{topic}:resume", api_topic_resume, "It goes on.", NULL,
	  NULL, "202 401 403 404", false },
	{ API_ADMIN, "POST", "/v1/topics/{topic}:purge", api_topic_purge,
	  "What is pending and does not run, or dead, or kept, goes.", NULL, range_fields,
	  "202 400 401 403 404 415 503", false },
	{ API_ADMIN, "POST", "/v1/topics/{topic}:retry-dead", api_topic_retry,
	  "All its dead are tried again.", NULL, older_fields, "202 400 401 403 404 415 503",
	  false },
	{ API_ADMIN, "POST", "/v1/topics/{topic}:drain", api_topic_drain,
	  "As pause; answers when nothing of it runs any more.", NULL, NULL, "202 401 403 404",
	  false },
	{ API_READ, "GET", "/v1/schedules", api_schedule_list, "Tasks that come by the clock.",
	  NULL, NULL, "200 401 403", false },
	{ API_ADMIN, "POST", "/v1/schedules", api_schedule_post, "One is made or changed.", NULL,
	  schedule_fields, "200 201 400 401 403 415 503", false },
	{ API_READ, "GET", "/v1/schedules/{name}", api_schedule_get, "One of them.", NULL, NULL,
	  "200 401 403 404", false },
	{ API_ADMIN, "PUT", "/v1/schedules/{name}", api_schedule_put, "It is made or changed.",
	  NULL, schedule_fields, "200 201 400 401 403 415 503", false },
	{ API_ADMIN, "DELETE", "/v1/schedules/{name}", api_schedule_delete, "It goes.", NULL, NULL,
	  "204 401 403 404", false },
	{ API_ADMIN, "POST", "/v1/schedules/{name}:run", api_schedule_run, "Once more, now.", NULL,
	  NULL, "202 401 403 404 409 503", false },
	{ API_ADMIN, "POST", "/v1/schedules/{name}:pause", api_schedule_pause, "It rests.", NULL,
	  NULL, "202 401 403 404", false },
	{ API_ADMIN, "POST", "/v1/schedules/{name}:resume", api_schedule_resume, "It goes on.",
	  NULL, NULL, "202 401 403 404", false },
	{ API_PUSH, "POST", "/v1/batches", api_batch_post,
	  "Tasks that will be waited for together; they enter by their member batch.", NULL,
	  batch_fields, "201 400 401 403 404 415 422 429 503", false },
	{ API_READ, "GET", "/v1/batches/{id}", api_batch_get, "How far it is.", NULL, NULL,
	  "200 401 403 404", false },
	{ API_PUSH, "POST", "/v1/batches/{id}:close", api_batch_close, "No more tasks come.", NULL,
	  NULL, "202 401 403 404", false },
	{ API_ADMIN, "POST", "/v1/batches/{id}:cancel", api_batch_cancel,
	  "All its tasks are cancelled.", NULL, NULL, "202 401 403 404", false },
	{ API_READ, "GET", "/v1/workers", api_worker_list, "Workers and pools.", worker_query, NULL,
	  "200 401 403", false },
	{ API_ADMIN, "POST", "/v1/pools/{pool}:reload", api_pool_reload,
	  "New workers for all, one by one, with the code as it is now.", NULL, NULL,
	  "202 401 403 404", false },
	{ API_ADMIN, "POST", "/v1/pools/{pool}:scale", api_pool_scale, "How many workers.", NULL,
	  scale_fields, "202 400 401 403 404 415", false },
	{ API_ADMIN, "POST", "/v1/pools/{pool}:recycle", api_pool_recycle,
	  "New workers for all, one by one.", NULL, NULL, "202 401 403 404", false },
	{ API_PUSH, "POST", "/v1/rpc/{topic}", api_rpc,
	  "A worker answers at once; nothing is stored.", rpc_query, NULL,
	  "200 400 401 403 413 422 502 503 504", true },
	{ API_ADMIN, "POST", "/v1/store:check", api_store_check, "The store's file is looked at.",
	  NULL, NULL, "200 401 403 409 503", false },
	{ API_ADMIN, "POST", "/v1/store:backup", api_store_backup, "A copy of it as of now.", NULL,
	  backup_fields, "200 400 401 403 409 415 503", false },
	{ API_ADMIN, "POST", "/v1/store:compact", api_store_compact,
	  "Its room that is free goes back to the disk.", NULL, NULL, "200 401 403 503", false },
	{ API_OPEN, "GET", "/v1/openapi.json", api_openapi, "This.", NULL, NULL, "200", false },
	{ API_OPEN, "GET", "/healthz", api_health, "It lives.", NULL, NULL, "200", false },
	{ API_OPEN, "GET", "/readyz", api_ready, "It takes tasks in.", NULL, NULL, "200 503",
	  false },
	{ API_READ, "GET", "/metrics", api_metrics_get, "For Prometheus.", NULL, NULL,
	  "200 401 403", false },
	{ API_READ, "GET", "/ui/", api_ui, "For people.", NULL, NULL, "200 401 403", false },
	{ API_OPEN, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false },
};

size_t api_routes_count(void)
{
	return sizeof(api_routes) / sizeof(api_routes[0]) - 1;
}
