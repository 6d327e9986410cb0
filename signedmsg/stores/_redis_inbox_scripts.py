"""The scripts of an inbox in Redis: one hash a message, and a sorted set of each issuer's messages in a shard.

A row is `running`, `done`, `rejected`, or `absent`: given back, or forgotten, and kept for its
history alone. A fence is the server's time in microseconds, or one more than the last
fence if that is higher; so it grows even where a flush took the history away.
"""

from __future__ import annotations

from typing import Final

from signedmsg.stores._inbox_limits import ABANDONED
from signedmsg.stores._redis_client import Script
from signedmsg.stores._redis_replay_script import EVICTS, HIDDEN, NOW

CLAIMED: Final = 1
RUNNING: Final = 2
DONE: Final = 3
REJECTED: Final = 4
CONFLICT: Final = 5
OVER_QUOTA: Final = 6
FORGOTTEN: Final = 10

# A row whose message is settled goes 120 s after it must be kept, so that clocks which
# differ do no harm; one that nobody finished a day after nobody can begin it any more.
_ROW: Final = (
    NOW
    + """
local function expire(row, moment, spare, now)
  redis.call('PEXPIRE', row, math.max(1, math.ceil((moment - now) / 1000) + spare))
end
local SETTLED = 120000
"""
    + f"local UNFINISHED = {int(ABANDONED * 1000)}\n"
)

BEGIN: Final = Script(
    _ROW
    + """
local row, share = KEYS[1], KEYS[2]
local digest, lease, keep, quota = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local member, issuer, id, kind, nonce = ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local checks, now = ARGV[10] == '1', clock(ARGV[11])
"""
    + f"""
local CLAIMED, RUNNING, DONE, REJECTED = {CLAIMED}, {RUNNING}, {DONE}, {REJECTED}
local CONFLICT, OVER_QUOTA, FORGOTTEN = {CONFLICT}, {OVER_QUOTA}, {FORGOTTEN}
local EVICTS, HIDDEN = {EVICTS}, {HIDDEN}
"""
    + """
local is = redis.call('HMGET', row, 'state', 'digest', 'fence', 'attempt', 'until', 'keep', 'value', 'nonce')
local state, fence, attempt = is[1], tonumber(is[3] or 0), tonumber(is[4] or 0)
local lease_over, kept = tonumber(is[5] or 0), tonumber(is[6] or 0)

-- A row that is over counts as absent, but not for the message that it is of: where this clock is
-- ahead of the receiver's, that one would run again. Nor is it known when its row may be gone already.
if not state and keep + SETTLED * 1000 <= now then return {FORGOTTEN, now - keep, 0} end
if state and (state == 'running' or kept > now or keep <= now) then
  if is[2] ~= '' and is[2] ~= digest then return {CONFLICT, 0, 0} end
  if state == 'done' then return {DONE, tonumber(is[7]), 0} end
  if state == 'rejected' then return {REJECTED, is[7], 0} end
  if state == 'running' and lease_over > now then
    -- The same call again, by a client that lost the connection before the answer came.
    if is[8] == nonce then return {CLAIMED, fence, attempt} end
    return {RUNNING, lease_over - now, 0}
  end
end

local refused = checks and eviction(EVICTS, HIDDEN) or 0
if refused ~= 0 then return {refused, 0, 0} end
redis.call('ZREMRANGEBYSCORE', share, '-inf', now)
if not redis.call('ZSCORE', share, member) and redis.call('ZCARD', share) >= quota then
  local first = redis.call('ZRANGE', share, 0, 0, 'WITHSCORES')
  return {OVER_QUOTA, tonumber(first[2]) - now, 0}
end
fence, attempt, keep = math.max(fence + 1, now), attempt + 1, math.max(keep, kept)
redis.call('HSET', row, 'state', 'running', 'digest', digest, 'fence', fence, 'attempt', attempt, 'until', now + lease,
  'keep', keep, 'value', '', 'nonce', nonce, 'issuer', issuer, 'id', id, 'type', kind)
expire(row, math.max(keep, now + lease), UNFINISHED, now)
redis.call('ZADD', share, keep, member)
if redis.call('PTTL', share) < (keep - now) / 1000 then expire(share, keep, SETTLED, now) end
return {CLAIMED, fence, attempt}
"""
)

# One script for all that needs the current fence, since all but the last line is the same.
FINISH: Final = Script(
    _ROW
    + """
local row, fence, state, value, lease = KEYS[1], ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local now = clock(ARGV[5])
local is = redis.call('HMGET', row, 'state', 'fence', 'keep', 'value')
if is[2] ~= fence then return 0 end
if is[1] ~= 'running' then
  -- The same call again is no other holder's.
  return (is[1] == state and is[4] == value) and 1 or 0
end
if state == 'running' then
  redis.call('HSET', row, 'until', now + lease)
  expire(row, math.max(tonumber(is[3]), now + lease), UNFINISHED, now)
else
  redis.call('HSET', row, 'state', state, 'value', value)
  expire(row, tonumber(is[3]), SETTLED, now)
end
return 1
"""
)

# The fence stays: with another first one, who held the message before could finish it.
FORGET: Final = Script(
    NOW
    + """
local row, now = KEYS[1], clock(ARGV[1])
local is = redis.call('HMGET', row, 'state', 'keep')
if not (is[1] == 'done' or is[1] == 'rejected') or tonumber(is[2]) <= now then return 0 end
redis.call('HSET', row, 'state', 'absent', 'digest', '', 'attempt', 0, 'value', '')
return 1
"""
)
