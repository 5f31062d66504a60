-- One postback of 500 bytes a request, each of another action.
-- Prints what was measured as one line of JSON.

local SIZE = 500
-- The clock keeps the ids of one run apart from those of the next.
local prefix = string.format("1000.%d.", os.time())
local before = '{"campaign_id":"1000","campaign_name":"Acme","status":"PENDING","payout":"12.50",'
  .. '"amount":"250.00","currency":"USD","event_date":"2024-09-10T10:42:38-07:00",'
  .. '"sub_id1":"u-81","action_id":"'
local between = '","padding":"'
local after = '"}'
local count = 0

function request()
  count = count + 1
  local id = string.format("%s%09d", prefix, count)
  local rest = SIZE - #before - #id - #between - #after
  local body = before .. id .. between .. string.rep("x", rest) .. after
  return wrk.format("POST", nil, { ["Content-Type"] = "application/json" }, body)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"seconds":%.6f,"p50":%.3f,"p99":%.3f,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
