/* df_keys - the sections of dfsd. */
#pragma once

#include "core/conf/conf.h"

enum df_mode { DF_MIRROR, DF_COLLECT, DF_MULTI };
enum df_role { DF_SEND = 1, DF_RECEIVE = 2, DF_BOTH = DF_SEND | DF_RECEIVE };

struct df_keys {
	char **listen;
	char *node, *state, *key;
	int security;
	int64_t handshake, silence, max_skew;
};

struct df_peer_keys {
	char *address;
};

struct df_share_keys {
	char *path;
	int mode, role, owner;
	char **peers, **ignore;
	char *ignore_file, *on_change;
	int64_t settle, open_settle, rescan, poll_interval, max_file, min_free, max_delete;
	bool xattrs, acls, specials;
};

extern const struct conf_section df_sections[];

void df_keys_check(const struct conf *conf, struct conf_errors *errors);

/* Bytes of a key file: 64 hexadecimal digits. */
int df_key_read(const char *path, uint8_t key[32], struct err *err);
