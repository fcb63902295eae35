/* How it is: /healthz, /readyz, /metrics, /ui/, and what can be asked for: /v1/openapi.json. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/api.h"
#include "core/api/counts.h"
#include "core/api/handlers.h"
#include "core/api/reply.h"
#include "core/api/route.h"
#include "core/stat/stat.h"

void api_health(struct api_ask *ask)
{
	struct json_out o = { .p = NULL };

	json_puts(&o, "{\"ok\":true}\n");
	api_reply(ask, 200, NULL, &o);
	json_out_fini(&o);
}

void api_ready(struct api_ask *ask)
{
	const struct api_role *role = ask->api->role;
	const char *why = role->unready ? role->unready(ask->api->role_data) : NULL;

	if (ask->api->draining)
		api_refuse(ask, 503, NULL, "the server is about to end");
	else if (work_is_failing(ask->api->work))
		api_refuse(ask, 503, NULL, "the store fails");
	else if (why)
		api_refuse(ask, 503, NULL, "%s", why);
	else
		api_health(ask);
}

void api_metrics_get(struct api_ask *ask)
{
	struct api_reply r = api_reply_to(ask);
	char *text;
	size_t size;

	api_metrics(ask->api, &text, &size);
	api_answer_text(&r, 200, "text/plain; version=0.0.4; charset=utf-8", text, size);
	free(text);
}

void api_ui(struct api_ask *ask)
{
	static const char head[] =
		"<!doctype html><html lang=en><meta charset=utf-8><title>%s</title>\n"
		"<meta name=viewport content='width=device-width'><meta http-equiv=refresh "
		"content=5>\n<style>body{font:14px/1.5 system-ui,sans-serif;margin:2em;color:#223;"
		"background:#fff}\nh2{margin:1.2em 0 0;font-size:1.1em}p{margin:0;color:#667}\n"
		"table{border-collapse:collapse;margin:.4em 0}th,td{padding:.2em .8em;"
		"text-align:left;border-bottom:1px solid #dde}\ntd.n{text-align:right;"
		"font-variant-numeric:tabular-nums}\n@media(prefers-color-scheme:dark){body"
		"{background:#181a20;color:#dde}}</style>\n<p><a href=/metrics>metrics</a> "
		"<a href=/v1/openapi.json>openapi.json</a></p>\n";
	struct api_reply r = api_reply_to(ask);
	struct stat_out *stat = stat_new(ask->api->role->name);
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fprintf(out, head, ask->api->role->name);
	api_status(ask->api, stat);
	stat_as_html(stat, out);
	fclose(out);
	stat_free(stat);
	api_answer_text(&r, 200, "text/html; charset=utf-8", text, size);
	free(text);
}
