-- The script of wrk: repeats one call, for instance with the calculator's expression, and checks each answer.
--
-- wrk -s compute.lua URL -- METHOD ANSWER [BODY]
--
-- ANSWER is the expected body without white space. Any other body with status 200 counts as wrong.
-- At the end, the script prints a block of lines that meshlab reads (src/bench/block.rs).

local expected

function init(args)
   wrk.method = args[1]
   expected = args[2]
   if args[3] then
      wrk.body = args[3]
      wrk.headers["Content-Type"] = "application/json"
   end
   -- Globals, because `done` reads them from each thread by name.
   not_200, wrong, sample_status, sample_body = 0, 0, 0, ""
end

local function keep(status, body)
   if sample_status == 0 then
      sample_status, sample_body = status, body:sub(1, 200)
   end
end

function response(status, headers, body)
   if status == 200 and body == expected then
      return
   end
   body = body or ""
   if status ~= 200 then
      not_200 = not_200 + 1
      keep(status, body)
   elseif body:gsub("%s", "") ~= expected then
      wrong = wrong + 1
      keep(status, body)
   end
end

local threads = {}

function setup(thread)
   table.insert(threads, thread)
end

local function fact(name, value)
   io.write(string.format("%s %d\n", name, value))
end

-- To find a latency, wrk steps through all microseconds from the fastest latency up. This many steps take seconds.
local STEPS = 2e9
local ROWS = 20000

local function every_latency(latency)
   for index = 1, #latency do
      io.write(string.format("latency %d %d\n", latency(index)))
   end
end

-- If there are too many latencies: those at selected percentiles.
local function chosen_latencies(latency, answers)
   local pieces = math.max(50, math.min(2000, math.floor(STEPS / (latency.max - latency.min))))
   local shares = { 75, 90, 99, 99.5, 99.9, 99.95, 99.99 }
   for piece = 1, pieces - 1 do
      table.insert(shares, 100 * piece / pieces)
   end
   table.sort(shares)
   local counted = 0
   for _, share in ipairs(shares) do
      local reached = math.floor(share / 100 * answers)
      if reached > counted then
         io.write(string.format("latency %d %d\n", latency:percentile(share), reached - counted))
         counted = reached
      end
   end
   io.write(string.format("latency %d %d\n", latency.max, answers - counted))
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write("\nmeshlab-bench 1\n")
   fact("duration", summary.duration)
   fact("requests", summary.requests)
   fact("bytes", summary.bytes)
   fact("connect", errors.connect)
   fact("read", errors.read)
   fact("write", errors.write)
   fact("timeout", errors.timeout)
   local not_200, wrong = 0, 0
   local sample
   for _, thread in ipairs(threads) do
      not_200 = not_200 + thread:get("not_200")
      wrong = wrong + thread:get("wrong")
      if not sample and thread:get("sample_status") ~= 0 then
         sample = thread
      end
   end
   fact("status", not_200)
   fact("wrong", wrong)
   if sample then
      local hex = sample:get("sample_body"):gsub(".", function(byte) return string.format("%02x", byte:byte()) end)
      io.write(string.format("sample %d %s\n", sample:get("sample_status"), hex))
   end
   if #latency <= ROWS and #latency * (latency.max - latency.min) / 2 <= STEPS then
      fact("exact", 1)
      every_latency(latency)
   else
      fact("exact", 0)
      chosen_latencies(latency, summary.requests)
   end
   io.write("end\n")
end
