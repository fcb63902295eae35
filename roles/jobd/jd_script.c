#include "roles/jobd/jd_script.h"

/* ---- where a producer's jobs lie, and how a head is written ----------------------------------
 *
 * pop takes the first ones, first and last put one back; open gives a job's head and what is behind
 * it, wrap writes a head; due moves what another's schedule says is due, and tells the ms to the
 * next one, or -1. */

#define HEAD                                                                                       \
	"local function read(job)\n"                                                               \
	"  if string.sub(job, 1, 5) == 'tr1 {' then\n"                                             \
	"    local stop = string.find(job, '\\n', 1, true)\n"                                      \
	"    if stop then\n"                                                                       \
	"      local ok, head = pcall(cjson.decode, string.sub(job, 5, stop - 1))\n"               \
	"      if ok then return head, string.sub(job, stop + 1) end\n"                            \
	"    end\n"                                                                                \
	"  end\n"                                                                                  \
	"  return nil, job\n"                                                                      \
	"end\n"                                                                                    \
	"local function write(head, job) return 'tr1 ' .. head .. '\\n' .. job end\n"

/* Others read these too: what is an object stays one, with the head as its last member. */
#define MEMBER                                                                                     \
	HEAD "local function open(job)\n"                                                          \
	     "  local at, from = nil, 1\n"                                                         \
	     "  if string.sub(job, -2) ~= '}}' then return read(job) end\n"                        \
	     "  repeat\n"                                                                          \
	     "    from = string.find(job, ',\"tr1\":{', from, true)\n"                             \
	     "    if from then at, from = from, from + 1 end\n"                                    \
	     "  until not from\n"                                                                  \
	     "  if not at then return read(job) end\n"                                             \
	     "  local ok, head = pcall(cjson.decode, string.sub(job, at + 7, -2))\n"               \
	     "  if not ok then return read(job) end\n"                                             \
	     "  return head, string.sub(job, 1, at - 1) .. '}'\n"                                  \
	     "end\n"                                                                               \
	     "local function wrap(head, job)\n"                                                    \
	     "  if not string.find(job, '^{.*[^{]}$') then return write(head, job) end\n"          \
	     "  return string.sub(job, 1, -2) .. ',\"tr1\":' .. head .. '}'\n"                     \
	     "end\n"

const char *const jd_layouts[] = {
	[JD_PLAIN] = HEAD "local open, wrap = read, write\n"
			  "local function pop(list, n) return redis.call('LPOP', list, n) end\n"
			  "local function first(list, job) redis.call('LPUSH', list, job) end\n"
			  "local function last(list, job) redis.call('RPUSH', list, job) end\n"
			  "local function due(list, now, prefix) return -1 end\n",

	[JD_OF_SIDEKIQ] = MEMBER
	"local function pop(list, n) return redis.call('RPOP', list, n) end\n"
	"local function first(list, job) redis.call('RPUSH', list, job) end\n"
	"local function last(list, job) redis.call('LPUSH', list, job) end\n"
	"local function move(prefix, job)\n"
	"  local ok, j = pcall(cjson.decode, job)\n"
	"  if not ok or type(j) ~= 'table' or type(j.queue) ~= 'string' then return end\n"
	"  redis.call('SADD', prefix .. 'queues', j.queue)\n"
	"  redis.call('LPUSH', prefix .. 'queue:' .. j.queue, job)\n"
	"  redis.call('ZREM', prefix .. 'schedule', job)\n"
	"  redis.call('ZREM', prefix .. 'retry', job)\n"
	"end\n"
	"local function due(list, now, prefix)\n"
	"  local next = -1\n"
	"  for _, set in ipairs({'schedule', 'retry'}) do\n"
	"    for _, job in ipairs(redis.call('ZRANGEBYSCORE', prefix .. set, '-inf', now / 1000, "
	"'LIMIT', 0, 200)) do\n"
	"      move(prefix, job)\n"
	"    end\n"
	"    local at = redis.call('ZRANGEBYSCORE', prefix .. set, '(' .. now / 1000, '+inf', "
	"'WITHSCORES', 'LIMIT', 0, 1)[2]\n"
	"    at = at and math.ceil(tonumber(at) * 1000 - now)\n"
	"    if at and (next < 0 or at < next) then next = at end\n"
	"  end\n"
	"  return next\n"
	"end\n",

	[JD_OF_LARAVEL] = MEMBER
	"local function pop(list, n)\n"
	"  local jobs = redis.call('LPOP', list, n)\n"
	"  if jobs then redis.call('LPOP', list .. ':notify', #jobs) end\n"
	"  return jobs\n"
	"end\n"
	"local function first(list, job)\n"
	"  redis.call('LPUSH', list, job)\n"
	"  redis.call('RPUSH', list .. ':notify', 1)\n"
	"end\n"
	"local function last(list, job)\n"
	"  redis.call('RPUSH', list, job)\n"
	"  redis.call('RPUSH', list .. ':notify', 1)\n"
	"end\n"
	"local function due(list, now, prefix)\n"
	"  for _, set in ipairs({':delayed', ':reserved'}) do\n"
	"    for _, job in ipairs(redis.call('ZRANGEBYSCORE', list .. set, '-inf', "
	"math.floor(now / 1000), 'LIMIT', 0, 200)) do\n"
	"      redis.call('ZREM', list .. set, job)\n"
	"      last(list, job)\n"
	"    end\n"
	"  end\n"
	"  local at = redis.call('ZRANGE', list .. ':delayed', 0, 0, 'WITHSCORES')[2]\n"
	"  return at and math.max(0, tonumber(at) * 1000 - now) or -1\n"
	"end\n",
};

