-- One batch of checks, exact and fresh. KEYS[1]: the shard's prefix. ARGV[1], packed:
--   {test_clock, most_decisions, most_bytes, run, checks}; run: the server's own, as its connection knows
-- A check is {DECIDE, names, rank, ends, limits, costs, spend, entry}, {FRESH, stamp, names, field, count}
-- or {DRY_RUN, gateway, most}:
--   names   {name, version, lease, …}: what the process believes, and the lease it read it under
--   rank    the first code that the rules found (OK: none); ends {ms, rank, …}
--   limits  {counter, algorithm, amount, window, burst, made_ms, …}; costs: one each, -1 not stated
--   entry   the decision as text for the stream; false for a dry run, which spends nothing
-- Answer, packed: {now, lease, stamp, {answer, …}}. Redis scripts do not roll back, so every check
-- reads and computes first and writes last.
local QUOTA_EXCEEDED, RATE_LIMITED, OK = 27, 28, 31
local DECIDED, STALE, COLD, ERR, NEGATIVE_STALE, FULL, NO_ERA, TOO_MANY = 0, 1, 2, 3, 4, 5, 6, 7
local DECIDE, FRESH, DRY_RUN = 0, 1, 2
local NEVER = 2 ^ 53
local DAY = 86400000
local LENGTH = {second = 1000, minute = 60000, hour = 3600000, day = DAY}
local HELD = 86400  -- seconds that a version is kept in Redis after it was last offered

local prefix = KEYS[1]
local test_clock, most_decisions, most_bytes, run, checks = unpack(cmsgpack.unpack(ARGV[1]))
local floor, ceil, min, max, format = math.floor, math.ceil, math.min, math.max, string.format
local function int(n) return format('%d', n) end  -- exact to 2^53; '%.0f' costs three times as much

local head = redis.call('MGET', prefix .. 'era', prefix .. 'clock', prefix .. 'offset',
  prefix .. 'generation', prefix .. 'negatives', prefix .. 'log:decisions', prefix .. 'log:bytes', prefix .. 'run')
local era = head[1]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + floor(tonumber(time[2]) / 1000)
if test_clock and head[3] then now = now + tonumber(head[3]) end
local last_seen = tonumber(head[2] or 0)
if now > last_seen then redis.call('SET', prefix .. 'clock', int(now)) else now = last_seen end
local lease = (era or '') .. '|' .. (head[4] or '0')
local stamp = (era or '') .. '|' .. (head[5] or '0')
-- Another run of the server than the era's may have come back without its last writes.
if not era or head[8] ~= run then
  local none = {}; for i = 1, #checks do none[i] = {NO_ERA} end
  return cmsgpack.pack({now, lease, stamp, none})
end
local era_start = tonumber(string.match(era, ':(%d+)$'))
local decisions, bytes = tonumber(head[6] or 0), tonumber(head[7] or 0)


-- Start of the month and of the next one (proleptic Gregorian, days counted from 1970).
local function days_from_civil(y, m)
  if m > 12 then y, m = y + 1, m - 12 end
  local shifted = m <= 2 and y - 1 or y
  local of_era = floor(shifted / 400)
  local yoe = shifted - of_era * 400
  local doy = floor((153 * (m + (m > 2 and -3 or 9)) + 2) / 5)
  return of_era * 146097 + yoe * 365 + floor(yoe / 4) - floor(yoe / 100) + doy - 719468
end
local function month_of(ms)
  local z = floor(ms / DAY) + 719468
  local of_era = floor(z / 146097)
  local doe = z - of_era * 146097
  local yoe = floor((doe - floor(doe / 1460) + floor(doe / 36524) - floor(doe / 146096)) / 365)
  local mp = floor((5 * (doe - (365 * yoe + floor(yoe / 4) - floor(yoe / 100))) + 2) / 153)
  local m = mp < 10 and mp + 3 or mp - 9
  local y = yoe + of_era * 400 + (m <= 2 and 1 or 0)
  return days_from_civil(y, m) * DAY, days_from_civil(y, m + 1) * DAY
end
-- Start and end of the window that holds now, and the start as text.
local windows = {}
local function bounds(window)
  if not windows[window] then
    local start, finish
    if window == 'month' then start, finish = month_of(now)
    else start = now - now % LENGTH[window]; finish = start + LENGTH[window] end
    windows[window] = {start, finish, int(start)}
  end
  return unpack(windows[window])
end

