<?php
// PHP's mysqli (mysqlnd): php mysqli.php HOST PORT USER PASSWORD SCHEMA CASE. Prints what it sees.
[, $host, $port, $user, $password, $schema, $case] = $argv;
mysqli_report(MYSQLI_REPORT_OFF);

function link_up($flags = 0, $options = [], $as = null)
{
	global $host, $port, $user, $password, $schema;
	$db = mysqli_init();
	foreach ($options as $name => $value)
		$db->options($name, $value);
	if (!@$db->real_connect($host, $as[0] ?? $user, $as[1] ?? $password, $schema, (int)$port, null, $flags))
		die("connect: " . mysqli_connect_errno() . " " . mysqli_connect_error() . "\n");
	return $db;
}

function show($label, $value)
{
	echo $label, ": ", json_encode($value, JSON_INVALID_UTF8_SUBSTITUTE | JSON_UNESCAPED_UNICODE), "\n";
}

function state($db)
{
	show("state", [$db->errno, $db->error, $db->sqlstate, $db->affected_rows, $db->insert_id, $db->info,
		$db->warning_count, $db->field_count]);
}

function rows($result)
{
	if (!is_object($result))
		return $result;
	show("fields", array_map(fn($f) => [$f->name, $f->orgname, $f->table, $f->db, $f->type, $f->length, $f->flags,
		$f->decimals, $f->charsetnr], $result->fetch_fields()));
	return $result->fetch_all();
}

function run($db, $sql)
{
	show("sql", $sql);
	show("rows", rows($db->query($sql)));
	state($db);
}

function results($db)
{
	do {
		$result = $db->store_result();
		show("result", rows($result));
		state($db);
	} while ($db->more_results() && $db->next_result());
	state($db);
}

$cases['text'] = function () {
	$db = link_up();
	run($db, "create table t (id int auto_increment primary key, a varchar(20), b decimal(10,3), c datetime, d blob)");
	run($db, "insert into t (a, b, c, d) values ('x', 1.5, '2020-02-29 12:30:00', x'00ff'), (null, null, null, null)");
	run($db, "select * from t");
	run($db, "select * from nowhere");
	run($db, "update t set a = 'x'");
	run($db, "update t set a = 'y' where id = 77");
	run($db, "delete from t where id = 1");
	run($db, "selec 1");
	run($db, "");
	run($db, "-- nothing");
	run($db, "select 1 from t where 1 = 0");
};

$cases['found_rows_flag'] = function () {
	foreach ([0, MYSQLI_CLIENT_FOUND_ROWS] as $flag) {
		$db = link_up($flag);
		run($db, "create table if not exists f (a int)");
		run($db, "truncate f");
		run($db, "insert into f values (1), (2), (2)");
		run($db, "update f set a = 2");
		run($db, "update f set a = 2");
		$db->close();
	}
};

