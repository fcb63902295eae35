/* The store's file: checked, copied, compacted. */
#include <stdlib.h>
#include <string.h>

#include "core/api/api.h"
#include "core/api/body.h"
#include "core/api/handlers.h"
#include "core/api/reply.h"
#include "core/api/route.h"
#include "core/base/mem.h"

static void on_done(void *data, int status, const char *why)
{
	struct api_reply *r = data;
	struct json_out o = { .p = NULL };

	if (status != 0) {
		api_error(r,
			  status == UV_EEXIST || status == UV_EACCES || status == UV_ENOENT ? 409
											    : 503,
			  NULL, "%s", why);
	} else {
		json_puts(&o, "{\"ok\":true}\n");
		api_answer(r, 200, NULL, &o);
		json_out_fini(&o);
	}
	free(r);
}

static void look_after(struct api_ask *ask, enum store_care what, const char *path)
{
	struct api_reply *r = mem_new(sizeof(*r));

	*r = api_reply_to(ask);
	http_call_wait(ask->call, r, api_reply_gone);
	if (work_look_after(ask->api->work, what, path, on_done, r) != 0)
		on_done(r, UV_ENOTSUP, "nothing is stored");
}

void api_store_check(struct api_ask *ask)
{
	look_after(ask, STORE_CHECK, NULL);
}

void api_store_compact(struct api_ask *ask)
{
	look_after(ask, STORE_COMPACT, NULL);
}

void api_store_backup(struct api_ask *ask)
{
	struct json body;
	char *path = NULL;

	if (!api_body(ask, &body) || !api_body_text(ask, &body, "path", &path))
		return;
	if (!path || *path != '/')
		api_refuse(ask, 400, "path", "path: an absolute path of the server's");
	else
		look_after(ask, STORE_BACKUP, path);
	free(path);
}
