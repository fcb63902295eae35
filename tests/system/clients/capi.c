/*
 * libmariadb, the C driver: capi HOST PORT USER PASSWORD SCHEMA CASE.
 * Prints what it sees, for a comparison of two servers.
 */
#include <mysql.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char **arg;

static MYSQL *link_up(unsigned long flags)
{
	MYSQL *db = mysql_init(NULL);
	unsigned local = 1;

	mysql_options(db, MYSQL_OPT_LOCAL_INFILE, &local);
	mysql_options(db, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	if (!mysql_real_connect(db, arg[0], arg[2], arg[3], arg[4], (unsigned)atoi(arg[1]), NULL,
				flags)) {
		printf("connect: %u %s\n", mysql_errno(db), mysql_error(db));
		exit(0);
	}
	return db;
}

static void state(MYSQL *db)
{
	printf("state: %u [%s] %s affected=%lld id=%llu warnings=%u info=%s\n", mysql_errno(db),
	       mysql_error(db), mysql_sqlstate(db), (long long)mysql_affected_rows(db),
	       (unsigned long long)mysql_insert_id(db), mysql_warning_count(db),
	       mysql_info(db) ? mysql_info(db) : "-");
}

static void fields(MYSQL_RES *set)
{
	MYSQL_FIELD *f;

	while ((f = mysql_fetch_field(set)))
		printf("field: %s.%s.%s type=%d length=%lu max=%lu flags=%u decimals=%u "
		       "charset=%u\n",
		       f->db, f->table, f->name, (int)f->type, f->length, f->max_length, f->flags,
		       f->decimals, f->charsetnr);
}

static void rows(MYSQL_RES *set)
{
	unsigned n = mysql_num_fields(set);
	MYSQL_ROW row;

	fields(set);
	while ((row = mysql_fetch_row(set))) {
		unsigned long *lengths = mysql_fetch_lengths(set);
		printf("row:");
		for (unsigned i = 0; i < n; i++) {
			if (row[i] && lengths[i] <= 200)
				printf(" [%.*s]", (int)lengths[i], row[i]);
			else
				printf(" %s %lu", row[i] ? "long" : "NULL", lengths[i]);
		}
		printf("\n");
	}
	mysql_free_result(set);
}

static void results(MYSQL *db)
{
	int more;

	do {
		MYSQL_RES *set = mysql_store_result(db);
		if (set)
			rows(set);
		state(db);
		more = mysql_next_result(db);
	} while (more == 0);
	if (more > 0)
		state(db);
}

static void run(MYSQL *db, const char *format, ...)
{
	char sql[4096];
	va_list list;

	va_start(list, format);
	vsnprintf(sql, sizeof(sql), format, list);
	va_end(list);
	printf("sql: %s\n", sql);
	if (mysql_query(db, sql))
		state(db);
	else
		results(db);
}

static MYSQL_STMT *prepare(MYSQL *db, const char *sql)
{
	MYSQL_STMT *s = mysql_stmt_init(db);
	int bad = mysql_stmt_prepare(s, sql, strlen(sql));

	printf("prepare: %s: %d params=%lu columns=%u %u [%s]\n", sql, bad,
	       mysql_stmt_param_count(s), mysql_stmt_field_count(s), mysql_stmt_errno(s),
	       mysql_stmt_error(s));
	return s;
}

/* Executes and prints every row with every column as text. */
static void execute(MYSQL_STMT *s)
{
	char text[8][256];
	unsigned long length[8];
	my_bool null[8];
	MYSQL_BIND out[8];
	unsigned n;
	int got;

	if (mysql_stmt_execute(s)) {
		printf("execute: %u [%s] %s\n", mysql_stmt_errno(s), mysql_stmt_error(s),
		       mysql_stmt_sqlstate(s));
		return;
	}
	do {
		n = mysql_stmt_field_count(s);
		printf("execute: affected=%lld id=%llu warnings=%u\n",
		       (long long)mysql_stmt_affected_rows(s),
		       (unsigned long long)mysql_stmt_insert_id(s), mysql_stmt_warning_count(s));
		if (!n)
			continue;
		memset(out, 0, sizeof(out));
		for (unsigned i = 0; i < n && i < 8; i++) {
			out[i].buffer_type = MYSQL_TYPE_STRING;
			out[i].buffer = text[i];
			out[i].buffer_length = sizeof(text[i]);
			out[i].length = &length[i];
			out[i].is_null = &null[i];
		}
		mysql_stmt_bind_result(s, out);
		while ((got = mysql_stmt_fetch(s)) == 0 || got == MYSQL_DATA_TRUNCATED) {
			printf("row:");
			for (unsigned i = 0; i < n && i < 8; i++) {
				unsigned long shown = length[i] < 200 ? length[i] : 200;
				if (null[i])
					printf(" NULL");
				else
					printf(" %lu[%.*s]", length[i], (int)shown, text[i]);
			}
			printf("\n");
		}
		if (got == 1)
			printf("fetch: %u [%s]\n", mysql_stmt_errno(s), mysql_stmt_error(s));
		mysql_stmt_free_result(s);
	} while (mysql_stmt_next_result(s) == 0);
}

static void case_text(void)
{
	MYSQL *db = link_up(CLIENT_MULTI_STATEMENTS);

	run(db, "create table t (id int auto_increment primary key, a varchar(20), b blob)");
	run(db,
	    "insert into t (a) values ('x'), (null); select * from t; select nothing; select 1");
	run(db, "select 'after'");
	run(db, "show warnings");
	mysql_close(db);
}

static void case_cursor(void)
{
	MYSQL *db = link_up(0);
	unsigned long type = CURSOR_TYPE_READ_ONLY, prefetch = 3;
	MYSQL_STMT *s, *other;

	run(db, "create table c (a int, b varchar(10))");
	run(db, "insert into c values (1,'a'),(2,'b'),(3,'c'),(4,'d'),(5,null),(6,'f'),(7,'g')");
	s = mysql_stmt_init(db);
	mysql_stmt_attr_set(s, STMT_ATTR_CURSOR_TYPE, &type);
	mysql_stmt_attr_set(s, STMT_ATTR_PREFETCH_ROWS, &prefetch);
	mysql_stmt_prepare(s, "select a, b from c order by a", 29);
	other = prepare(db, "select ? * 2");
	for (int round = 0; round < 2; round++) {
		int a = 0, got;
		char b[20];
		unsigned long length;
		my_bool null;
		MYSQL_BIND out[2] = { { .buffer_type = MYSQL_TYPE_LONG, .buffer = &a },
				      { .buffer_type = MYSQL_TYPE_STRING,
					.buffer = b,
					.buffer_length = sizeof(b),
					.length = &length,
					.is_null = &null } };
		printf("execute: %d\n", mysql_stmt_execute(s));
		mysql_stmt_bind_result(s, out);
		while ((got = mysql_stmt_fetch(s)) == 0) {
			printf("row: %d %.*s\n", a, null ? 4 : (int)length, null ? "NULL" : b);
			if (a == 2)
				run(db, "select 'between fetches'");
			if (a == 5 && round == 1)
				break;
		}
		printf("end: %d %u %s\n", got, mysql_stmt_errno(s), mysql_stmt_error(s));
		printf("reset: %d\n", mysql_stmt_reset(s));
	}
	execute(other);
	mysql_stmt_close(s);
	run(db, "select 'after'");
	mysql_close(db);
}

static void case_types(void)
{
	MYSQL *db = link_up(0);
	MYSQL_STMT *s;
	signed char tiny = -7;
	short small = -300;
	int normal = -70000;
	long long large = -5000000000LL;
	unsigned long long huge = 18446744073709551615ULL;
	float single = 1.25F;
	double twice = 3.5e100;
	char text[] = "text \xc3\xa4", bytes[] = { 0, 1, (char)0xff };
	unsigned long bytes_length = sizeof(bytes);
	MYSQL_TIME day = { .year = 2020, .month = 2, .day = 29 },
		   moment = { .year = 2020,
			      .month = 2,
			      .day = 29,
			      .hour = 1,
			      .minute = 2,
			      .second = 3,
			      .second_part = 456789 },
		   span = { .hour = 800, .minute = 59, .second = 59, .neg = 1 };
	MYSQL_BIND in[11] = {
		{ .buffer_type = MYSQL_TYPE_TINY, .buffer = &tiny },
		{ .buffer_type = MYSQL_TYPE_SHORT, .buffer = &small },
		{ .buffer_type = MYSQL_TYPE_LONG, .buffer = &normal },
		{ .buffer_type = MYSQL_TYPE_LONGLONG, .buffer = &large },
		{ .buffer_type = MYSQL_TYPE_LONGLONG, .buffer = &huge, .is_unsigned = 1 },
		{ .buffer_type = MYSQL_TYPE_FLOAT, .buffer = &single },
		{ .buffer_type = MYSQL_TYPE_DOUBLE, .buffer = &twice },
		{ .buffer_type = MYSQL_TYPE_STRING,
		  .buffer = text,
		  .buffer_length = sizeof(text) - 1 },
		{ .buffer_type = MYSQL_TYPE_DATE, .buffer = &day },
		{ .buffer_type = MYSQL_TYPE_DATETIME, .buffer = &moment },
		{ .buffer_type = MYSQL_TYPE_TIME, .buffer = &span },
	};

	run(db, "create table ty (a tinyint, b smallint, c int, d bigint, e bigint unsigned, f "
		"float, g double,"
		" h varchar(20), i date, j datetime(6), k time)");
	s = prepare(db, "insert into ty values (?,?,?,?,?,?,?,?,?,?,?)");
	mysql_stmt_bind_param(s, in);
	for (int round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 11; i++)
			in[i].buffer_type = round == 1 ? MYSQL_TYPE_NULL : in[i].buffer_type;
		if (round == 1)
			mysql_stmt_bind_param(s, in);
		execute(s);
		if (round == 0)
			run(db,
			    "select @@sql_mode = 1"); /* other statements between two executions */
	}
	mysql_stmt_close(s);
	run(db, "select * from ty");
	s = prepare(db, "select a, b, c, d, e, f, g from ty");
	execute(s);
	execute(s);
	s = prepare(db, "select h, i, j, k from ty");
	execute(s);
	run(db, "alter table ty add column l int default 5");
	s = prepare(db, "select * from nowhere");
	mysql_close(db);
}

