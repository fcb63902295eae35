/*
 * Starts, stops and signals: of a process, a group, all. A call that waits is answered when each
 * of its processes has come to where it was sent, or gave up on the way.
 */
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_call.h"
#include "roles/supervisor/sv_info.h"
#include "roles/supervisor/sv_parse.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_team.h"

enum op { START, STOP };

struct batch {
	struct sv_call *call;
	enum op op;
	bool single; /* its result is true or a fault, else a list */
	bool wait;
	struct sv_watch watch;
	struct sv_proc **procs; /* NULL: it is decided */
	size_t n, waiting;
	json_t *results;
	enum sv_fault fault; /* of the single one */
	char extra[300];
};

static void add_result(struct batch *b, const struct sv_proc *p, enum sv_fault fault,
		       const char *extra)
{
	char text[400];

	snprintf(text, sizeof(text), "%s%s%s", sv_fault_name(fault), extra ? ": " : "",
		 extra ? extra : "");
	b->fault = fault;
	snprintf(b->extra, sizeof(b->extra), "%s", extra ? extra : "");
	json_t *said = fault == SV_SUCCESS ? json_string("OK") : sv_call_text(text, strlen(text));
	json_array_append_new(b->results, json_pack("{s:s,s:s,s:i,s:o}", "name", p->conf->name,
						    "group", p->team->conf->name, "status",
						    (int)fault, "description", said));
}

static void batch_end(struct batch *b)
{
	struct sv_call *c = b->call;

	sv_unwatch(&b->watch);
	if (!b->single)
		sv_call_return(c, json_incref(b->results));
	else if (b->fault == SV_SUCCESS)
		sv_call_return(c, json_true());
	else
		sv_call_fault(c, b->fault, *b->extra ? b->extra : NULL);
	json_decref(b->results);
	free(b->procs);
	free(b);
}

/* Has it come where it was sent? Then the result is added. */
static bool start_decided(struct batch *b, const struct sv_proc *p)
{
	enum sv_proc_state s = sv_proc_state(p);
	char full[512];

	sv_proc_full(p, full, sizeof(full));
	if (s == SV_RUNNING_STATE || (!b->wait && (p->waits || (s == SV_STARTING && p->life))))
		add_result(b, p, SV_SUCCESS, NULL);
	else if (s == SV_STARTING || s == SV_STOPPING || (s == SV_STOPPED && p->wanted))
		return false;
	else if (p->has_exit && p->ended)
		add_result(b, p, SV_ABNORMAL_TERMINATION, p->conf->name);
	else
		add_result(b, p, SV_SPAWN_ERROR, p->conf->name);
	return true;
}

static bool stop_decided(struct batch *b, const struct sv_proc *p)
{
	if (b->wait && (sv_proc_is_running(p) || sv_proc_state(p) == SV_STOPPING))
		return false;
	add_result(b, p, SV_SUCCESS, NULL);
	return true;
}

static void look(struct batch *b, size_t i)
{
	const struct sv_proc *p = b->procs[i];
	bool decided = p && (b->op == START ? start_decided(b, p) : stop_decided(b, p));

	if (!decided)
		return;
	b->procs[i] = NULL;
	b->waiting--;
}

static void on_move(struct sv_watch *w, struct sv_proc *p, int from)
{
	struct batch *b = w->owner;

	(void)from;
	for (size_t i = 0; i < b->n; i++)
		if (b->procs[i] == p)
			look(b, i);
	if (b->waiting == 0)
		batch_end(b);
}

/* Is there something to execute? */
static enum sv_fault executable(const struct sv_proc *p)
{
	const char *file = p->conf->argv[0];

	if (!strchr(file, '/') || p->conf->chroot)
		return SV_SUCCESS; /* found, or not, when it is spawned */
	if (access(file, F_OK) != 0)
		return SV_NO_FILE;
	return access(file, X_OK) == 0 ? SV_SUCCESS : SV_NOT_EXECUTABLE;
}

/* In supervisord's words. */
static const char *unexecutable(const struct sv_proc *p, enum sv_fault fault, char *into,
				size_t size)
{
	bool there = fault != SV_NO_FILE;

	snprintf(into, size, "%s '%s'%s", there ? "command at" : "can't find command",
		 p->conf->argv[0], there ? " is not executable" : "");
	return into;
}

