"""The script of a replay cache in Redis: shards of two generations of ids, and the record of each one's birth.

A shard is a hash, `young`, and the generation before it, `old`. The record of its birth
is in the same hash as its ids, so whatever takes ids away - a flush, an eviction, a
deletion - takes the record with them, and the shard is born anew. Three things the
hash itself cannot show are compared at each call: the server's run id, which is
another one after a restart or on another server; its replication id, which is another
one after each promotion; and the latest epoch that the caller has seen, which a
server that missed writes is behind.

One run answers any number of adds, one after another as if each had come alone, since most
of what a run costs is the command itself and what the server says of itself. They need
not be of one shard, except on a cluster, where each shard is in a slot of its own.

An id is dropped with its generation, so no key has a time to live: a policy that evicts
only such keys finds none, and an idle shard does not forget its birth.
"""

from __future__ import annotations

import struct
from typing import Final

from signedmsg.stores._limits import CLOCK_TOLERANCE
from signedmsg.stores._redis_client import Script

# The answer is a text of numbers, which one reading makes into integers: the server's time, and then four
# for each add: one of these, the epoch, whether the shard was born in this add, and a number that depends.
# All times are in microseconds, and all numbers below 2**53, so that Lua's doubles hold them.
SEEN: Final = 0
NEW: Final = 1
EARLY: Final = 2
QUOTA: Final = 3
FULL: Final = 4
CLOCK: Final = 5
WENT_BACK: Final = 6
EVICTS: Final = 7
HIDDEN: Final = 8
NAMELESS: Final = 9

# Of an add: whether it only looks at its shard; the place of its keys; id, nonce, issuer, keep, age, known epoch.
FORM: Final = ">BBc16c8c17ddd"
ENTRY: Final = struct.Struct(">BB16s8s17sddd")

# The server's own clock, unless a test gives another.
NOW: Final = """
local function clock(given)
  if given ~= '' then return tonumber(given) end
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end
-- 0: no key is ever evicted; else what is wrong.
local function eviction(evicts, hidden)
  local policy = string.match(redis.call('INFO', 'memory'), 'maxmemory_policy:([%w-]+)')
  if not policy then return hidden end
  return policy == 'noeviction' and 0 or evicts
end
"""

_LUA: Final = (
    NOW
    + f"""
local SEEN, NEW, EARLY, QUOTA, FULL = {SEEN}, {NEW}, {EARLY}, {QUOTA}, {FULL}
local CLOCK, WENT_BACK, EVICTS, HIDDEN, NAMELESS = {CLOCK}, {WENT_BACK}, {EVICTS}, {HIDDEN}, {NAMELESS}
local TOLERANCE, FORM = {int(CLOCK_TOLERANCE * 1e6)}, '{FORM}'
"""
    + """
local leeway, capacity, quota = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local caller, checks, now, entries = tonumber(ARGV[4]), ARGV[5] == '1', clock(ARGV[6]), ARGV[7]
local this_run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local this_replication = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')

local function add(young, old, looks, id, nonce, issuer, keep, age, known)
  if math.abs(now - caller) > TOLERANCE then return CLOCK, known, 0, now - caller end

  local row = redis.call('HMGET', young, 'epoch', 'birth', 'lost', 'run', 'replication', 'forgot', 'turn', 'until',
    'count', 'has_old', id, issuer)
  local epoch, birth, lost, run, replication = tonumber(row[1]), tonumber(row[2]), tonumber(row[3]), row[4], row[5]
  local forgot, turn, latest, count = tonumber(row[6] or 0), tonumber(row[7] or 0), tonumber(row[8] or 0),
    tonumber(row[9] or 0)
  local has_old, seen, used = row[10] == '1', row[11], tonumber(row[12] or 0)
  local old_count, old_used = 0, 0

  -- An id that was over when it was dropped may be fresh again on a clock that went back.
  if now < forgot - TOLERANCE then return WENT_BACK, known, 0, forgot - now end

  local missing = not epoch
  local torn = false
  if has_old then
    local before = redis.call('HMGET', old, 'epoch', id, issuer, 'count')
    torn = not before[1]
    seen, old_used, old_count = seen or before[2], tonumber(before[3] or 0), tonumber(before[4] or 0)
  end
  local stranger = missing or run ~= this_run or replication ~= this_replication

  local reborn = 0
  if stranger or torn or known > epoch then
    run, replication = this_run, this_replication
    if not (run and replication) then return NAMELESS, known, 0, 0 end
    local refused = checks and eviction(EVICTS, HIDDEN) or 0
    if refused ~= 0 then return refused, known, 0, 0 end
    -- Where nobody knew an earlier birth the cache was just made, and nothing was lost.
    lost = (missing and known == 0) and 0 or 1
    reborn, birth, epoch = 1, now, math.max(now, known + 1, (epoch or 0) + 1)
    redis.call('HSET', young, 'epoch', epoch, 'birth', birth, 'lost', lost, 'run', run, 'replication', replication)
    if missing or torn then
      has_old = false
      redis.call('HSET', young, 'has_old', 0)
      redis.call('UNLINK', old)
      old_count, old_used = 0, 0
    end
  elseif known ~= 0 and known < epoch and lost == 0 then
    -- The caller used a cache that is gone; whoever came first after that could not know.
    lost = 1
    redis.call('HSET', young, 'lost', 1)
  end

  local since = birth + lost * leeway
  if looks then return NEW, epoch, reborn, since end
  -- Written so that no number, which compares as false, is refused.
  if not (age <= now - since) then return EARLY, epoch, reborn, since end
  -- The same call again, by a client that lost the connection before the answer came.
  if seen then return seen == nonce and NEW or SEEN, epoch, reborn, since end

  if now >= turn then
    local refused = checks and eviction(EVICTS, HIDDEN) or 0
    if refused ~= 0 then return refused, epoch, reborn, 0 end
    if old_count > 0 or (latest <= now and count > 0) then forgot = math.max(forgot, now) end
    redis.call('UNLINK', old)
    if latest <= now then
      redis.call('UNLINK', young)
      has_old, turn, old_count, old_used = false, now + keep, 0, 0
    else
      redis.call('RENAME', young, old)
      has_old, turn, old_count, old_used = true, latest, count, used
    end
    latest, count, used = 0, 0, 0
    redis.call('HSET', young, 'epoch', epoch, 'birth', birth, 'lost', lost, 'run', run, 'replication', replication,
      'forgot', forgot, 'turn', turn, 'has_old', has_old and 1 or 0)
  end

  if used + old_used >= quota then return QUOTA, epoch, reborn, turn - now end
  if count + old_count >= capacity then return FULL, epoch, reborn, turn - now end
  redis.call('HSET', young, id, nonce, issuer, used + 1, 'count', count + 1, 'until', math.max(latest, now + keep))
  return NEW, epoch, reborn, since
end

local answers, place = {string.format('%.0f', now)}, 1
while place <= #entries do
  local looks, which, id, nonce, issuer, keep, age, known
  looks, which, id, nonce, issuer, keep, age, known, place = struct.unpack(FORM, entries, place)
  local status, epoch, reborn, number =
    add(KEYS[2 * which + 1], KEYS[2 * which + 2], looks == 1, id, nonce, issuer, keep, age, known)
  answers[#answers + 1] = string.format('%d %.0f %d %.0f', status, epoch, reborn, number)
end
return table.concat(answers, ' ')
"""
)

ADD: Final = Script(_LUA)
