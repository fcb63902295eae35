#include "roles/dfsd/df_ctl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/jsontext.h"
#include "core/run/control.h"
#include "roles/dfsd/df.h"

enum { OK, FAILED, UNKNOWN, PATIENCE = 60000, MOST = 100000, LISTED = 100, DEPTH = DF_PATH / 2 };

const char df_ctl_status[] = "status-or-2";

const char df_ctl_help[] =
	"in-sync      [SHARE]: exit status 0, when the peers have all of it, else 1\n"
	"pending      SHARE [PEER] [-n MOST]: what peers have not acknowledged yet\n"
	"pause        SHARE: nothing of it is sent or taken until it is resumed, or a new start\n"
	"resume       SHARE [--force]: --force: what a guard has stopped goes on, too\n"
	"rescan       SHARE [PATH]: looks at all of it, or at a path, now\n"
	"conflicts    [SHARE]: files that two nodes have written to, and were put aside\n";

struct call {
	struct df *df;
	int argc;
	char **argv; /* without options */
	FILE *out;
	bool json, force;
	uint64_t most;
};

static int say(const struct call *c, int rc, const char *what, const char *which)
{
	fprintf(c->out, "%s%s%s\n", what, *which ? " " : "", which);
	return rc;
}

static const char *word(const struct call *c, int i)
{
	return c->argc > i ? c->argv[i] : "";
}

static struct df_share *find_share(const struct call *c)
{
	for (struct list *it = c->df->shares.next; it != &c->df->shares; it = it->next)
		if (strcmp(df_share_name(df_share_of(it)), word(c, 1)) == 0)
			return df_share_of(it);
	say(c, FAILED, *word(c, 1) ? "there is no share" : "which share?", word(c, 1));
	return NULL;
}

/* One line of a list: words and a path. */
static void row(const struct call *c, const char *name, const char *value, const char *path,
		const char *share)
{
	struct json_out o = { NULL, 0, 0 };

	if (!c->json) {
		fprintf(c->out, "%s %s %s\n", share, value, path);
		return;
	}
	json_puts(&o, "{\"share\":");
	json_put_text(&o, share);
	json_printf(&o, ",\"%s\":", name);
	json_put_text(&o, value);
	json_puts(&o, ",\"path\":");
	json_put_text(&o, path);
	json_puts(&o, "}\n");
	fwrite(o.p, 1, o.n, c->out);
	json_out_fini(&o);
}

/* ---- what peers have ----------------------------------------------------------------------- */

static uint64_t acked(const struct df_pair *pair)
{
	struct df_feed_figures f;

	if (!pair->feed)
		return pair->known.ours;
	df_feed_figures(pair->feed, &f);
	return f.acked;
}

static bool sends(const struct df_pair *pair)
{
	return df_share_keys(pair->share)->role & DF_SEND;
}

/* Whose share it is, and who sends there. */
static bool is_in_sync(const struct df_pair *pair)
{
	struct df_share_figures f;

	df_share_figures(pair->share, &f);
	if (!pair->peer->l || (!pair->feed && !pair->apply) || f.waiting ||
	    strcmp(f.state, "ready") != 0)
		return false;
	if (pair->apply && !df_apply_is_done(pair->apply))
		return false;
	return !pair->feed || acked(pair) >= f.last;
}

static int in_sync(struct call *c)
{
	struct df_share *only = c->argc > 1 ? find_share(c) : NULL;
	bool all = true;

	if (c->argc > 1 && !only)
		return FAILED;
	for (struct list *it = c->df->peers.next; it != &c->df->peers; it = it->next) {
		struct df_peer *peer = container_of(it, struct df_peer, link);
		for (struct list *p = peer->pairs.next; p != &peer->pairs; p = p->next) {
			struct df_pair *pair = container_of(p, struct df_pair, of_peer);
			all &= (only && pair->share != only) || is_in_sync(pair);
		}
	}
	return say(c, all ? OK : FAILED, all ? "in sync" : "not in sync", "");
}

static void list_pending(struct call *c, const struct df_pair *pair)
{
	struct df_index *x = df_share_tree(pair->share)->index;
	uint64_t seq = acked(pair), most = c->most;
	struct df_change change;
	char path[DF_PATH];

	while (most && df_index_after(x, seq, &change)) {
		seq = change.seq;
		bool there = change.id != DF_NOBODY
				     ? df_index_path(x, change.id, path)
				     : df_index_place(x, change.parent, change.name, path);
		if (!there)
			continue;
		row(c, "peer", pair->peer->name, path, df_share_name(pair->share));
		most--;
	}
}

static int pending(struct call *c)
{
	struct df_share *s = find_share(c);
	bool found = false;

	if (!s)
		return FAILED;
	for (struct list *it = c->df->peers.next; it != &c->df->peers; it = it->next) {
		struct df_peer *peer = container_of(it, struct df_peer, link);
		if (*word(c, 2) && strcmp(word(c, 2), peer->name) != 0)
			continue;
		for (struct list *p = peer->pairs.next; p != &peer->pairs; p = p->next) {
			struct df_pair *pair = container_of(p, struct df_pair, of_peer);
			if (pair->share != s || !sends(pair))
				continue;
			found = true;
			list_pending(c, pair);
		}
	}
	return found ? OK : say(c, FAILED, "it is sent to no peer", word(c, 2));
}