/* ---- what is done with them ------------------------------------------------------------------ */

#define CHARGE                                                                                     \
	"local function charge(job, id)\n"                                                         \
	"  local head, body = open(job)\n"                                                         \
	"  head = head or {}\n"                                                                    \
	"  head.id = id\n"                                                                         \
	"  head.attempts = (head.attempts or 0) + 1\n"                                             \
	"  head.crashes = (head.crashes or 0) + 1\n"                                               \
	"  head.error = 'the server died while it ran'\n"                                          \
	"  return wrap(cjson.encode(head), body)\n"                                                \
	"end\n"

#define NOW                                                                                        \
	"local t = redis.call('TIME')\n"                                                           \
	"local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"

const char *const jd_scripts[JD_SCRIPTS] = {
	[JD_TAKE] =
		"if redis.call('HEXISTS', KEYS[3], 'paused') == 1 then return {0, 0} end\n"
		"local most, tokens, now = #ARGV - 4, nil, nil\n"
		"local together, rate, burst = tonumber(ARGV[2]), tonumber(ARGV[3]), "
		"tonumber(ARGV[4])\n"
		"if together > 0 then\n"
		"  local held = redis.call('HLEN', KEYS[2])\n"
		"  for _, node in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1)) do\n"
		"    local run = ARGV[1] .. node\n"
		"    if run ~= KEYS[2] then held = held + redis.call('HLEN', run) end\n"
		"  end\n"
		"  most = math.min(most, together - held)\n"
		"  if most < 1 then return {redis.call('LLEN', KEYS[1]), 50} end\n"
		"end\n"
		"if rate > 0 then\n"
		"  local t = redis.call('TIME')\n"
		"  local was = redis.call('HMGET', KEYS[3], 'tokens', 'at')\n"
		"  now = t[1] * 1000 + math.floor(t[2] / 1000)\n"
		"  tokens = was[1] and was[2] and tonumber(was[1]) + math.max(0, now - was[2]) * "
		"rate / 1000 or burst\n"
		"  tokens = math.min(burst, tokens)\n"
		"  most = math.min(most, math.floor(tokens))\n"
		"  if most < 1 then\n"
		"    return {redis.call('LLEN', KEYS[1]), math.ceil((1 - tokens) * 1000 / rate)}\n"
		"  end\n"
		"end\n"
		"local jobs = pop(KEYS[1], most)\n"
		"if not jobs then return {0, 0} end\n"
		"if tokens then\n"
		"  redis.call('HSET', KEYS[3], 'tokens', tokens - #jobs, 'at', now)\n"
		"end\n"
		"local out, set = {redis.call('LLEN', KEYS[1]), 0}, {}\n"
		"for i, job in ipairs(jobs) do\n"
		"  local head = open(job)\n"
		"  local id = head and head.id or ARGV[4 + i]\n"
		"  set[2 * i - 1], set[2 * i] = id, job\n"
		"  out[2 * i + 1], out[2 * i + 2] = id, job\n"
		"end\n"
		"redis.call('HSET', KEYS[2], unpack(set))\n"
		"return out\n",

	[JD_RETURN] = CHARGE "local job = redis.call('HGET', KEYS[1], ARGV[1])\n"
			     "if not job then return 0 end\n"
			     "redis.call('HDEL', KEYS[1], ARGV[1])\n"
			     "if ARGV[3] == '+' then\n"
			     "  job = charge(job, ARGV[1])\n"
			     "elseif ARGV[3] ~= '' then\n"
			     "  local _, body = open(job)\n"
			     "  job = wrap(ARGV[3], body)\n"
			     "end\n"
			     "if ARGV[2] == '0' then first(KEYS[2], job) return 1 end\n" NOW
			     "redis.call('HSET', KEYS[4], ARGV[1], job)\n"
			     "redis.call('ZADD', KEYS[3], now + tonumber(ARGV[2]), ARGV[1])\n"
			     "return 1\n",

	[JD_BURY] = "local job = redis.call('HGET', KEYS[1], ARGV[1])\n"
		    "if not job then return 0 end\n" NOW "local _, body = open(job)\n"
		    "redis.call('HDEL', KEYS[1], ARGV[1])\n"
		    "redis.call('HSET', KEYS[3], ARGV[1], wrap(ARGV[2], body))\n"
		    "redis.call('ZADD', KEYS[2], now, ARGV[1])\n"
		    "local over = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[3])\n"
		    "if over > 0 then\n"
		    "  for i, id in ipairs(redis.call('ZPOPMIN', KEYS[2], over)) do\n"
		    "    if i % 2 == 1 then redis.call('HDEL', KEYS[3], id) end\n"
		    "  end\n"
		    "end\n"
		    "return 1\n",

	[JD_TICK] = CHARGE NOW
	"redis.call('ZADD', KEYS[1], now, ARGV[1])\n"
	"redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 7 * 86400000)\n"
	"local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]), "
	"'LIMIT', 0,"
	" 20)\n"
	"local out = {0}\n"
	"local function reap(run, list)\n"
	"  local all = redis.call('HGETALL', run)\n"
	"  local jobs, ids = {}, {}\n"
	"  for i = 1, #all, 2 do jobs[all[i]] = all[i + 1] ids[#ids + 1] = all[i] end\n"
	"  table.sort(ids)\n"
	"  for i = #ids, 1, -1 do first(list, charge(jobs[ids[i]], ids[i])) end\n"
	"  redis.call('DEL', run)\n"
	"  out[1] = out[1] + #ids\n"
	"end\n"
	"for i = 2, #KEYS, 6 do\n"
	"  local list, at, job = KEYS[i], KEYS[i + 1], KEYS[i + 2]\n"
	"  for _, id in ipairs(redis.call('ZRANGEBYSCORE', at, '-inf', now, 'LIMIT', 0, 200)) do\n"
	"    local text = redis.call('HGET', job, id)\n"
	"    redis.call('ZREM', at, id)\n"
	"    redis.call('HDEL', job, id)\n"
	"    if text then last(list, text) end\n"
	"  end\n"
	"  for _, node in ipairs(gone) do\n"
	"    if redis.call('EXISTS', KEYS[i + 5] .. node) == 1 then reap(KEYS[i + 5] .. node, "
	"list) end\n"
	"  end\n"
	"  local next = due(list, now, ARGV[3])\n"
	"  local soonest = redis.call('ZRANGE', at, 0, 0, 'WITHSCORES')[2]\n"
	"  soonest = soonest and math.max(0, tonumber(soonest) - now) or -1\n"
	"  if next >= 0 and (soonest < 0 or next < soonest) then soonest = next end\n"
	"  local left = redis.pcall('LLEN', list)\n"
	"  out[#out + 1] = type(left) == 'number' and left or -1\n"
	"  out[#out + 1] = soonest\n"
	"  out[#out + 1] = redis.call('HEXISTS', KEYS[i + 3], 'paused')\n"
	"  out[#out + 1] = redis.call('ZCARD', at)\n"
	"  out[#out + 1] = redis.call('ZCARD', KEYS[i + 4])\n"
	"end\n"
	"return out\n",

	[JD_RAISE] = "local n = 0\n"
		     "local ids = redis.call('ZPOPMIN', KEYS[1], tonumber(ARGV[1]))\n"
		     "for i = 1, #ids, 2 do\n"
		     "  local job = redis.call('HGET', KEYS[2], ids[i])\n"
		     "  redis.call('HDEL', KEYS[2], ids[i])\n"
		     "  if job then\n"
		     "    local _, body = open(job)\n"
		     "    last(KEYS[3], wrap('{\"id\":\"' .. ids[i] .. '\"}', body))\n"
		     "    n = n + 1\n"
		     "  end\n"
		     "end\n"
		     "return n\n",

	[JD_PUSH] =
		"if not redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[2]) then return 0 end\n"
		"last(KEYS[1], ARGV[1])\n"
		"return 1\n",
};
