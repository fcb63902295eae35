/* The configuration read anew, groups that come and go, the end. */
#include "core/base/err.h"
#include "core/conf/conf.h"
#include "core/log/log.h"
#include "core/run/run.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_call.h"
#include "roles/supervisor/sv_changes.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_team.h"
#include "roles/supervisor/sv_update.h"

static void note(void *data, const struct sv_difference *d)
{
	sv_changes_note(data, d);
}

static void reload_config(struct sv_call *c)
{
	struct sv_changes g;
	struct err err = { 0 };
	struct sv_setup *now = sv_update_read(c->sv, &err);

	sv_changes_init(&g);
	if (!now) {
		sv_call_fault(c, SV_CANT_REREAD, err.text);
	} else {
		sv_update_diff(c->sv, now, note, &g);
		sv_update_pend(c->sv, now);
		sv_call_return(c, json_pack("[[O,O,O]]", g.added, g.changed, g.removed));
	}
	sv_changes_fini(&g);
}

static void add_group(struct sv_call *c)
{
	const char *name = sv_call_string(c, 0);

	if (!name)
		return;
	const struct sv_setup *s = c->sv->pending ? c->sv->pending : c->sv->setup;
	const struct sv_group *g = sv_setup_group(s, name);
	if (sv_team_find(c->sv, name)) {
		sv_call_fault(c, SV_ALREADY_ADDED, name);
	} else if (!g) {
		sv_call_fault(c, SV_BAD_NAME, name);
	} else {
		sv_update_commit(c->sv);
		sv_team_autostart(sv_team_add(c->sv, sv_setup_group(c->sv->setup, name)));
		sv_changed(c->sv);
		sv_call_return(c, json_true());
	}
}

static void remove_group(struct sv_call *c)
{
	const char *name = sv_call_string(c, 0);

	if (!name)
		return;
	struct sv_team *t = sv_team_find(c->sv, name);
	if (!t) {
		sv_call_fault(c, SV_BAD_NAME, name);
	} else if (!sv_team_is_stopped(t)) {
		sv_call_fault(c, SV_STILL_RUNNING, name);
	} else {
		sv_team_remove(t);
		sv_call_return(c, json_true());
	}
}

static void shut_down(struct sv_call *c)
{
	log_info("shutdown was ordered");
	c->sv->state = SV_SHUTDOWN;
	run_stop(c->sv->run);
	sv_call_return(c, json_true());
}

/* supervisord starts itself anew, and all with it; here what changed is enough. */
static void restart(struct sv_call *c)
{
	struct sv *sv = c->sv;

	sv_call_return(c, json_true());
	run_reload(sv->run, NULL);
}

const struct sv_method sv_admin_methods[] = {
	{ "supervisor.reloadConfig", "array", 0, reload_config, false,
	  "Reads the file anew; the groups that are added, changed and removed in it." },
	{ "supervisor.addProcessGroup", "boolean string", 1, add_group, false,
	  "Takes over a group that reloadConfig has read." },
	{ "supervisor.removeProcessGroup", "boolean string", 1, remove_group, false,
	  "Takes away a group that is stopped." },
	{ "supervisor.shutdown", "boolean", 0, shut_down, true,
	  "Ends all processes and the supervisor." },
	{ "supervisor.restart", "boolean", 0, restart, false,
	  "Takes over what has changed in the file." },
	{ .name = NULL },
};
