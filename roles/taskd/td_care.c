/* The store's file: checked, copied, compacted. */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "roles/taskd/td.h"
#include "roles/taskd/td_api.h"
#include "roles/taskd/td_body.h"
#include "roles/taskd/td_reply.h"
#include "roles/taskd/td_route.h"

static void on_done(void *data, int status, const char *why)
{
	struct td_reply *r = data;
	struct json_out o = { .p = NULL };

	if (status != 0) {
		td_error(r,
			 status == UV_EEXIST || status == UV_EACCES || status == UV_ENOENT ? 409
											   : 503,
			 NULL, "%s", why);
	} else {
		json_puts(&o, "{\"ok\":true}\n");
		td_answer(r, 200, NULL, &o);
		json_out_fini(&o);
	}
	free(r);
}

static void look_after(struct td_ask *ask, enum store_care what, const char *path)
{
	struct td_reply *r = mem_new(sizeof(*r));

	*r = td_reply_to(ask);
	http_call_wait(ask->call, r, td_reply_gone);
	if (work_look_after(ask->td->work, what, path, on_done, r) != 0)
		on_done(r, UV_ENOTSUP, "nothing is stored");
}

void td_store_check(struct td_ask *ask)
{
	look_after(ask, STORE_CHECK, NULL);
}

void td_store_compact(struct td_ask *ask)
{
	look_after(ask, STORE_COMPACT, NULL);
}

void td_store_backup(struct td_ask *ask)
{
	struct json body;
	char *path = NULL;

	if (!td_body(ask, &body) || !td_body_text(ask, &body, "path", &path))
		return;
	if (!path || *path != '/')
		td_refuse(ask, 400, "path", "path: an absolute path of the server's");
	else
		look_after(ask, STORE_BACKUP, path);
	free(path);
}