$cases['prepared_types'] = function () {
	$db = link_up();
	run($db, "create table p (ti tinyint, si smallint unsigned, mi mediumint, i int unsigned, bi bigint unsigned, f float,
		d double, de decimal(20,5), da date, dt datetime, ts timestamp null, t time, y year, vc varchar(30),
		bl longblob, tx text, en enum('a','b'), st set('x','y'), b bit(9))");
	$in = $db->prepare("insert into p values (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
	state($db);
	$rows = [[-5, 65535, -8388608, 4294967295, "18446744073709551615", 1.5, M_PI, "12345.67890", "2020-02-29",
		"2020-02-29 23:59:59", "2021-01-01 00:00:01", "-12:34:56", 1999, "grüße", str_repeat("\0\xff", 300),
		"text", "b", "x,y", 257], array_fill(0, 19, null)];
	foreach ($rows as $row) {
		$in->bind_param("iiiisdd" . str_repeat("s", 11) . "i", ...$row);
		show("done", [$in->execute(), $in->errno, $in->error, $in->affected_rows]);
	}
	$out = $db->prepare("select p.*, ? as extra from p where ti <=> ?");
	foreach ([[1, -5], ["text", null], [2.5, 99]] as [$extra, $key]) {
		$out->bind_param("si", $extra, $key);
		$out->execute();
		$got = $out->get_result();
		show("meta", array_map(fn($f) => [$f->name, $f->type, $f->length, $f->flags], $got->fetch_fields()));
		show("rows", array_map(fn($r) => array_map(fn($v) => is_string($v) && strlen($v) > 100 ? md5($v) : $v, $r),
			$got->fetch_all()));
	}
};

$cases['prepared_life'] = function () {
	$db = link_up();
	$one = $db->prepare("select ? + 1");
	$two = $db->prepare("select concat(?, '!')");
	for ($n = 0; $n < 100; $n++) {
		$text = "v$n";
		$one->bind_param("i", $n);
		$one->execute();
		$a = $one->get_result()->fetch_row()[0];
		$two->bind_param("s", $text);
		$two->execute();
		$b = $two->get_result()->fetch_row()[0];
		if ($n % 33 == 0)
			show("got", [$a, $b]);
		if ($n % 10 == 5)
			$db->query("set @a$n = 1");
	}
	show("reset", $one->reset());
	$one->execute();
	show("again", $one->get_result()->fetch_row());
	$bad = $db->prepare("select nothing from nowhere");
	show("bad", $bad);
	state($db);
	$one->close();
	for ($n = 0; $n < 300; $n++) {
		$s = $db->prepare("select $n, ?");
		$s->bind_param("i", $n);
		$s->execute();
		if ($n % 100 == 0)
			show("s", $s->get_result()->fetch_row());
		$s->close();
	}
	show("left", $db->query("show session status like 'Com_stmt_reprepare'")->fetch_row());
};

$cases['long_data'] = function () {
	$db = link_up();
	run($db, "create table l (a longblob, b text)");
	$s = $db->prepare("insert into l values (?, ?)");
	$null = null;
	$b = "after";
	$s->bind_param("bs", $null, $b);
	for ($n = 0; $n < 5; $n++)
		$s->send_long_data(0, str_repeat(chr(65 + $n), 100000));
	show("done", [$s->execute(), $s->error]);
	$s->send_long_data(0, "thrown away");
	show("reset", $s->reset());
	$s->send_long_data(0, "kept");
	show("done", [$s->execute(), $s->error]);
	run($db, "select length(a), md5(a), b from l");
};

$cases['multi'] = function () {
	$db = link_up();
	show("sent", $db->multi_query("select 1; create table m (a int); insert into m values (1),(2); select * from m; set @x = 5; select @x"));
	results($db);
	show("sent", $db->multi_query("select 1; select * from nowhere; select 2"));
	results($db);
	run($db, "select 'after'");
	show("sent", $db->multi_query("insert into m values (3); insert into m values ('x'); insert into m values (4)"));
	results($db);
	run($db, "select count(*) from m");
	run($db, "select 1; select 2");
};

$cases['procedure'] = function () {
	$db = link_up();
	run($db, "create procedure pr (in a int, inout b int, out c varchar(20)) begin select a, b; set b = a + b; set c = 'out'; select 2 as two; end");
	run($db, "set @b = 5");
	show("sent", $db->multi_query("call pr(1, @b, @c)"));
	results($db);
	run($db, "select @b, @c");
	run($db, "create procedure pe () begin select 1; select * from nowhere; end");
	show("sent", $db->multi_query("call pe()"));
	results($db);
	run($db, "create procedure ps () begin set sql_mode = 'ANSI'; set @inproc = 7; create temporary table tmp_in_proc (a int); insert into tmp_in_proc values (9); end");
	run($db, "call ps()");
	run($db, "select @inproc, @@sql_mode = 'ANSI', a from tmp_in_proc");
	$s = $db->prepare("call pr(?, @b, @c)");
	$n = 10;
	$s->bind_param("i", $n);
	$s->execute();
	do {
		$got = $s->get_result();
		show("set", $got ? $got->fetch_all() : $got);
	} while ($s->more_results() && $s->next_result());
	run($db, "select @b, @c");
};

$cases['cursor'] = function () {
	$db = link_up();
	run($db, "create table c (a int)");
	run($db, "insert into c values (1),(2),(3),(4),(5),(6),(7)");
	$s = $db->stmt_init();
	$s->prepare("select a from c order by a");
	$s->attr_set(MYSQLI_STMT_ATTR_CURSOR_TYPE, MYSQLI_CURSOR_TYPE_READ_ONLY);
	$s->attr_set(MYSQLI_STMT_ATTR_PREFETCH_ROWS, 2);
	$s->execute();
	$s->bind_result($a);
	while ($s->fetch()) {
		show("row", $a);
		if ($a == 3)
			run($db, "select 'between'");
	}
	state($db);
};

$cases['local_infile'] = function () {
	$db = link_up(0, [MYSQLI_OPT_LOCAL_INFILE => 1]);
	run($db, "create table li (a int, b varchar(20))");
	$file = "infile.txt"; // in a folder of the test's own
	$load = fn() => $db->query("load data local infile '$file' into table li");
	foreach (["1\tone\n2\ttwo\n", "", "x\ty\tz\n", implode("", array_map(fn($n) => "$n\trow $n\n", range(1, 50000)))] as $text) {
		file_put_contents($file, $text);
		show("load", $load());
		state($db);
		show("warnings", array_slice($db->query("show warnings")->fetch_all(), 0, 3));
	}
	run($db, "select count(*), sum(a), max(length(b)) from li");
	unlink($file);
	show("no file", @$load());
	show("errno", [$db->errno]);
	run($db, "select 1");
	$db->close();
	$db = link_up(0, [MYSQLI_OPT_LOCAL_INFILE => 0]);
	show("refused", @$db->query("load data local infile '/etc/hostname' into table li"));
	state($db);
	run($db, "select 2");
};

$cases['big'] = function () {
	ini_set("memory_limit", "1G");
	$db = link_up();
	$size = 40 << 20;
	$value = str_repeat("0123456789abcdef", $size / 16);
	show("down", md5($db->query("select repeat('0123456789abcdef', $size / 16)")->fetch_row()[0]));
	show("up", $db->query("select length('$value'), md5('$value')")->fetch_row());
	$s = $db->prepare("select length(?), md5(?), ?");
	$s->bind_param("sss", $value, $value, $value);
	$s->execute();
	$got = $s->get_result()->fetch_row();
	show("prepared", [$got[0], $got[1], md5($got[2])]);
	run($db, "select 'still well'");
};

$cases['edges'] = function () {
	ini_set("memory_limit", "1G");
	$db = link_up();
	foreach ([-2, -1, 0, 1] as $over) {
		// the whole payload of the command is 16 MiB + over bytes
		$head = "select md5('";
		$tail = "')";
		$sql = $head . str_repeat("q", (1 << 24) + $over - 1 - strlen($head) - strlen($tail)) . $tail;
		show("up $over", $db->query($sql)->fetch_row());
		// a row of one value: 4 bytes of length before it
		$n = (1 << 24) + $over - 4;
		$got = $db->query("select repeat('r', $n)")->fetch_row()[0];
		show("down $over", [strlen($got) == $n, md5($got)]);
	}
	$n = (1 << 24) * 2 - 2 - 9;
	show("two", strlen($db->query("select repeat('r', $n)")->fetch_row()[0]) == $n);
	run($db, "select 'still well'");
};

$cases['compress'] = function () {
	$db = link_up(MYSQLI_CLIENT_COMPRESS);
	run($db, "select 1");
	show("big", md5($db->query("select repeat('0123456789', 300000)")->fetch_row()[0]));
	$noise = bin2hex(hash("sha512", "seed", true));
	$noise = implode("", array_map(fn($n) => hash("sha256", "$n"), range(1, 40000)));
	show("up", $db->query("select md5('$noise')")->fetch_row());
	run($db, "select * from nowhere");
	$s = $db->prepare("select ?");
	$s->bind_param("s", $noise);
	$s->execute();
	show("prepared", md5($s->get_result()->fetch_row()[0]));
};

$cases['charset'] = function () {
	$db = link_up();
	foreach (["latin1", "utf8mb4", "utf8", "cp1250", "ascii"] as $charset) {
		show("set", [$charset, $db->set_charset($charset), $db->character_set_name()]);
		show("hex", $db->query("select hex('äö'), collation('x'), charset('x')")->fetch_row());
		show("vars", $db->query("show variables like 'character_set_c%'")->fetch_all());
		show("text", bin2hex($db->query("select _utf8 x'c3a4c3b6'")->fetch_row()[0]));
	}
	run($db, "set names utf8mb4 collate utf8mb4_bin");
	run($db, "select @@collation_connection, 'a' = 'A'");
	run($db, "set names utf8mb4 collate utf8mb4_unicode_ci");
	run($db, "select @@collation_connection, 'a' = 'A'");
	run($db, "set character set latin1");
	run($db, "select @@collation_connection, @@character_set_client, @@character_set_results");
};

$cases['warnings'] = function () {
	$db = link_up();
	run($db, "set sql_mode = ''");
	run($db, "create table w (a tinyint, b varchar(3))");
	run($db, "insert into w values (300, 'too long'), ('x', 'ok')");
	show("get", ($w = $db->get_warnings()) ? [$w->message, $w->errno, $w->next(), $w->message] : $w);
	run($db, "insert into w values (300, 'too long')");
	run($db, "show warnings");
	run($db, "show count(*) warnings");
	run($db, "select * from nowhere");
	run($db, "show errors");
	run($db, "select @@warning_count, @@error_count");
	run($db, "drop table if exists gone");
	run($db, "show warnings");
	run($db, "select 1");
	run($db, "show warnings");
};

$cases['change_user'] = function () {
	global $user, $password, $schema;
	$db = link_up();
	run($db, "set @a = 1, sql_mode = 'ANSI'");
	run($db, "create temporary table tt (a int)");
	$s = $db->prepare("select 1");
	show("change", $db->change_user("empty", "", "shop"));
	run($db, "select current_user(), database(), @a, @@sql_mode = 'ANSI'");
	run($db, "select * from demo.tt");
	show("back", $db->change_user($user, $password, $schema));
	run($db, "select current_user(), database()");
	show("wrong", @$db->change_user($user, "wrong", $schema));
	show("errno", [$db->errno, $db->sqlstate]);
};

$cases['refused'] = function () {
	foreach ([["app", "wrong"], ["app", ""]] as [$name, $secret]) {
		$db = mysqli_init();
		show("connect", @$db->real_connect($GLOBALS["host"], $name, $secret, "demo", (int)$GLOBALS["port"]));
		show("error", [mysqli_connect_errno(), mysqli_connect_error()]);
	}
	$db = mysqli_init();
	show("no schema", @$db->real_connect($GLOBALS["host"], "app", "secret", "nowhere", (int)$GLOBALS["port"]));
	show("error", [mysqli_connect_errno(), mysqli_connect_error()]);
};

$cases['commands'] = function () {
	$db = link_up();
	show("ping", @$db->ping());
	show("stat", preg_replace('/[\d.]+/', 'N', $db->stat()));
	show("version", [$db->server_version, $db->server_info, $db->protocol_version, $db->get_charset()->collation]);
	show("debug", $db->dump_debug_info());
	show("select_db", [$db->select_db("shop"), $db->query("select database()")->fetch_row()]);
	show("no db", [$db->select_db("nowhere"), $db->errno, $db->error, $db->query("select database()")->fetch_row()]);
	show("refresh", @$db->refresh(MYSQLI_REFRESH_TABLES));
	state($db);
	show("same id", $db->thread_id == $db->query("select connection_id()")->fetch_row()[0]);
};

$cases['kill'] = function () {
	$db = link_up();
	$other = link_up();
	$id = $other->thread_id;
	$other->query("select sleep(30)", MYSQLI_ASYNC);
	for ($n = 0; $n < 500; $n++) { // until it sleeps
		if ($db->query("select count(*) from information_schema.processlist where info = 'select sleep(30)'")->fetch_row()[0])
			break;
		usleep(2000);
	}
	show("kill query", $db->query("kill query $id"));
	state($db);
	$got = $other->reap_async_query();
	show("woken", $got ? $got->fetch_all() : [$other->errno, $other->error]);
	show("alive", $other->query("select 'alive'")->fetch_row());
	show("kill", @$db->kill($id));
	state($db);
	for ($n = 0; $n < 500 && @$other->query("select 1"); $n++)
		usleep(2000);
	show("dead", in_array($other->errno, [2006, 2013, 1927]));
	show("unknown", [$db->query("kill 999999999"), $db->errno, preg_replace('/\d+/', 'N', $db->error)]);
	run($db, "select 'well'");
	show("self", @$db->query("kill connection " . $db->thread_id));
	show("errno", in_array($db->errno, [1317, 2006, 2013, 1927]));
};

$cases['transactions'] = function () {
	$db = link_up();
	run($db, "create table tr (id int auto_increment primary key, a int) engine = innodb");
	show("begin", $db->begin_transaction());
	run($db, "insert into tr (a) values (1)");
	show("save", $db->savepoint("s1"));
	run($db, "insert into tr (a) values (2)");
	run($db, "rollback to s1");
	run($db, "select count(*) from tr");
	show("release", $db->release_savepoint("s1"));
	show("commit", $db->commit());
	show("auto", $db->autocommit(false));
	run($db, "insert into tr (a) values (3)");
	show("rollback", $db->rollback());
	run($db, "select @@autocommit, count(*) from tr");
	show("auto", $db->autocommit(true));
	show("ro", $db->begin_transaction(MYSQLI_TRANS_START_READ_ONLY));
	run($db, "insert into tr (a) values (9)");
	show("commit", $db->commit(MYSQLI_TRANS_COR_AND_CHAIN));
	run($db, "commit");
	run($db, "insert into tr (a) values (4)");
	run($db, "select last_insert_id(), row_count(), found_rows()");
	run($db, "insert into tr values (100, 5)");
	run($db, "select last_insert_id()");
	run($db, "insert into tr (a) values (6), (7)");
	run($db, "select last_insert_id(), @@identity");
	run($db, "select sql_calc_found_rows * from tr limit 1");
	run($db, "select found_rows()");
};

$cases['unbuffered'] = function () {
	$db = link_up();
	$got = $db->query("select a.table_name from information_schema.tables a limit 50", MYSQLI_USE_RESULT);
	show("first", strlen($got->fetch_row()[0]) > 0);
	show("busy", [$db->query("select 1"), $db->errno, $db->error]);
	$got->free();
	run($db, "select 2");
};

if (!isset($cases[$case]))
	die("no such case\n");
$cases[$case]();