static void case_longdata(void)
{
	MYSQL *db = link_up(0);
	MYSQL_STMT *s;
	MYSQL_BIND in[2] = { { .buffer_type = MYSQL_TYPE_LONG_BLOB },
			     { .buffer_type = MYSQL_TYPE_LONG_BLOB } };
	char *chunk = malloc(1 << 20);

	memset(chunk, 'c', 1 << 20);
	s = prepare(db, "select length(?), md5(?)");
	mysql_stmt_bind_param(s, in);
	for (int n = 0; n < 20; n++) {
		mysql_stmt_send_long_data(s, 0, chunk, 1 << 20);
		mysql_stmt_send_long_data(s, 1, chunk, 1 << 10);
		if (n == 10)
			run(db, "select 'in the middle'");
	}
	execute(s);
	mysql_stmt_send_long_data(s, 0, "short", 5);
	printf("reset: %d\n", mysql_stmt_reset(s));
	mysql_stmt_send_long_data(s, 0, "", 0);
	mysql_stmt_send_long_data(s, 1, "x", 1);
	execute(s);
	printf("bad index: %d\n", mysql_stmt_send_long_data(s, 7, "x", 1));
	execute(s);
	mysql_stmt_close(s);
	run(db, "select 'after'");
	free(chunk);
	mysql_close(db);
}

