#include "roles/dfsd/df_keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/err.h"
#include "core/net/addr.h"
#include "roles/dfsd/df_link.h"
#include "roles/dfsd/df_root.h"

static const struct conf_word security_words[] = {
	{ "tls-psk", DF_TLS_PSK }, { "hmac", DF_HMAC }, { "none", DF_NONE }, { NULL, 0 }
};

static const struct conf_word mode_words[] = {
	{ "mirror", DF_MIRROR }, { "collect", DF_COLLECT }, { "multi", DF_MULTI }, { NULL, 0 }
};

static const struct conf_word role_words[] = {
	{ "send", DF_SEND }, { "receive", DF_RECEIVE }, { "both", DF_BOTH }, { NULL, 0 }
};

static const struct conf_word owner_words[] = {
	{ "name", DF_OWNER_NAME }, { "id", DF_OWNER_ID }, { "none", DF_OWNER_NONE }, { NULL, 0 }
};

static const struct conf_key rows[] = {
	CONF_KEY_LIST(struct df_keys, listen,
		      .help = "Addresses for other nodes, as 0.0.0.0:9508."),
	CONF_KEY_STR(struct df_keys, node,
		     .help = "The name of this node among the others; by default the host's."),
	CONF_KEY_STR(struct df_keys, state,
		     .help = "The folder for what is known of the shares; by default in data_dir."),
	CONF_KEY_ENUM(
		struct df_keys, security, security_words, .dflt = "tls-psk",
		.help = "How nodes know each other: TLS 1.3 with the key; hmac: who speaks is "
			"known, what he says can be read; none: for loopback only."),
	CONF_KEY_STR(struct df_keys, key,
		     .help = "The file with the key that all nodes have (troupe dfs keygen)."),
	CONF_KEY_DURATION(struct df_keys, handshake, .dflt = "10s", .min = "1s", .max = "5m",
			  .help = "Time for a node to say who it is."),
	CONF_KEY_DURATION(struct df_keys, silence, .dflt = "30s", .min = "15s", .max = "1h",
			  .help = "A node that says nothing for so long is not there any more."),
	CONF_KEY_DURATION(struct df_keys, max_skew, .dflt = "60s", .min = "1s", .max = "1d",
			  .help = "No share of mode multi goes with a node whose clock differs by "
				  "more, as the later change is to win."),
	CONF_END,
};

static const struct conf_key peer_rows[] = {
	CONF_KEY_STR(struct df_peer_keys, address,
		     .help = "Where it listens, as 10.0.0.2:9508; without one, it calls us."),
	CONF_END,
};

static const struct conf_key share_rows[] = {
	CONF_KEY_STR(struct df_share_keys, path, .flags = CONF_REQUIRED,
		     .help = "The folder; it must be there."),
	CONF_KEY_ENUM(
		struct df_share_keys, mode, mode_words, .dflt = "mirror",
		.help = "mirror: receivers become what the sender is; collect: they keep what a "
			"sender has no more; multi: all write, the later change of a file wins, "
			"and the other one stays as NAME.conflict-TIME-NODE."),
	CONF_KEY_ENUM(struct df_share_keys, role, role_words, .dflt = "send",
		      .help = "What this node does; both: it sends on what it receives, and in "
			      "multi what is written here."),
	CONF_KEY_LIST(struct df_share_keys, peers, .help = "With whom; empty: with all peers."),
	CONF_KEY_DURATION(struct df_share_keys, settle, .dflt = "2ms", .min = "0", .max = "1m",
			  .help = "A change waits so long, so that a burst goes together."),
	CONF_KEY_DURATION(struct df_share_keys, open_settle, .dflt = "1s", .min = "10ms",
			  .max = "1h", .help = "The same for a file that is still being written."),
	CONF_KEY_DURATION(struct df_share_keys, rescan, .dflt = "1h", .min = "0", .max = "30d",
			  .help = "All is looked at again so often; 0: never."),
	CONF_KEY_DURATION(struct df_share_keys, poll_interval, .dflt = "30s", .min = "1s",
			  .max = "1d",
			  .help = "The same, when the system has no watches left for us."),
	CONF_KEY_LIST(struct df_share_keys, ignore, .dflt = "*~, .*.sw[opx]",
		      .help = "What is left out, in gitignore's syntax."),
	CONF_KEY_STR(struct df_share_keys, ignore_file, .dflt = ".dfsignore",
		     .help = "A file in the share with more such lines."),
	CONF_KEY_SIZE(struct df_share_keys, max_file, .dflt = "0",
		      .help = "Larger files are left out; 0: none."),
	CONF_KEY_SIZE(struct df_share_keys, min_free, .dflt = "64MiB",
		      .help = "A receiver leaves so much of its disk free."),
	CONF_KEY_INT(struct df_share_keys, max_delete, .dflt = "0", .min = "0",
		     .help = "A receiver that finds more than so many files and folders too many "
			     "after a whole listing deletes none of them; 0: no limit."),
	CONF_KEY_BOOL(struct df_share_keys, xattrs, .dflt = "yes",
		      .help = "Extended attributes, too."),
	CONF_KEY_BOOL(struct df_share_keys, acls, .dflt = "yes", .help = "Access lists, too."),
	CONF_KEY_BOOL(struct df_share_keys, specials, .dflt = "no",
		      .help = "Fifos and devices, too."),
	CONF_KEY_ENUM(struct df_share_keys, owner, owner_words, .dflt = "name",
		      .help = "Owners by name, else by number; none: what we write is ours."),
	CONF_END,
};

