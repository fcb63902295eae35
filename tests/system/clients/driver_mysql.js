// npm's mysql: node driver_mysql.js HOST PORT USER PASSWORD SCHEMA CASE. Prints what it sees.
'use strict';
const path = require('path');
const mysql = require(path.join(__dirname, '..', '..', 'node', 'node_modules', 'mysql'));
const [host, port, user, password, database, name] = process.argv.slice(2);
const cases = {};

const show = (label, value) => console.log(label + ': ' + JSON.stringify(value));
const connect = (more) => mysql.createConnection({ host, port: +port, user, password, database, ...more });
const call = (label, start) => new Promise((done) => {
	start((why, rows, fields) => {
		if (why) show(label, ['failed', why.code, why.errno, why.sqlState, why.sqlMessage || why.message]);
		else show(label, [rows, fields && fields.map((f) => (Array.isArray(f) ? f.map((g) => g.name) : f && [f.name, f.type, f.length, f.flags, f.charsetNr, f.db, f.table]))]);
		done();
	});
});
const run = (db, sql, args) => call(sql, (then) => db.query(sql, args, then));
const end = (db) => call('end', (then) => db.end(then));

cases.text = async () => {
	const db = connect();
	await call('connect', (then) => db.connect((why) => then(why)));
	await run(db, 'create table t (id int auto_increment primary key, a varchar(9), b blob)');
	await run(db, 'insert into t set ?', { a: 'x', b: 'y' });
	await run(db, 'update t set a = ?', ['x']);
	await run(db, 'select * from t');
	await run(db, 'selec');
	await call('ping', (then) => db.ping(then));
	await call('statistics', (then) => db.statistics((why, s) => then(why, Object.keys(s || {}))));
	await end(db);
};

cases.multi = async () => {
	const db = connect({ multipleStatements: true });
	await run(db, 'select 1 as a; select 2 as b; set @q = 1; select @q');
	await run(db, 'select 1; select * from nowhere; select 2');
	await run(db, "select 'after'");
	await run(db, 'create procedure pr () begin select 1 as a; select 2 as b; end');
	await run(db, 'call pr()');
	await end(db);
};

cases.changeUser = async () => {
	const db = connect();
	await run(db, 'set @a = 1');
	await call('change', (then) => db.changeUser({ user: 'empty', password: '', database: 'shop' }, then));
	await run(db, 'select current_user(), database(), @a');
	await end(db);
};

cases.flags = async () => {
	for (const flags of ['-FOUND_ROWS', '+FOUND_ROWS']) {
		const db = connect({ flags, charset: 'LATIN1_SWEDISH_CI' });
		await run(db, 'create table if not exists f (a int)');
		await run(db, 'insert into f values (1)');
		await run(db, 'update f set a = 1');
		await run(db, 'select @@character_set_client, @@collation_connection');
		await end(db);
	}
};

cases.stream = async () => {
	const db = connect();
	await new Promise((done) => {
		let rows = 0;
		db.query('select 1 as n union all select 2 union all select 3')
			.on('result', (row) => { rows++; db.pause(); setImmediate(() => db.resume()); show('row', row); })
			.on('end', () => { show('rows', rows); done(); });
	});
	await end(db);
};

cases.refused = async () => {
	const db = connect({ password: 'wrong' });
	await call('connect', (then) => db.connect((why) => then(why)));
};

cases[name]().then(() => process.exit(0), (why) => {
	console.log('died: ' + why);
	process.exit(1);
});