static void send_one(struct batch *b, size_t i)
{
	struct sv_proc *p = b->procs[i];
	enum sv_fault file = b->op == START ? executable(p) : SV_SUCCESS;
	char why[300];

	if (b->op == START && sv_proc_is_running(p))
		add_result(b, p, SV_ALREADY_STARTED, p->conf->full);
	else if (b->op == STOP && !sv_proc_is_running(p))
		add_result(b, p, SV_NOT_RUNNING, p->conf->full);
	else if (file != SV_SUCCESS)
		add_result(b, p, file, unexecutable(p, file, why, sizeof(why)));
	else if (b->op == START)
		sv_proc_start(p);
	else
		sv_proc_stop(p);
}

/* One whose result is not there yet is still awaited. */
static void send_all(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		size_t before = json_array_size(b->results);
		send_one(b, i);
		if (json_array_size(b->results) > before) {
			b->procs[i] = NULL;
			b->waiting--;
		} else {
			look(b, i);
		}
	}
	if (b->waiting == 0)
		batch_end(b);
	else
		sv_watch(b->call->sv, &b->watch);
}

static struct batch *batch_new(struct sv_call *c, enum op op, size_t most)
{
	struct batch *b = mem_new(sizeof(*b));

	b->call = c;
	b->op = op;
	b->results = json_array();
	b->procs = mem_new((most + 1) * sizeof(*b->procs));
	b->watch = (struct sv_watch){ .owner = b, .on_move = on_move };
	list_init(&b->watch.link);
	return b;
}

static void add(struct batch *b, struct sv_proc *p)
{
	b->procs[b->n++] = p;
	b->waiting++;
}

/* Those that the order means: running ones are stopped, others started. */
static void add_team(struct batch *b, struct sv_team *t)
{
	struct list *it, *tmp;

	list_each (it, tmp, &t->procs) {
		struct sv_proc *p = container_of(it, struct sv_proc, link);
		if (!p->conf->spare && sv_proc_is_running(p) == (b->op == STOP))
			add(b, p);
	}
}

static size_t count_all(const struct sv *sv)
{
	struct list *it, *tmp, *in, *next;
	size_t n = 0;

	list_each (it, tmp, &sv->teams)
		list_each (in, next, &container_of(it, struct sv_team, link)->procs)
			n++;
	return n;
}

static void group(struct sv_call *c, enum op op)
{
	const char *name = sv_call_string(c, 0);

	if (!name)
		return;
	struct sv_team *t = sv_team_find(c->sv, name);
	if (!t) {
		sv_call_fault(c, SV_BAD_NAME, name);
		return;
	}
	struct batch *b = batch_new(c, op, count_all(c->sv));
	b->wait = sv_call_flag(c, 1, true);
	add_team(b, t);
	send_all(b);
}

static void all(struct sv_call *c, enum op op)
{
	struct batch *b = batch_new(c, op, count_all(c->sv));
	struct list *it, *tmp;

	b->wait = sv_call_flag(c, 0, true);
	list_each (it, tmp, &c->sv->teams)
		add_team(b, container_of(it, struct sv_team, link));
	send_all(b);
}

/* "group:*" means the group. */
static bool means_group(struct sv_call *c, const char *name, char group[256])
{
	size_t n = strlen(name);

	if (n < 3 || n > 255 || strcmp(name + n - 2, ":*") != 0)
		return false;
	memcpy(group, name, n - 2);
	group[n - 2] = '\0';
	json_array_set_new(c->params, 0, json_string(group));
	return true;
}

static void one(struct sv_call *c, enum op op)
{
	const char *name = sv_call_string(c, 0);
	char text[256];

	if (!name)
		return;
	if (means_group(c, name, text)) {
		group(c, op);
		return;
	}
	struct sv_proc *p = sv_team_lookup(c->sv, name);
	if (!p) {
		sv_call_fault(c, SV_BAD_NAME, name);
		return;
	}
	struct batch *b = batch_new(c, op, 1);
	b->single = true;
	b->wait = sv_call_flag(c, 1, true);
	add(b, p);
	send_all(b);
}

static void start_process(struct sv_call *c)
{
	one(c, START);
}

static void stop_process(struct sv_call *c)
{
	one(c, STOP);
}

static void start_group(struct sv_call *c)
{
	group(c, START);
}

static void stop_group(struct sv_call *c)
{
	group(c, STOP);
}

static void start_all(struct sv_call *c)
{
	all(c, START);
}

static void stop_all(struct sv_call *c)
{
	all(c, STOP);
}

/* ---- signals
 * ---------------------------------------------------------------------------------------- */

/* A signal as it was given: "HUP", "SIGHUP", "1" or 1. */
struct order {
	char text[32];
	int sig; /* 0: there is none of that name */
};

