#include "roles/jobd/jd_script.h"

/* A job's head as a table, and where its payload begins. */
#define HEAD                                                                                       \
	"local function open(job)\n"                                                               \
	"  if string.sub(job, 1, 5) == 'tr1 {' then\n"                                             \
	"    local stop = string.find(job, '\\n', 1, true)\n"                                      \
	"    if stop then\n"                                                                       \
	"      local ok, head = pcall(cjson.decode, string.sub(job, 5, stop - 1))\n"               \
	"      if ok then return head, stop + 1 end\n"                                             \
	"    end\n"                                                                                \
	"  end\n"                                                                                  \
	"  return {}, 1\n"                                                                         \
	"end\n"

#define CHARGE                                                                                     \
	HEAD "local function charge(job, id)\n"                                                    \
	     "  local head, from = open(job)\n"                                                    \
	     "  head.id = id\n"                                                                    \
	     "  head.attempts = (head.attempts or 0) + 1\n"                                        \
	     "  head.crashes = (head.crashes or 0) + 1\n"                                          \
	     "  head.error = 'the server died while it ran'\n"                                     \
	     "  return 'tr1 ' .. cjson.encode(head) .. '\\n' .. string.sub(job, from)\n"           \
	     "end\n"

#define NOW                                                                                        \
	"local t = redis.call('TIME')\n"                                                           \
	"local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"

const char *const jd_scripts[JD_SCRIPTS] = {
	[JD_TAKE] = HEAD "if redis.call('HEXISTS', KEYS[3], 'paused') == 1 then return {0} end\n"
			 "local jobs = redis.call('LPOP', KEYS[1], #ARGV)\n"
			 "if not jobs then return {0} end\n"
			 "local out, set = {redis.call('LLEN', KEYS[1])}, {}\n"
			 "for i, job in ipairs(jobs) do\n"
			 "  local id = ARGV[i]\n"
			 "  if string.sub(job, 1, 5) == 'tr1 {' then id = open(job).id or id end\n"
			 "  set[2 * i - 1], set[2 * i] = id, job\n"
			 "  out[2 * i], out[2 * i + 1] = id, job\n"
			 "end\n"
			 "redis.call('HSET', KEYS[2], unpack(set))\n"
			 "return out\n",

	[JD_RETURN] =
		CHARGE "local job = redis.call('HGET', KEYS[1], ARGV[1])\n"
		       "if not job then return 0 end\n"
		       "redis.call('HDEL', KEYS[1], ARGV[1])\n"
		       "if ARGV[3] == '+' then\n"
		       "  job = charge(job, ARGV[1])\n"
		       "elseif ARGV[3] ~= '' then\n"
		       "  local _, from = open(job)\n"
		       "  job = 'tr1 ' .. ARGV[3] .. '\\n' .. string.sub(job, from)\n"
		       "end\n"
		       "if ARGV[2] == '0' then redis.call('LPUSH', KEYS[2], job) return 1 end\n" NOW
		       "redis.call('HSET', KEYS[4], ARGV[1], job)\n"
		       "redis.call('ZADD', KEYS[3], now + tonumber(ARGV[2]), ARGV[1])\n"
		       "return 1\n",

	[JD_BURY] = HEAD "local job = redis.call('HGET', KEYS[1], ARGV[1])\n"
			 "if not job then return 0 end\n" NOW "local _, from = open(job)\n"
			 "redis.call('HDEL', KEYS[1], ARGV[1])\n"
			 "redis.call('HSET', KEYS[3], ARGV[1], 'tr1 ' .. ARGV[2] .. '\\n' .. "
			 "string.sub(job, from))\n"
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
	"  for i = #ids, 1, -1 do redis.call('LPUSH', list, charge(jobs[ids[i]], ids[i])) end\n"
	"  redis.call('DEL', run)\n"
	"  out[1] = out[1] + #ids\n"
	"end\n"
	"for i = 2, #KEYS, 6 do\n"
	"  local list, at, job = KEYS[i], KEYS[i + 1], KEYS[i + 2]\n"
	"  for _, id in ipairs(redis.call('ZRANGEBYSCORE', at, '-inf', now, 'LIMIT', 0, 200)) do\n"
	"    local text = redis.call('HGET', job, id)\n"
	"    redis.call('ZREM', at, id)\n"
	"    redis.call('HDEL', job, id)\n"
	"    if text then redis.call('RPUSH', list, text) end\n"
	"  end\n"
	"  for _, node in ipairs(gone) do\n"
	"    if redis.call('EXISTS', KEYS[i + 5] .. node) == 1 then reap(KEYS[i + 5] .. node, "
	"list) end\n"
	"  end\n"
	"  local first = redis.call('ZRANGE', at, 0, 0, 'WITHSCORES')\n"
	"  local left = redis.pcall('LLEN', list)\n"
	"  out[#out + 1] = type(left) == 'number' and left or -1\n"
	"  out[#out + 1] = first[2] and math.max(0, tonumber(first[2]) - now) or -1\n"
	"  out[#out + 1] = redis.call('HEXISTS', KEYS[i + 3], 'paused')\n"
	"  out[#out + 1] = redis.call('ZCARD', at)\n"
	"  out[#out + 1] = redis.call('ZCARD', KEYS[i + 4])\n"
	"end\n"
	"return out\n",

	[JD_RAISE] =
		"local n = 0\n"
		"local ids = redis.call('ZPOPMIN', KEYS[1], tonumber(ARGV[1]))\n"
		"for i = 1, #ids, 2 do\n"
		"  local job = redis.call('HGET', KEYS[2], ids[i])\n"
		"  redis.call('HDEL', KEYS[2], ids[i])\n"
		"  if job then\n"
		"    local stop = string.find(job, '\\n', 1, true)\n"
		"    job = 'tr1 {\"id\":\"' .. ids[i] .. '\"}\\n' .. string.sub(job, stop + 1)\n"
		"    redis.call('RPUSH', KEYS[3], job)\n"
		"    n = n + 1\n"
		"  end\n"
		"end\n"
		"return n\n",
};