static void case_bulk_maria(void)
{
	MYSQL *db = link_up(0);
	MYSQL_STMT *s;
	int numbers[] = { 1, 2, 3, 4, 5 };
	const char *texts[] = { "one", "two", NULL, "four", "five" };
	unsigned long lengths[] = { 3, 3, 0, 4, 4 };
	char marks[] = { STMT_INDICATOR_NONE, STMT_INDICATOR_NONE, STMT_INDICATOR_NULL,
			 STMT_INDICATOR_NONE, STMT_INDICATOR_DEFAULT };
	unsigned size = 5;
	MYSQL_BIND in[2] = { { .buffer_type = MYSQL_TYPE_LONG, .buffer = numbers },
			     { .buffer_type = MYSQL_TYPE_STRING,
			       .buffer = texts,
			       .length = lengths,
			       .u.indicator = marks } };

	run(db, "create table b (id int auto_increment primary key, a int, b varchar(9) default "
		"'dflt')");
	s = prepare(db, "insert into b (a, b) values (?, ?)");
	mysql_stmt_attr_set(s, STMT_ATTR_ARRAY_SIZE, &size);
	mysql_stmt_bind_param(s, in);
	for (int n = 0; n < 3; n++)
		execute(s);
	mysql_stmt_close(s);
	run(db, "select * from b");
	s = prepare(db, "update b set b = ? where a = ?");
	mysql_close(db);
}

