#include "roles/sqlproxy/sp_probe.h"

#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/mem.h"
#include "roles/sqlproxy/sp_health.h"
#include "roles/sqlproxy/sp_setup.h"

struct sp_probe {
	MYSQL mysql;
	bool open;
};

struct sp_probe *sp_probe_new(void)
{
	return mem_new(sizeof(struct sp_probe));
}

static void hang_up(struct sp_probe *p)
{
	if (p->open)
		mysql_close(&p->mysql);
	p->open = false;
}

void sp_probe_free(struct sp_probe *p)
{
	if (!p)
		return;
	hang_up(p);
	free(p);
}

static bool fail(struct sp_probe *p, struct sp_reason *reason)
{
	snprintf(reason->text, sizeof(reason->text), "%s", mysql_error(&p->mysql));
	hang_up(p);
	return false;
}

static bool connect_to(struct sp_probe *p, const struct sp_server *s,
		       const struct sp_monitor_conf *m, struct sp_reason *reason)
{
	unsigned seconds = (unsigned)((m->timeout + 999) / 1000);
	my_bool verify = s->conf->tls_verify, enforce = s->conf->tls == SP_TLS_REQUIRED;
	const char *host = s->addr.is_unix ? NULL : s->addr.host;

	if (p->open)
		return true;
	mysql_init(&p->mysql);
	p->open = true;
	mysql_options(&p->mysql, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
	mysql_options(&p->mysql, MYSQL_OPT_READ_TIMEOUT, &seconds);
	mysql_options(&p->mysql, MYSQL_OPT_WRITE_TIMEOUT, &seconds);
	if (s->conf->tls != SP_TLS_OFF) {
		mysql_ssl_set(&p->mysql, s->conf->tls_key, s->conf->tls_cert, s->conf->tls_ca, NULL,
			      NULL);
		mysql_options(&p->mysql, MYSQL_OPT_SSL_ENFORCE, &enforce);
		mysql_options(&p->mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
	}
	if (mysql_real_connect(&p->mysql, host, m->user, m->password, NULL, (unsigned)s->addr.port,
			       s->addr.is_unix ? s->addr.host : NULL, 0))
		return true;
	return fail(p, reason);
}

/* The greeting, as the library saw it. */
static void note_greeting(struct sp_probe *p, const struct sp_server *s)
{
	struct sp_greeting g = { 0 };

	if (__atomic_load_n(&s->health->greeting, __ATOMIC_ACQUIRE))
		return;
	unsigned long caps = 0, extended = 0;
	mariadb_get_infov(&p->mysql, MARIADB_CONNECTION_SERVER_CAPABILITIES, &caps);
	mariadb_get_infov(&p->mysql, MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES, &extended);
	g.caps = (caps & 0xffffffff) | (uint64_t)extended << 32;
	if (strstr(mysql_get_server_info(&p->mysql), "MariaDB"))
		snprintf(g.version, sizeof(g.version), "5.5.5-%s",
			 mysql_get_server_info(&p->mysql));
	else
		snprintf(g.version, sizeof(g.version), "%s", mysql_get_server_info(&p->mysql));
	g.charset = p->mysql.server_language;
	sp_health_greeted(s->health, &g);
}

static MYSQL_RES *ask(struct sp_probe *p, const char *sql)
{
	return mysql_query(&p->mysql, sql) == 0 ? mysql_store_result(&p->mysql) : NULL;
}

static const char *column(MYSQL_RES *res, MYSQL_ROW row, const char *name, const char *other)
{
	MYSQL_FIELD *fields = mysql_fetch_fields(res);

	for (unsigned i = 0; i < mysql_num_fields(res); i++)
		if (strcasecmp(fields[i].name, name) == 0 || strcasecmp(fields[i].name, other) == 0)
			return row[i] ? row[i] : "";
	return NULL;
}

/* How far a replica is behind; one whose threads do not run is of no use for reads. */
static void look_at_replication(struct sp_probe *p, struct sp_look *look)
{
	MYSQL_RES *res = ask(p, "SHOW SLAVE STATUS");
	MYSQL_ROW row = res ? mysql_fetch_row(res) : NULL;

	if (!res && (res = ask(p, "SHOW REPLICA STATUS")))
		row = mysql_fetch_row(res);
	if (row) {
		const char *lag =
			column(res, row, "Seconds_Behind_Master", "Seconds_Behind_Source");
		const char *sql = column(res, row, "Slave_SQL_Running", "Replica_SQL_Running");
		look->is_replica = true;
		look->lag = lag && *lag ? atoll(lag) * 1000 : SP_LAG_BROKEN;
		if (sql && strcasecmp(sql, "Yes") != 0)
			look->lag = SP_LAG_BROKEN;
	}
	mysql_free_result(res);
}

static void look_at_galera(struct sp_probe *p, struct sp_look *look)
{
	MYSQL_RES *res = ask(p, "SHOW STATUS WHERE Variable_name IN ('wsrep_on', 'wsrep_ready', "
				"'wsrep_local_state')");
	MYSQL_ROW row;
	int state = 0;
	bool ready = false;

	while (res && (row = mysql_fetch_row(res))) {
		if (strcasecmp(row[0], "wsrep_local_state") == 0)
			state = atoi(row[1]);
		else if (strcasecmp(row[0], "wsrep_ready") == 0)
			ready = strcasecmp(row[1], "ON") == 0;
	}
	mysql_free_result(res);
	look->galera = state > 0;
	look->galera_ready = ready && state == 4; /* synced */
}

bool sp_probe_look(struct sp_probe *p, const struct sp_server *s, const struct sp_monitor_conf *m,
		   struct sp_look *look, struct sp_reason *reason)
{
	*look = (struct sp_look){ .lag = SP_LAG_NONE };
	if (!connect_to(p, s, m, reason))
		return false;
	note_greeting(p, s);
	MYSQL_RES *res = ask(p, "SELECT @@global.read_only");
	MYSQL_ROW row = res ? mysql_fetch_row(res) : NULL;
	if (!row) {
		mysql_free_result(res);
		return fail(p, reason);
	}
	look->read_only = row[0] && row[0][0] == '1';
	mysql_free_result(res);
	look_at_replication(p, look);
	look_at_galera(p, look);
	return true;
}

bool sp_probe_account(struct sp_probe *p, const char *user, struct sp_secret *out,
		      struct sp_reason *reason)
{
	char name[2 * 65 + 1], sql[512];
	bool found = false;

	mysql_real_escape_string(&p->mysql, name, user, strlen(user));
	snprintf(sql, sizeof(sql),
		 "SELECT plugin, authentication_string FROM mysql.user WHERE user = '%s' ORDER BY "
		 "host = '%%' DESC LIMIT 1",
		 name);
	MYSQL_RES *res = ask(p, sql);
	if (!res) { /* 5.6 keeps it in another column */
		snprintf(sql, sizeof(sql),
			 "SELECT plugin, password FROM mysql.user WHERE user = '%s' LIMIT 1", name);
		res = ask(p, sql);
	}
	if (!res)
		return fail(p, reason);
	MYSQL_ROW row = mysql_fetch_row(res);
	unsigned long *lens = mysql_fetch_lengths(res);
	memset(out, 0, sizeof(*out));
	if (row && row[1] && sp_auth_native_parse(row[1], lens[1], out->stage2)) {
		found = out->has_stage2 = true;
	} else if (row && row[1] && sp_auth_sha2_is_hash(row[1], lens[1])) {
		out->sha2 = mem_new(lens[1] + 1);
		memcpy(out->sha2, row[1], lens[1]);
		out->sha2_len = lens[1];
		found = true;
	} else if (row) {
		snprintf(reason->text, sizeof(reason->text),
			 "plugin %s is not one that a hash can be used of", row[0] ? row[0] : "");
	}
	mysql_free_result(res);
	return found;
}

/* One line for `troupe check`. */
bool sp_probe_report(const struct sp_server *s, const struct sp_monitor_conf *m, FILE *out)
{
	static char name[] = "troupe", none[] = "";
	struct sp_monitor_conf nobody = *m;
	struct sp_probe *p = sp_probe_new();
	struct sp_look look;
	struct sp_reason reason;

	if (!nobody.user) { /* a refused login proves that a server is there */
		nobody.user = name;
		nobody.password = none;
	}
	bool good = sp_probe_look(p, s, &nobody, &look, &reason);
	bool there = good || (!m->user && strstr(reason.text, "Access denied"));
	if (good)
		fprintf(out, "server %s %s: ok, %s, %s\n", s->name, s->conf->address,
			mysql_get_server_info(&p->mysql),
			look.read_only ? "read only" : "writable");
	else
		fprintf(out, "server %s %s: %s%s\n", s->name, s->conf->address,
			there ? "reachable; " : "", reason.text);
	sp_probe_free(p);
	return there;
}