const struct conf_section df_sections[] = {
	{ .name = "dfsd",
	  .help = "Replication of files.",
	  .keys = rows,
	  .size = sizeof(struct df_keys) },
	{ .name = "peer",
	  .help = "Another node, by its name.",
	  .keys = peer_rows,
	  .size = sizeof(struct df_peer_keys),
	  .named = true },
	{ .name = "share",
	  .help = "A folder that several nodes have.",
	  .keys = share_rows,
	  .size = sizeof(struct df_share_keys),
	  .named = true },
	{ .name = NULL },
};

int df_key_read(const char *path, uint8_t key[32], struct err *err)
{
	char digits[65] = "";
	FILE *f = fopen(path, "r");

	if (!f)
		return err_set(err, uv_translate_sys_error(errno), "%s: %s", path, strerror(errno));
	size_t n = fread(digits, 1, 64, f);
	fclose(f);
	if (n != 64 || strspn(digits, "0123456789abcdefABCDEF") != 64)
		return err_set(err, ERR_CONF, "%s: it has to be 64 hexadecimal digits", path);
	for (int i = 0; i < 32; i++)
		sscanf(digits + 2 * i, "%2hhx", &key[i]);
	return 0;
}

static bool is_loopback(const char *text)
{
	struct addr a;

	return addr_parse(&a, text, 9508, NULL) == 0 &&
	       (a.is_unix || strncmp(a.host, "127.", 4) == 0 || strcmp(a.host, "::1") == 0 ||
		strcmp(a.host, "localhost") == 0);
}

static void check_address(const struct conf_item *at, const char *key, const char *text, bool open,
			  struct conf_errors *errors)
{
	struct err err = { .text = "" };
	struct addr a;

	if (addr_parse(&a, text, 9508, &err) != 0)
		conf_error(errors, at, key, "%s", err.text);
	else if (open && !is_loopback(text))
		conf_error(errors, at, key, "%s: without security only loopback", text);
}

/* There is a folder for each. */
static void check_name(const struct conf_item *at, const char *key, const char *name,
		       struct conf_errors *errors)
{
	if (strchr(name, '/') || name[0] == '.' || strlen(name) > DF_NODE_NAME)
		conf_error(errors, at, key,
			   "'%s': a name has no slash, no dot at its front, and up to %d bytes",
			   name, DF_NODE_NAME);
}

static void check_share(const struct conf *conf, const struct conf_item *item,
			struct conf_errors *errors)
{
	const struct df_share_keys *k = item->values;
	struct stat st;

	if (*k->path && (stat(k->path, &st) != 0 || !S_ISDIR(st.st_mode)))
		conf_error(errors, item, "path", "%s: there is no such folder", k->path);
	check_name(item, "path", item->name, errors);
	if (k->mode == DF_MULTI && k->role != DF_BOTH)
		conf_error(errors, item, "role", "in mode multi it has to be both");
	for (char **p = k->peers; *p; p++)
		if (!conf_find(conf, "peer", *p))
			conf_error(errors, item, "peers", "there is no [peer %s]", *p);
}

void df_keys_check(const struct conf *conf, struct conf_errors *errors)
{
	const struct conf_item *self = conf_find(conf, "dfsd", ""), *item = NULL;
	const struct df_keys *k = conf_get(conf, "dfsd");
	bool open = k->security == DF_NONE;
	struct err err = { .text = "" };
	uint8_t key[32];

	if (!open && (!k->key || !*k->key))
		conf_error(errors, self, "key", "it is wanted for this security");
	else if (!open && df_key_read(k->key, key, &err) != 0)
		conf_error(errors, self, "key", "%s", err.text);
	for (char **a = k->listen; *a; a++)
		check_address(self, "listen", *a, open, errors);
	check_name(self, "node", k->node ? k->node : "", errors);
	while ((item = conf_next(conf, "peer", item))) {
		const struct df_peer_keys *p = item->values;
		if (p->address && *p->address)
			check_address(item, "address", p->address, open, errors);
	}
	while ((item = conf_next(conf, "share", item)))
		check_share(conf, item, errors);
}
