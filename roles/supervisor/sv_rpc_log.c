/* Logs: read, read on, emptied; and bytes for a process's standard input, and for listeners. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/log/log.h"
#include "core/run/run.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_call.h"
#include "roles/supervisor/sv_life.h"
#include "roles/supervisor/sv_logs.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_team.h"

enum { READ_MOST = 8 * 1024 * 1024 };

bool sv_logs_of(const struct sv_proc *p, bool err, struct tail *tail)
{
	const struct sv_life *l = p->life;
	const struct sv_log *log = err ? &p->conf->err : &p->conf->out;
	const char *kept = err ? p->auto_err : p->auto_out;

	*tail = (struct tail){ .path = NULL };
	if (l && (err ? l->has_err : l->has_out))
		*tail = output_tail(err ? &l->err : &l->out);
	else if (log->to == SV_LOG_FILE)
		tail->path = log->path;
	else if (log->to == SV_LOG_AUTO)
		tail->path = kept;
	return tail->path ? access(tail->path, F_OK) == 0 : tail->bytes != NULL;
}

bool sv_logs_main(const struct sv *sv, struct tail *tail)
{
	*tail = (struct tail){ .path = sv->setup->main.logfile };
	return tail->path && access(tail->path, F_OK) == 0;
}

/* ---- reading
 * ---------------------------------------------------------------------------------------- */

static json_t *text_of(const struct buf *b)
{
	return sv_call_text((const char *)buf_data(b), buf_len(b));
}

static void read_tail(struct sv_call *c, const struct tail *tail, size_t at)
{
	json_int_t offset, length;
	struct buf b;

	if (!sv_call_integer(c, at, &offset) || !sv_call_integer(c, at + 1, &length))
		return;
	buf_init(&b, READ_MOST);
	int rc = tail_read(tail, offset, length, &b);
	if (rc == 0)
		sv_call_return(c, text_of(&b));
	else
		sv_call_fault(c, rc == UV_EINVAL ? SV_BAD_ARGUMENTS : SV_FAILED, NULL);
	buf_fini(&b);
}

static void read_main(struct sv_call *c)
{
	struct tail tail;

	if (sv_logs_main(c->sv, &tail))
		read_tail(c, &tail, 0);
	else
		sv_call_fault(c, SV_NO_FILE, tail.path);
}

/* NULL: the call has its answer. */
static struct sv_proc *named(struct sv_call *c)
{
	const char *name = sv_call_string(c, 0);
	struct sv_proc *p = name ? sv_team_lookup(c->sv, name) : NULL;

	if (name && !p)
		sv_call_fault(c, SV_BAD_NAME, name);
	return p;
}

static void read_process(struct sv_call *c, bool err)
{
	const struct sv_proc *p = named(c);
	struct tail tail;

	if (!p)
		return;
	if (sv_logs_of(p, err, &tail))
		read_tail(c, &tail, 1);
	else
		sv_call_fault(c, SV_NO_FILE, tail.path);
}

static void read_stdout(struct sv_call *c)
{
	read_process(c, false);
}

static void read_stderr(struct sv_call *c)
{
	read_process(c, true);
}

static void follow(struct sv_call *c, bool err)
{
	const struct sv_proc *p = named(c);
	json_int_t offset, length;
	bool overflow = false;
	struct tail tail;
	struct buf b;

	if (!p || !sv_call_integer(c, 1, &offset) || !sv_call_integer(c, 2, &length))
		return;
	buf_init(&b, READ_MOST);
	int64_t at = offset;
	if (sv_logs_of(p, err, &tail))
		tail_follow(&tail, &at, length < READ_MOST ? length : READ_MOST, &overflow, &b);
	sv_call_return(c, json_pack("[o,I,b]", text_of(&b), (json_int_t)at, (int)overflow));
	buf_fini(&b);
}

static void follow_stdout(struct sv_call *c)
{
	follow(c, false);
}

static void follow_stderr(struct sv_call *c)
{
	follow(c, true);
}

/* ---- emptying
 * ------------------------------------------------------------------------------------------ */

static bool empty_one(const struct sv_proc *p, bool err)
{
	struct sv_life *l = p->life;
	struct tail tail;

	if (l && (err ? l->has_err : l->has_out))
		return output_clear(err ? &l->err : &l->out) == 0;
	return !sv_logs_of(p, err, &tail) || !tail.path || truncate(tail.path, 0) == 0;
}

static bool empty(const struct sv_proc *p)
{
	bool out = empty_one(p, false), err = empty_one(p, true);

	return out && err;
}

static void clear_process(struct sv_call *c)
{
	const struct sv_proc *p = named(c);

	if (p && empty(p))
		sv_call_return(c, json_true());
	else if (p)
		sv_call_fault(c, SV_FAILED, p->conf->full);
}

