// npm's mysql2: node driver_mysql2.js HOST PORT USER PASSWORD SCHEMA CASE. Prints what it sees.
'use strict';
const path = require('path');
const crypto = require('crypto');
const { Readable } = require('stream');
const home = path.join(__dirname, '..', '..', 'node', 'node_modules');
const mysql = require(path.join(home, 'mysql2', 'promise'));
const [host, port, user, password, database, name] = process.argv.slice(2);
const cases = {};

const md5 = (v) => crypto.createHash('md5').update(v).digest('hex');
const plain = (v) => (Buffer.isBuffer(v) ? { hex: v.length > 64 ? md5(v) : v.toString('hex') } : v);
function show(label, value) {
	console.log(label + ': ' + JSON.stringify(value, (k, v) => (v && v.type === 'Buffer' ? { hex: Buffer.from(v.data).toString('hex') } : v)));
}
const connect = (more) => mysql.createConnection({ host, port: +port, user, password, database, ...more });
const fields = (list) => list && list.map((f) => Array.isArray(f) ? fields(f) : f && [f.name, f.columnType, f.columnLength, f.flags, f.decimals, f.characterSet, f.table, f.schema]);
async function attempt(label, work) {
	try {
		show(label, await work());
	} catch (why) {
		show(label, ['failed', why.code, why.errno, why.sqlState, why.sqlMessage || why.message]);
	}
}
async function run(db, sql, args, how = 'query') {
	await attempt(how + ' ' + sql, async () => {
		const [rows, meta] = await db[how](sql, args);
		return [rows, fields(meta)];
	});
}

cases.text = async () => {
	const db = await connect();
	await run(db, 'create table t (id int auto_increment primary key, a varchar(9), b decimal(9,2), c datetime, d json)');
	await run(db, "insert into t (a, b, c, d) values ('x', 1.25, '2020-01-02 03:04:05', '{\"k\": 1}'), (null, null, null, null)");
	await run(db, 'select * from t');
	await run(db, 'update t set a = ? where id = ?', ['y', 1]);
	await run(db, 'select * from nowhere');
	await run(db, 'select ?? from t where id in (?)', ['a', [1, 2]]);
	await db.ping();
	await db.end();
};

cases.execute = async () => {
	const db = await connect({ supportBigNumbers: true, bigNumberStrings: true });
	await run(db, 'create table e (a bigint, b double, c varchar(30), d blob, e datetime(3), f date)');
	for (const row of [[1, 2.5, 'text', Buffer.from([0, 255]), new Date(Date.UTC(2020, 1, 29, 1, 2, 3, 456)), '2020-02-29'], [null, null, null, null, null, null]])
		await run(db, 'insert into e values (?,?,?,?,?,?)', row, 'execute');
	for (let n = 0; n < 3; n++) await run(db, 'select * from e where a <=> ?', [n ? null : 1], 'execute');
	await run(db, 'select ? as p', ['x'], 'execute');
	await run(db, 'select * from nowhere where a = ?', [1], 'execute');
	const s = await db.prepare('select ? + ? as s');
	for (let n = 0; n < 5; n++) show('s', (await s.execute([n, n]))[0]);
	await s.close();
	for (let n = 0; n < 200; n++) await db.execute('select ' + n + ' as n, ? as v', [n]);
	await run(db, 'select 1 as one', [], 'execute');
	await db.end();
};

cases.multi = async () => {
	const db = await connect({ multipleStatements: true });
	await run(db, 'select 1 as a; select 2 as b, 3 as c; set @x = 4; select @x');
	await run(db, 'select 1; select * from nowhere; select 2');
	await run(db, "select 'after'");
	await run(db, 'create procedure pr () begin select 1 as a; select 2 as b; end');
	await run(db, 'call pr()');
	await run(db, 'call pr()', [], 'execute');
	await db.end();
};

cases.nomulti = async () => {
	const db = await connect();
	await run(db, 'select 1; select 2');
	await run(db, 'select 3');
	await db.end();
};

cases.changeUser = async () => {
	const db = await connect();
	await run(db, 'set @a = 5');
	await run(db, 'select @a, database(), current_user()');
	await attempt('change', () => db.changeUser({ user: 'empty', password: '', database: 'shop' }));
	await run(db, 'select @a, database(), current_user()');
	await run(db, 'select @a, database(), current_user()', [], 'execute');
	await db.end();
};

cases.compress = async () => {
	const db = await connect({ compress: true });
	await run(db, "select 1, repeat('ab', 20)");
	show('big', md5((await db.query("select repeat('0123456789', 2000000) as v"))[0][0].v));
	const noise = crypto.createHash('sha512').update('x').digest('hex').repeat(2000);
	show('up', (await db.query('select md5(?) as v', [noise]))[0]);
	await db.end();
};

cases.big = async () => {
	const db = await connect();
	const value = 'x'.repeat(40 << 20);
	show('up', (await db.query('select length(?) as n', [value]))[0]);
	const got = (await db.execute('select ? as v', [value]))[0][0].v;
	show('both', [got.length, md5(got)]);
	await run(db, "select 'well'");
	await db.end();
};

cases.local = async () => {
	const db = await connect();
	await run(db, 'create table l (a int, b varchar(9))');
	for (const text of ['1\tone\n2\ttwo\n', '']) {
		await attempt('load', async () => (await db.query({
			sql: "load data local infile 'stream' into table l",
			infileStreamFactory: () => Readable.from(text ? [Buffer.from(text)] : []),
		}))[0]);
	}
	await run(db, 'select * from l');
	await attempt('no stream', () => db.query("load data local infile 'stream' into table l"));
	await db.end();
};

cases.pool = async () => {
	const pool = mysql.createPool({ host, port: +port, user, password, database, connectionLimit: 10 });
	const got = await Promise.all(Array.from({ length: 60 }, (_, n) => pool.execute('select ? as v, sleep(0.002)', [n])));
	show('sum', got.reduce((s, [rows]) => s + Number(rows[0].v), 0));
	await pool.end();
};

cases.kill = async () => {
	const db = await connect();
	const other = await connect();
	const sleeping = other.query('select sleep(30) as s').then((r) => r[0], (e) => [e.code, e.errno]);
	for (;;) {
		const [rows] = await db.query("select count(*) as n from information_schema.processlist where info like 'select sleep(30)%'");
		if (rows[0].n) break;
	}
	await run(db, 'kill query ?', [other.threadId]).then(() => 0);
	show('woken', await sleeping);
	await run(other, "select 'alive'");
	await db.end();
	await other.end();
};

const log = console.log;
console.log = (text) => log(name === 'kill' ? String(text).replace(/kill query \d+/, 'kill query N') : text);
cases[name]().then(() => process.exit(0), (why) => {
	console.log('died: ' + [why.code, why.errno, why.message].join(' '));
	process.exit(1);
});