/* ---- what is to be done -------------------------------------------------------------------- */

static int pause_share(struct call *c)
{
	struct df_share *s = find_share(c);

	if (!s)
		return FAILED;
	df_share_pause(s, "by hand");
	return say(c, OK, "paused", word(c, 1));
}

static int resume(struct call *c)
{
	struct df_share *s = find_share(c);

	if (!s)
		return FAILED;
	if (!df_share_resume(s, c->force))
		return say(c, FAILED, "a guard has paused it; when it is right: --force", "");
	return say(c, OK, "resumed", word(c, 1));
}

static int rescan(struct call *c)
{
	struct df_share *s = find_share(c);

	if (!s)
		return FAILED;
	if (!df_share_rescan(s, word(c, 2)))
		return say(c, FAILED, "it is not known:", word(c, 2));
	return say(c, OK, "it is looked at", word(c, 2));
}

/* ---- conflicts ----------------------------------------------------------------------------- */

/* Where the walk is in each folder. */
struct step {
	df_id id;
	size_t n;
	char last[DF_NAME];
};

static void list_conflicts(struct call *c, struct df_share *s, struct step *steps)
{
	struct df_index *x = df_share_tree(s)->index;
	struct df_node n;
	char path[DF_PATH];
	int depth = 1;

	steps[0] = (struct step){ .id = DF_ROOT };
	while (depth && c->most) {
		struct step *at = &steps[depth - 1];
		if (!df_index_next(x, at->id, (struct df_bytes){ at->last, at->n }, &n)) {
			depth--;
			continue;
		}
		at->n = n.name.n;
		memcpy(at->last, n.name.p, n.name.n);
		if (n.entry.type == DF_DIR && depth < DEPTH)
			steps[depth++] = (struct step){ .id = n.id };
		else if (memmem(n.name.p, n.name.n, ".conflict-", 10) &&
			 df_index_path(x, n.id, path)) {
			row(c, "kind", "conflict", path, df_share_name(s));
			c->most--;
		}
	}
}

static int conflicts(struct call *c)
{
	struct df_share *only = c->argc > 1 ? find_share(c) : NULL;

	if (c->argc > 1 && !only)
		return FAILED;
	struct step *steps = calloc(DEPTH, sizeof(*steps));
	for (struct list *it = c->df->shares.next; steps && it != &c->df->shares; it = it->next)
		if (!only || df_share_of(it) == only)
			list_conflicts(c, df_share_of(it), steps);
	free(steps);
	return OK;
}

/* ---- the words ----------------------------------------------------------------------------- */

static const struct verb {
	const char *name;
	int words; /* at most, without its own */
	int (*act)(struct call *c);
} verbs[] = {
	{ "in-sync", 1, in_sync }, { "pending", 2, pending }, { "pause", 1, pause_share },
	{ "resume", 1, resume },   { "rescan", 2, rescan },   { "conflicts", 1, conflicts },
};

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

/* false: one is not known. */
static bool take_options(struct call *c)
{
	int kept = 1;

	for (int i = 1; i < c->argc; i++) {
		const char *w = c->argv[i];
		if (strcmp(w, "-f") == 0)
			c->force = true;
		else if (strcmp(w, "-n") == 0 && i + 1 < c->argc)
			c->most = strtoull(c->argv[++i], NULL, 10);
		else if (*w == '-' && strcmp(w, "--json") != 0)
			return false;
		else if (*w != '-')
			c->argv[kept++] = c->argv[i];
	}
	c->argc = kept;
	c->most = c->most > MOST ? MOST : c->most;
	return true;
}

int df_ctl(void *self, int argc, char **argv, FILE *out, bool json)
{
	struct call c = { self, argc, argv, out, json, false, LISTED };
	const struct verb *verb = find_verb(argv[0]);

	if (!verb)
		return UNKNOWN;
	if (!take_options(&c) || c.argc - 1 > verb->words)
		return say(&c, FAILED, "these words are too many, or not known (try: help) for",
			   argv[0]);
	return verb->act(&c);
}

/* ---- the client ---------------------------------------------------------------------------- */

static int ask_in_sync(const char *control)
{
	static char word[] = "in-sync";
	char *words[] = { word, NULL };
	FILE *nowhere = fopen("/dev/null", "w");
	int rc = nowhere ? control_call(control, 1, words, PATIENCE, nowhere) : -1;

	if (nowhere)
		fclose(nowhere);
	return rc;
}

/* Not in sync: 2, as of programs of that kind. -w: shown again each second, until it is. */
int df_ctl_client(const char *control, int argc, char **argv, bool json)
{
	static char word[] = "status", option[] = "--json";
	bool watch = argc > 1 && strcmp(argv[1], "-w") == 0;
	char *words[] = { word, option, NULL };
	int rc;

	if (strcmp(argv[0], df_ctl_status) != 0)
		return -1;
	for (;;) {
		if (watch && isatty(STDOUT_FILENO))
			fputs("\033[H\033[2J", stdout);
		rc = control_call(control, json ? 2 : 1, words, PATIENCE, stdout);
		fflush(stdout);
		if (rc != 0)
			return rc < 0 ? FAILED : rc;
		rc = ask_in_sync(control);
		if (!watch || rc <= 0)
			return rc == 0 ? OK : rc < 0 ? FAILED : UNKNOWN;
		sleep(1);
	}
}
