<?php
// PHP's PDO (mysqlnd): php pdo.php HOST PORT USER PASSWORD SCHEMA CASE. Prints what it sees.
[, $host, $port, $user, $password, $schema, $case] = $argv;

function link_up($options = [])
{
	global $host, $port, $user, $password, $schema;
	return new PDO("mysql:host=$host;port=$port;dbname=$schema;charset=utf8mb4", $user, $password,
		$options + [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
}

function show($label, $value)
{
	echo $label, ": ", json_encode($value, JSON_INVALID_UTF8_SUBSTITUTE), "\n";
}

function attempt($label, $work)
{
	try {
		show($label, $work());
	} catch (PDOException $why) {
		show($label, ["failed", $why->getMessage(), $why->errorInfo]);
	}
}

$modes = ["emulated" => [PDO::ATTR_EMULATE_PREPARES => true], "native" => [PDO::ATTR_EMULATE_PREPARES => false]];

$cases['prepared'] = function () use ($modes) {
	foreach ($modes as $name => $mode) {
		$db = link_up($mode);
		$db->exec("drop table if exists t");
		$db->exec("create table t (id int auto_increment primary key, a varchar(20), b double, c blob)");
		$s = $db->prepare("insert into t (a, b, c) values (:a, :b, :c)");
		foreach ([["x", 1.5, "\0\xff"], [null, null, null], ["ü", -2, ""]] as [$a, $b, $c])
			attempt("$name insert", fn() => [$s->execute(["a" => $a, "b" => $b, "c" => $c]), $s->rowCount(), $db->lastInsertId()]);
		$s = $db->prepare("select *, ? as p from t where id >= ?");
		foreach ([1, 2, 9] as $n) {
			$s->execute(["v", $n]);
			show("$name rows", $s->fetchAll(PDO::FETCH_NUM));
			show("$name meta", [$s->columnCount(), $n == 1 ? $s->getColumnMeta(0) : null]);
		}
		attempt("$name bad", fn() => $db->prepare("select * from nowhere")->execute());
		attempt("$name after", fn() => $db->query("select 1")->fetchAll());
	}
};

$cases['rowsets'] = function () use ($modes) {
	foreach ($modes as $name => $mode) {
		$db = link_up($mode);
		$db->exec("drop procedure if exists pr");
		$db->exec("create procedure pr (in a int) begin select a; select a + 1 as b; end");
		$s = $db->prepare("call pr(?)");
		$s->execute([5]);
		do {
			attempt("$name set", fn() => $s->columnCount() ? $s->fetchAll(PDO::FETCH_ASSOC) : null);
		} while ($s->nextRowset());
		$s->closeCursor();
		attempt("$name multi", function () use ($db) {
			$s = $db->query("select 1; select 2; select * from nowhere; select 3");
			$seen = [];
			do {
				$seen[] = $s->fetchAll(PDO::FETCH_NUM);
				show("seen", $seen);
			} while ($s->nextRowset());
			return $seen;
		});
		attempt("$name after", fn() => $db->query("select 'after'")->fetchAll(PDO::FETCH_NUM));
	}
};

$cases['transactions'] = function () {
	$db = link_up();
	$db->exec("create table t (id int auto_increment primary key, a int) engine = innodb");
	$db->beginTransaction();
	show("in", $db->inTransaction());
	$db->exec("insert into t (a) values (1)");
	$db->rollBack();
	show("count", $db->query("select count(*) from t")->fetchColumn());
	$db->beginTransaction();
	$db->exec("insert into t (a) values (2)");
	$db->commit();
	show("id", $db->lastInsertId());
	$db->setAttribute(PDO::ATTR_AUTOCOMMIT, 0);
	$db->exec("insert into t (a) values (3)");
	show("auto", $db->query("select @@autocommit")->fetchColumn());
	$db->rollBack();
	show("rows", $db->query("select a from t")->fetchAll(PDO::FETCH_NUM));
};

$cases['unbuffered'] = function () {
	$db = link_up([PDO::MYSQL_ATTR_USE_BUFFERED_QUERY => false]);
	$s = $db->query("select 1 as n union select 2 union select 3");
	show("first", $s->fetch(PDO::FETCH_ASSOC));
	attempt("busy", fn() => $db->query("select 2"));
	$s->closeCursor();
	attempt("free", fn() => $db->query("select 2")->fetchAll(PDO::FETCH_NUM));
};

$cases['options'] = function () {
	$db = link_up([PDO::MYSQL_ATTR_INIT_COMMAND => "set @init = 5, sql_mode = 'ANSI_QUOTES'", PDO::MYSQL_ATTR_FOUND_ROWS => true,
		PDO::MYSQL_ATTR_COMPRESS => true]);
	show("init", $db->query("select @init, @@sql_mode")->fetch(PDO::FETCH_NUM));
	show("server", [$db->getAttribute(PDO::ATTR_SERVER_VERSION), $db->getAttribute(PDO::ATTR_CLIENT_VERSION) != ""]);
	show("info", preg_replace('/[\d.]+/', 'N', $db->getAttribute(PDO::ATTR_SERVER_INFO)));
	$db->exec("create table t (a int)");
	$db->exec("insert into t values (1)");
	show("found", $db->exec("update t set a = 1"));
	attempt("attempt", fn() => $db->exec('insert into "t" values ("nocolumn")'));
};

$cases['persistent'] = function () {
	foreach ([1, 2] as $n) {
		$db = link_up([PDO::ATTR_PERSISTENT => true]);
		show("leak", $db->query("select @leak")->fetchColumn());
		$db->exec("set @leak = $n");
		$db = null;
	}
};

if (!isset($cases[$case]))
	die("no such case\n");
$cases[$case]();
