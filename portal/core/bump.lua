-- Raises versions and ends every lease. KEYS[1]: the shard's prefix. ARGV[1]: packed {name: version}.
--
-- A version that is not held stays not held: the next check reads PostgreSQL. Setting it here could
-- put an old version in place of a newer one that was lost with Redis' memory.
local prefix = KEYS[1]
for name, version in pairs(cmsgpack.unpack(ARGV[1])) do
  if name == 'n' then
    redis.call('INCR', prefix .. 'negatives')
  else
    local held = redis.call('GET', prefix .. 'v:' .. name)
    if held and tonumber(held) < version then
      redis.call('SET', prefix .. 'v:' .. name, string.format('%.0f', version), 'KEEPTTL')
    end
  end
end
redis.call('INCR', prefix .. 'generation')
return 1
