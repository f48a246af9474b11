-- A token bucket. KEYS[1]: the bucket. ARGV: tokens a second, burst. Returns the milliseconds to
-- wait, 0 when the request may go on. Units are thousandths of a token, so all is whole numbers.
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2]) * 1000
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local held = redis.call('HMGET', KEYS[1], 'left', 'at')
local left, at = tonumber(held[1]) or burst, tonumber(held[2]) or ms
left = math.min(burst, left + math.max(0, ms - at) * rate)
local wait = 0
if left >= 1000 then
  left = left - 1000
else
  wait = math.ceil((1000 - left) / rate)
end
redis.call('HSET', KEYS[1], 'left', string.format('%.0f', left), 'at', string.format('%.0f', math.max(ms, at)))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate) + 1000)
return wait
