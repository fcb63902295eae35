-- The mariadb client reads this with --force -t -v -v --show-warnings.
create table t (id int auto_increment primary key, a varchar(20), b decimal(10,3), c datetime, d blob) engine = innodb;
insert into t (a, b, c, d) values ('x', 1.5, '2020-02-29 12:30:00', x'00ff'), (null, null, null, null);
select * from t;
describe t;
show create table t;
show columns from t;
explain select * from t where id = 1;
select * from nowhere;
set sql_mode = '';
insert into t (id, b) values ('3x', 1.23456);
show warnings;
select last_insert_id(), row_count();
delimiter //
create procedure pr (in a int, out b int)
begin
  select a;
  set b = a * 2;
  select a + 1 as next;
end //
create function fu (a int) returns int deterministic return a + 1 //
delimiter ;
call pr(4, @b);
select @b, fu(1);
use shop
select database();
use demo
status_is_not_sql;
begin;
update t set a = 'q' where id = 1;
savepoint s;
delete from t;
rollback to s;
select count(*) from t;
commit;
select sql_calc_found_rows * from t limit 1;
select found_rows();
prepare s from 'select ? + ?';
set @x = 3, @y = 4;
execute s using @x, @y;
deallocate prepare s;
execute s using @x, @y;
create temporary table tt as select 1 as one;
select * from tt;
drop temporary table tt;
lock tables t write;
select count(*) from t;
unlock tables;
select get_lock('cli', 1), release_lock('cli');
handler t open;
handler t read first;
handler t close;
set names latin1;
select @@character_set_client, @@collation_connection;
set @u = 'user', @n = null, @f = 1.5e10;
select @u, @n, @f;
show variables like 'sql_mode';
set transaction isolation level serializable;
select 'end';