static void clear_all(struct sv_call *c)
{
	struct list *it, *tmp, *in, *next;
	json_t *all = json_array();

	list_each (it, tmp, &c->sv->teams)
		list_each (in, next, &container_of(it, struct sv_team, link)->procs) {
			const struct sv_proc *p = container_of(in, struct sv_proc, link);
			bool well = empty(p);
			json_array_append_new(all,
					      json_pack("{s:s,s:s,s:i,s:s}", "name", p->conf->name,
							"group", p->team->conf->name, "status",
							(int)(well ? SV_SUCCESS : SV_FAILED),
							"description", well ? "OK" : "FAILED"));
		}
	sv_call_return(c, all);
}

static void clear_main(struct sv_call *c)
{
	struct tail tail;

	if (!sv_logs_main(c->sv, &tail))
		sv_call_fault(c, SV_NO_FILE, tail.path);
	else if (truncate(tail.path, 0) != 0 || log_reopen() != 0)
		sv_call_fault(c, SV_FAILED, tail.path);
	else
		sv_call_return(c, json_true());
}

/* ---- the other way
 * ----------------------------------------------------------------------------------------- */

static void send_stdin(struct sv_call *c)
{
	struct sv_proc *p = named(c);

	if (!p)
		return;
	const json_t *text = json_array_get(c->params, 1);
	if (!json_is_string(text)) {
		sv_call_fault(c, SV_INCORRECT_PARAMETERS, NULL);
		return;
	}
	int rc = p->life && p->pid
			 ? sv_life_write(p->life, json_string_value(text), json_string_length(text))
			 : UV_ESRCH;
	if (rc == 0)
		sv_call_return(c, json_true());
	else if (rc == UV_EPIPE || rc == UV_EBADF)
		sv_call_fault(c, SV_NO_FILE, p->conf->full);
	else
		sv_call_fault(c, rc == UV_ESRCH ? SV_NOT_RUNNING : SV_FAILED, p->conf->full);
}

static void send_remote(struct sv_call *c)
{
	const char *type = sv_call_string(c, 0);
	const json_t *data = json_array_get(c->params, 1);

	if (!type)
		return;
	if (!json_is_string(data)) {
		sv_call_fault(c, SV_INCORRECT_PARAMETERS, NULL);
		return;
	}
	sv_tell_remote(c->sv, type, json_string_value(data), json_string_length(data));
	sv_call_return(c, json_true());
}

const struct sv_method sv_log_methods[] = {
	{ "supervisor.readLog", "string int int", 2, read_main, true,
	  "Bytes of the supervisor's own log: offset and length; a negative offset counts from the "
	  "end." },
	{ "supervisor.readMainLog", "string int int", 2, read_main, true,
	  "As readLog, which is its name now." },
	{ "supervisor.clearLog", "boolean", 0, clear_main, false,
	  "Empties the supervisor's own log." },
	{ "supervisor.readProcessStdoutLog", "string string int int", 3, read_stdout, true,
	  "Bytes of a process's standard output: offset and length, as in readLog." },
	{ "supervisor.readProcessLog", "string string int int", 3, read_stdout, true,
	  "As readProcessStdoutLog, which is its name now." },
	{ "supervisor.readProcessStderrLog", "string string int int", 3, read_stderr, true,
	  "Bytes of a process's standard error: offset and length, as in readLog." },
	{ "supervisor.tailProcessStdoutLog", "array string int int", 3, follow_stdout, true,
	  "The last bytes of a standard output, its size, and whether some since offset were left "
	  "out." },
	{ "supervisor.tailProcessLog", "array string int int", 3, follow_stdout, true,
	  "As tailProcessStdoutLog, which is its name now." },
	{ "supervisor.tailProcessStderrLog", "array string int int", 3, follow_stderr, true,
	  "The last bytes of a standard error, its size, and whether some since offset were left "
	  "out." },
	{ "supervisor.clearProcessLogs", "boolean string", 1, clear_process, false,
	  "Empties both logs of a process." },
	{ "supervisor.clearProcessLog", "boolean string", 1, clear_process, false,
	  "As clearProcessLogs, which is its name now." },
	{ "supervisor.clearAllProcessLogs", "array", 0, clear_all, false,
	  "Empties the logs of all processes; a struct with the outcome of each." },
	{ "supervisor.sendProcessStdin", "boolean string string", 2, send_stdin, false,
	  "Writes a text to a process's standard input." },
	{ "supervisor.sendRemoteCommEvent", "boolean string string", 2, send_remote, false,
	  "Sends listeners a REMOTE_COMMUNICATION event: its type, its data." },
	{ .name = NULL },
};