/* Parameter i. */
static struct order order_of(const struct sv_call *c, size_t i)
{
	const json_t *given = json_array_get(c->params, i);
	struct order o = { .sig = 0 };
	int sig;

	if (json_is_integer(given))
		snprintf(o.text, sizeof(o.text), "%lld", (long long)json_integer_value(given));
	else if (json_is_string(given))
		snprintf(o.text, sizeof(o.text), "%s", json_string_value(given));
	if (sv_parse_signal(o.text, &sig, NULL) == 0)
		o.sig = sig;
	return o;
}

static void signal_team(struct sv_team *t, const struct order *o, json_t *results)
{
	struct list *it, *tmp;
	char text[64];

	list_each (it, tmp, &t->procs) {
		struct sv_proc *p = container_of(it, struct sv_proc, link);
		enum sv_fault fault = SV_BAD_SIGNAL;
		if (!sv_proc_is_running(p) && sv_proc_state(p) != SV_STOPPING)
			continue;
		if (o->sig)
			fault = sv_proc_signal(p, o->sig) == 0 ? SV_SUCCESS : SV_FAILED;
		snprintf(text, sizeof(text), "%s%s%s", sv_fault_name(fault), o->sig ? "" : ": ",
			 o->sig ? "" : o->text);
		json_t *said =
			fault == SV_SUCCESS ? json_string("OK") : sv_call_text(text, strlen(text));
		json_array_append_new(results, json_pack("{s:s,s:s,s:i,s:o}", "name", p->conf->name,
							 "group", t->conf->name, "status",
							 (int)fault, "description", said));
	}
}

static void signal_group(struct sv_call *c)
{
	const char *name = sv_call_string(c, 0);

	if (!name)
		return;
	struct sv_team *t = sv_team_find(c->sv, name);
	struct order o = order_of(c, 1);
	if (!t) {
		sv_call_fault(c, SV_BAD_NAME, name);
		return;
	}
	json_t *results = json_array();
	signal_team(t, &o, results);
	sv_call_return(c, results);
}

static void signal_process(struct sv_call *c)
{
	const char *name = sv_call_string(c, 0);
	char text[256];

	if (!name)
		return;
	if (means_group(c, name, text)) {
		signal_group(c);
		return;
	}
	struct sv_proc *p = sv_team_lookup(c->sv, name);
	struct order o = order_of(c, 1);
	if (!p)
		sv_call_fault(c, SV_BAD_NAME, name);
	else if (!o.sig)
		sv_call_fault(c, SV_BAD_SIGNAL, o.text);
	else if (!p->pid)
		sv_call_fault(c, SV_NOT_RUNNING, name);
	else if (sv_proc_signal(p, o.sig) == 0)
		sv_call_return(c, json_true());
	else
		sv_call_fault(c, SV_FAILED, name);
}

static void signal_all(struct sv_call *c)
{
	struct order o = order_of(c, 0);
	json_t *results = json_array();
	struct list *it, *tmp;

	list_each (it, tmp, &c->sv->teams)
		signal_team(container_of(it, struct sv_team, link), &o, results);
	sv_call_return(c, results);
}

const struct sv_method sv_run_methods[] = {
	{ "supervisor.startProcess", "boolean string boolean", 1, start_process, false,
	  "Starts a process, or a group as NAME:*; waits until it runs unless the flag is false." },
	{ "supervisor.startProcessGroup", "array string boolean", 1, start_group, false,
	  "Starts the processes of a group; a struct with the outcome of each." },
	{ "supervisor.startAllProcesses", "array boolean", 0, start_all, false,
	  "Starts all processes; a struct with the outcome of each." },
	{ "supervisor.stopProcess", "boolean string boolean", 1, stop_process, false,
	  "Stops a process, or a group as NAME:*; waits for its end unless the flag is false." },
	{ "supervisor.stopProcessGroup", "array string boolean", 1, stop_group, false,
	  "Stops the processes of a group; a struct with the outcome of each." },
	{ "supervisor.stopAllProcesses", "array boolean", 0, stop_all, false,
	  "Stops all processes; a struct with the outcome of each." },
	{ "supervisor.signalProcess", "boolean string string", 2, signal_process, false,
	  "Sends a signal, by its name or number, to a process, or a group as NAME:*." },
	{ "supervisor.signalProcessGroup", "array string string", 2, signal_group, false,
	  "Sends a signal to the processes of a group." },
	{ "supervisor.signalAllProcesses", "array string", 1, signal_all, false,
	  "Sends a signal to all processes." },
	{ .name = NULL },
};