static void case_procedure(void)
{
	MYSQL *db = link_up(CLIENT_MULTI_RESULTS);
	MYSQL_STMT *s;
	int a = 5, b = 6;
	MYSQL_BIND in[3] = { { .buffer_type = MYSQL_TYPE_LONG, .buffer = &a },
			     { .buffer_type = MYSQL_TYPE_LONG, .buffer = &b },
			     { .buffer_type = MYSQL_TYPE_NULL } };

	run(db, "create procedure pr (in a int, inout b int, out c varchar(20))"
		" begin select a as x; set b = a * b; set c = 'out'; select 'second' as y; end");
	s = prepare(db, "call pr(?, ?, ?)");
	mysql_stmt_bind_param(s, in);
	execute(s); /* two sets, then the OUT parameters, then the end */
	execute(s);
	mysql_stmt_close(s);
	run(db, "call pr(1, @b, @c)");
	run(db, "select @b, @c");
	mysql_close(db);
}

static void case_commands(void)
{
	MYSQL *db = link_up(0);
	MYSQL_RES *set;
	const char *stat;

	run(db, "create table cm (a int not null default 5, b varchar(10), c text)");
	set = mysql_list_fields(db, "cm", "%");
	if (set) {
		fields(set);
		mysql_free_result(set);
	}
	set = mysql_list_fields(db, "nowhere", NULL);
	printf("list nowhere: %d\n", set != NULL);
	state(db);
	set = mysql_list_tables(db, "c%");
	if (set)
		rows(set);
	stat = mysql_stat(db);
	printf("stat: %d\n", stat && !strncmp(stat, "Uptime: ", 8));
	printf("ping: %d\n", mysql_ping(db));
	printf("debug: %d\n", mysql_dump_debug_info(db));
	set = mysql_list_processes(db);
	printf("processes: %d\n", set && mysql_num_rows(set) > 0);
	mysql_free_result(set);
	printf("refresh: %d\n", mysql_refresh(db, REFRESH_STATUS));
	run(db, "select 1; select 2");
	printf("option: %d\n", mysql_set_server_option(db, MYSQL_OPTION_MULTI_STATEMENTS_ON));
	run(db, "select 1; select 2");
	printf("option: %d\n", mysql_set_server_option(db, MYSQL_OPTION_MULTI_STATEMENTS_OFF));
	run(db, "select 1; select 2");
	printf("select_db: %d\n", mysql_select_db(db, "shop"));
	run(db, "select database()");
	printf("select_db: %d\n", mysql_select_db(db, "nowhere"));
	state(db);
	printf("hello: %s %d %u\n", mysql_get_server_info(db), mysql_get_proto_info(db) == 10,
	       mysql_get_server_version(db) > 0);
	mysql_close(db);
}