-- What the batch may need, in one read; both follow what it writes. A counter that is not there is
-- read again alone where its turn comes: MGET does not tell one of another type from a missing one.
local held, stored = {}, {}
local keys, names = {}, {}
local function want(check)
  local believed = check[1] == DECIDE and check[2] or check[1] == FRESH and check[3] or {}
  for i = 1, #believed, 3 do
    local name = believed[i]
    if held[name] == nil then
      keys[#keys + 1] = prefix .. 'v:' .. name
      names[#keys], held[name] = name, false
    end
  end
  local limits = check[1] == DECIDE and check[5] or {}
  for i = 1, #limits, 6 do
    local key = limits[i + 1] == 'calendar' and prefix .. 'q:' .. limits[i] .. ':' .. select(3, bounds(limits[i + 3]))
      or prefix .. 'b:' .. limits[i]
    limits[i] = {limits[i], key}
    if stored[key] == nil then stored[key], keys[#keys + 1] = false, key end
  end
end
for _, check in ipairs(checks) do pcall(want, check) end  -- a poisoned one fails where its turn comes
if #keys > 0 then
  local values = redis.call('MGET', unpack(keys))
  for i, key in ipairs(keys) do
    if names[i] then held[names[i]] = tonumber(values[i] or nil) or false
    else stored[key] = values[i] end
  end
end
local function value_of(key) return stored[key] or redis.call('GET', key) end

-- What was read in another era is believed no more: the versions in here may be from before that.
local of_era = {}
local function in_era(given)
  if of_era[given] == nil then of_era[given] = string.match(given, '^[^|]*') == era end
  return of_era[given]
end

-- nil when everything believed is current, else STALE or COLD. A believed version above the held
-- one was read from PostgreSQL after its commit: it is news, and true.
local function outdated(names)
  local offers = {}
  for i = 1, #names, 3 do
    local version = held[names[i]]
    if not in_era(names[i + 2]) then return STALE end
    if version == false then
      if names[i + 2] ~= lease then return COLD end
      offers[#offers + 1] = i
    elseif version > names[i + 1] then
      return STALE
    elseif version < names[i + 1] then
      offers[#offers + 1] = i
    end
  end
  for _, i in ipairs(offers) do
    redis.call('SET', prefix .. 'v:' .. names[i], int(names[i + 1]), 'EX', HELD)
    held[names[i]] = names[i + 1]
  end
  return nil
end

-- Every reader answers {remaining, reset_ms, code or false, wait_ms, charge or nil, …}: `charge` writes,
-- given the answer itself, and returns what the log is to say of it or nil.
local function charge_calendar(answer)
  local counter, start, finish, cost, used = unpack(answer, 6)
  local key = counter[2]
  if used then redis.call('INCRBY', key, int(cost))
  else redis.call('SET', key, int(cost), 'PXAT', int(finish + DAY)) end
  stored[key], answer[1] = int((used or 0) + cost), answer[1] - cost
  return {counter[1], start, finish, cost}
end
local function calendar(counter, amount, window, cost, stated)
  local start, finish = bounds(window)
  local value = value_of(counter[2])
  -- What is no whole number fails here, before a write, and not in INCRBY, after other limits' writes.
  local used = 0
  if value then used = tonumber(string.match(value, '^%d+$')) end
  local needed = stated and cost or 1
  local left, reset = max(0, amount - used), finish - now
  if needed > 0 and used + needed > amount then
    return {left, reset, QUOTA_EXCEEDED, needed > amount and NEVER or reset}
  end
  return {left, reset, false, 0, cost > 0 and charge_calendar, counter, start, finish, cost, value and used}
end

-- An integer token bucket: units, and a remainder counted in units × window milliseconds.
local function until_holding(goal, units, remainder, amount, length)
  return goal <= units and 0 or ceil(((goal - units) * length - remainder) / amount)
end
local function charge_bucket(answer)
  local key, units, remainder, amount, length, burst = unpack(answer, 6)
  local state = format('%d:%d:%d', units, remainder, now)
  -- Not before it is full, and long enough that a limit slowed down meanwhile is found.
  local kept = amount > 0 and int(max(ceil(burst * length / amount) + 1000, 2 * DAY))
  if kept then redis.call('SET', key, state, 'PX', kept) else redis.call('SET', key, state) end
  stored[key], answer[1] = state, units
  answer[2] = amount > 0 and until_holding(burst, units, remainder, amount, length) or 0
end
local function smooth(counter, amount, window, burst, made, cost, stated)
  local length = LENGTH[window]
  local value = value_of(counter[2])
  local units, remainder, last
  if value then
    units, remainder, last = string.match(value, '^(%d+):(%d+):(%d+)$')
    units, remainder, last = tonumber(units), tonumber(remainder), tonumber(last)
  elseif made < era_start then
    units, remainder, last = 0, 0, era_start  -- Redis lost its memory: what refilled since then
  else
    units, remainder, last = burst, 0, now
  end
  local passed = now - last
  if amount > 0 and passed >= ceil(burst * length / amount) then
    units, remainder = burst, 0
  elseif units < burst then
    local refill = passed * amount + remainder
    units, remainder = units + floor(refill / length), refill % length
  end
  if units >= burst then units, remainder = burst, 0 end
  local needed = stated and cost or 1
  local full = amount > 0 and until_holding(burst, units, remainder, amount, length) or 0
  if needed > units then
    local wait = (needed > burst or amount == 0) and NEVER
      or until_holding(needed, units, remainder, amount, length)
    return {units, full, RATE_LIMITED, wait}
  end
  return {units, full, false, 0, cost > 0 and charge_bucket, counter[2], units - cost, remainder, amount, length, burst}
end

local function limits_of(check)
  local limits, costs, read = check[5], check[6], {}
  for i = 1, #costs do
    local at = (i - 1) * 6
    local stated = costs[i] >= 0
    local cost = stated and costs[i] or 0
    if limits[at + 2] == 'calendar' then
      read[i] = calendar(limits[at + 1], limits[at + 3], limits[at + 4], cost, stated)
    else
      read[i] = smooth(limits[at + 1], limits[at + 3], limits[at + 4], limits[at + 5],
        limits[at + 6], cost, stated)
    end
  end
  return read
end

local entries, size = {}, 0
local function decide(check)
  local state = outdated(check[2])
  if state then return {state} end
  local rank, ended = check[3], {}
  for i = 1, #check[4], 2 do
    if check[4][i] <= now then ended[#ended + 1] = check[4][i + 1]; rank = min(rank, check[4][i + 1]) end
  end
  local read, failed, wait = limits_of(check), {}, 0
  local limited, longest = OK, -1
  for i, limit in ipairs(read) do
    if limit[3] then
      failed[#failed + 1] = i; failed[#failed + 1] = limit[3]
      if limit[4] > longest or (limit[4] == longest and limit[3] < limited) then
        longest, limited = limit[4], limit[3]
      end
    end
  end
  if rank == OK and limited ~= OK then rank, wait = limited, longest end
  local charges = {}
  if rank == OK and check[7] then
    for _, limit in ipairs(read) do
      if limit[5] then charges[#charges + 1] = limit[5](limit) end
    end
  end
  if check[8] then
    entries[#entries + 1] = {check[8], rank, now, charges}
    size = size + #check[8] + 64
  end
  local shown = {}
  for i, limit in ipairs(read) do shown[i * 2 - 1] = limit[1]; shown[i * 2] = limit[2] end
  return {DECIDED, rank, shown, wait == NEVER and -1 or wait, ended, failed}
end

-- A refusal that no key stands behind: is what the process believes still so? Then count it.
local function fresh(check)
  if check[2] and check[2] ~= stamp then return {NEGATIVE_STALE} end
  local state = outdated(check[3])
  if state then return {state} end
  if check[4] then
    local key = prefix .. 'unknown:' .. int(now - now % 60000)
    local field = check[4]
    if redis.call('HLEN', key) >= 512 and redis.call('HEXISTS', key, field) == 0 then
      field = string.gsub(field, '|[^|]*|', '|other|')  -- bounded: the rest is one sum
    end
    redis.call('HINCRBY', key, field, check[5] or 1)
    redis.call('EXPIRE', key, 172800)
  end
  return {DECIDED}
end

-- A gateway's dry runs in this second: they spend nothing, so they are bounded by themselves.
local function dry_run(check)
  local key = prefix .. 'dry:' .. check[2] .. ':' .. time[1]
  local count = redis.call('INCR', key)
  redis.call('EXPIRE', key, 5)
  return {count > check[3] and TOO_MANY or DECIDED}
end

local verb = {[DECIDE] = decide, [FRESH] = fresh, [DRY_RUN] = dry_run}
local answers = {}
for i, check in ipairs(checks) do
  if check[1] == DECIDE and check[8] and (decisions + #entries >= most_decisions or bytes + size >= most_bytes) then
    answers[i] = {FULL}
  else
    -- A poisoned check (a counter of another type, say) fails for itself alone.
    local good, answer = pcall(verb[check[1]], check)
    answers[i] = good and answer or {ERR, tostring(type(answer) == 'table' and answer.err or answer)}
  end
end
if #entries > 0 then
  local logged = redis.pcall('XADD', prefix .. 'log', '*', 'd', cmsgpack.pack(entries),
    'n', #entries, 's', size)
  if type(logged) == 'table' and logged.err then
    for i, check in ipairs(checks) do
      if check[1] == DECIDE and check[8] and answers[i][1] == DECIDED then answers[i] = {ERR, logged.err} end
    end
  else
    redis.call('INCRBY', prefix .. 'log:decisions', #entries)
    redis.call('INCRBY', prefix .. 'log:bytes', size)
  end
end
return cmsgpack.pack({now, lease, stamp, answers})
