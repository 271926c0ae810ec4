//! The scripts that Redis runs: each op is atomic for all nodes, and time is Redis' own.
//!
//! Keys, under `{prefix}` (a hash tag, so that a cluster keeps them together):
//! `waiting` sorted set of callers by score · `call:ID` hash · `agent:ID` hash · `held:agent:ID` and `held:call:ID`
//! leases `node offer` with an expiry · `node:NAME` heartbeat with an expiry · `node:NAME:calls`, `node:NAME:agents` what a
//! node said, `node:NAME:held` the keys of its leases · `changes` bounded stream.

/// Shared beginning: who holds what.
const PRELUDE: &str = r"
local function node_of(held) return string.match(held, '^(%S+) ') end
local function offer_of(held) return string.match(held, ' (%S+)$') end
local p = KEYS[1]
local node = ARGV[1]
local function hold(key, mine, ms)
  redis.call('SET', key, mine, 'PX', ms)
  redis.call('SADD', p .. ':node:' .. node .. ':held', key)
end
local function changed(what, id)
  redis.call('XADD', p .. ':changes', 'MAXLEN', '~', 10000, '*', 'node', node, 'what', what, 'id', id)
end
";

fn script(body: &str) -> redis::Script {
    redis::Script::new(&format!("{PRELUDE}{body}"))
}

/// All of them.
pub(crate) struct Scripts {
    pub(crate) claim: redis::Script,
    pub(crate) confirm: redis::Script,
    pub(crate) renew: redis::Script,
    pub(crate) release: redis::Script,
    pub(crate) put_caller: redis::Script,
    pub(crate) drop_caller: redis::Script,
    pub(crate) put_agent: redis::Script,
    pub(crate) drop_agent: redis::Script,
    pub(crate) forget: redis::Script,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            // ARGV: node, offer, call, agent, milliseconds
            claim: script(
                r"
local key = p .. ':held:agent:' .. ARGV[4]
local held = redis.call('GET', key)
if held and node_of(held) ~= node then return 0 end
hold(key, node .. ' ' .. ARGV[2], ARGV[5])
changed('claimed', ARGV[4])
return 1",
            ),
            confirm: script(
                r"
local agent = p .. ':held:agent:' .. ARGV[4]
local call = p .. ':held:call:' .. ARGV[3]
local held = redis.call('GET', agent)
if held and (node_of(held) ~= node or offer_of(held) ~= ARGV[2]) then return 0 end
local taken = redis.call('GET', call)
if taken and node_of(taken) ~= node then return 0 end
hold(agent, node .. ' ' .. ARGV[2], ARGV[5])
hold(call, node .. ' ' .. ARGV[2], ARGV[5])
changed('confirmed', ARGV[3])
return 1",
            ),
            // ARGV: node, offer, call, agent, milliseconds, talking
            renew: script(
                r"
local keys = { p .. ':held:agent:' .. ARGV[4] }
if ARGV[6] == '1' then keys[2] = p .. ':held:call:' .. ARGV[3] end
local mine = node .. ' ' .. ARGV[2]
for _, key in ipairs(keys) do
  local held = redis.call('GET', key)
  if not held or held == mine then hold(key, mine, ARGV[5]) end
end
return 1",
            ),
            release: script(
                r"
local mine = node .. ' ' .. ARGV[2]
for _, key in ipairs({ p .. ':held:agent:' .. ARGV[4], p .. ':held:call:' .. ARGV[3] }) do
  if redis.call('GET', key) == mine then
    redis.call('DEL', key)
    redis.call('SREM', p .. ':node:' .. node .. ':held', key)
  end
end
changed('released', ARGV[4])
return 1",
            ),
            // ARGV: node, call, score, arrival, language, risk
            put_caller: script(
                r"
redis.call('ZADD', p .. ':waiting', ARGV[3], ARGV[2])
redis.call('HSET', p .. ':call:' .. ARGV[2], 'node', node, 'arrival', ARGV[4], 'language', ARGV[5], 'risk', ARGV[6])
redis.call('SADD', p .. ':node:' .. node .. ':calls', ARGV[2])
changed('waiting', ARGV[2])
return 1",
            ),
            drop_caller: script(
                r"
redis.call('ZREM', p .. ':waiting', ARGV[2])
redis.call('DEL', p .. ':call:' .. ARGV[2])
redis.call('SREM', p .. ':node:' .. node .. ':calls', ARGV[2])
changed('left', ARGV[2])
return 1",
            ),
            // ARGV: node, agent, state
            put_agent: script(
                r"
redis.call('HSET', p .. ':agent:' .. ARGV[2], 'node', node, 'state', ARGV[3])
redis.call('SADD', p .. ':node:' .. node .. ':agents', ARGV[2])
changed(ARGV[3], ARGV[2])
return 1",
            ),
            drop_agent: script(
                r"
local key = p .. ':agent:' .. ARGV[2]
if redis.call('HGET', key, 'node') == node then redis.call('DEL', key) end
redis.call('SREM', p .. ':node:' .. node .. ':agents', ARGV[2])
return 1",
            ),
            // ARGV: node. What this node said before is no longer so; leases of others stay with them.
            forget: script(
                r"
local calls = p .. ':node:' .. node .. ':calls'
for _, call in ipairs(redis.call('SMEMBERS', calls)) do
  redis.call('ZREM', p .. ':waiting', call)
  redis.call('DEL', p .. ':call:' .. call)
end
redis.call('DEL', calls)
local agents = p .. ':node:' .. node .. ':agents'
for _, agent in ipairs(redis.call('SMEMBERS', agents)) do
  local state = p .. ':agent:' .. agent
  if redis.call('HGET', state, 'node') == node then redis.call('DEL', state) end
end
redis.call('DEL', agents)
local leases = p .. ':node:' .. node .. ':held'
for _, key in ipairs(redis.call('SMEMBERS', leases)) do
  local held = redis.call('GET', key)
  if held and node_of(held) == node then redis.call('DEL', key) end
end
redis.call('DEL', leases)
changed('sync', node)
return 1",
            ),
        }
    }
}