static void case_reset(void)
{
	MYSQL *db = link_up(0);
	MYSQL_STMT *s;

	run(db, "set @a = 1, sql_mode = 'ANSI', @@session.time_zone = '+05:00'");
	run(db, "create temporary table tmp (a int)");
	run(db, "set autocommit = 0");
	s = prepare(db, "select 1");
	printf("reset: %d\n", mysql_reset_connection(db));
	state(db);
	run(db, "select @a, @@sql_mode = 'ANSI', @@time_zone, database(), @@autocommit");
	run(db, "select * from tmp");
	execute(s);
	printf("change: %d\n", mysql_change_user(db, "empty", "", "shop"));
	run(db, "select current_user(), database(), @@character_set_client");
	printf("change: %d\n", mysql_change_user(db, "nobody", "x", "shop"));
	state(db);
	mysql_close(db);
}

static void case_progress_maria(void)
{
	MYSQL *db = link_up(CLIENT_PROGRESS);

	run(db, "create table pg (a int, b char(200)) engine = myisam");
	run(db, "insert into pg select seq, repeat('x', 200) from seq_1_to_60000");
	run(db, "set progress_report_time = 1");
	run(db, "alter table pg add index (a), add index (b)");
	run(db, "select count(*) from pg");
	mysql_close(db);
}

static void case_infile(void)
{
	MYSQL *db = link_up(0);
	FILE *file;

	run(db, "create table li (a int, b varchar(20))");
	for (int n = 0; n < 3; n++) {
		file = fopen("infile.txt", "w");
		for (int line = 0; line < n * 100000; line++)
			fprintf(file, "%d\tline %d\n", line, line);
		fclose(file);
		run(db, "load data local infile 'infile.txt' into table li");
		run(db, "select count(*), sum(a) from li");
	}
	remove("infile.txt");
	run(db, "load data local infile 'infile.txt' into table li");
	run(db, "load data local infile 'infile.txt' into table nowhere");
	run(db, "select 'after'");
	mysql_close(db);
}

static void case_attributes(void)
{
	MYSQL *db = mysql_init(NULL);

	mysql_options4(db, MYSQL_OPT_CONNECT_ATTR_ADD, "program", "troupe test");
	mysql_options(db, MYSQL_OPT_COMPRESS, NULL);
	mysql_options(db, MYSQL_INIT_COMMAND, "set @init = 1");
	if (!mysql_real_connect(db, arg[0], arg[2], arg[3], arg[4], (unsigned)atoi(arg[1]), NULL,
				CLIENT_COMPRESS | CLIENT_FOUND_ROWS | CLIENT_IGNORE_SPACE))
		state(db);
	run(db, "select @init, count  (*), @@sql_mode like '%%IGNORE_SPACE%%' from "
		"information_schema.schemata");
	run(db, "select repeat('x', 100)");
	mysql_close(db);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "text", case_text },
	{ "cursor", case_cursor },
	{ "types", case_types },
	{ "longdata", case_longdata },
	{ "bulk_maria", case_bulk_maria },
	{ "procedure", case_procedure },
	{ "commands", case_commands },
	{ "reset", case_reset },
	{ "progress_maria", case_progress_maria },
	{ "infile", case_infile },
	{ "attributes", case_attributes },
};

int main(int argc, char **argv)
{
	arg = argv + 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; argc == 7 && i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!strcmp(cases[i].name, argv[6])) {
			cases[i].run();
			mysql_library_end();
			return 0;
		}
	}
	fprintf(stderr, "no such case\n");
	return 2;
}
