// The frontend in node.js: computes an expression, with one call to add-svc or sub-svc for each operator.
//
// It uses the standard library only. It knows the other two services as two local ports. It does not know that Envoy
// listens there, or that one service is written in Java and the other in Python.
"use strict";

const http = require("node:http");
const { randomUUID } = require("node:crypto");

const NAME = "frontend";
const VERSION = process.env.SERVICE_VERSION ?? "v1";
// The short form of the allocation's id, as Nomad shows it.
const INSTANCE = (process.env.NOMAD_ALLOC_ID ?? String(process.pid)).slice(0, 8);
const UPSTREAMS = {
  "+": { name: "add-svc", to: process.env.ADD_SVC_ADDR },
  "-": { name: "sub-svc", to: process.env.SUB_SVC_ADDR },
};
const ROUTES = "POST /api/v1/compute, POST /api/v1/test/fault, GET /ivt and GET /health/state";
const MOST = 2n ** 63n - 1n;
const LONGEST_BODY = 64 * 1024;
const LONGEST_ANSWER = 16 * 1024;
const CALL_MILLIS = 2000;

const agent = new http.Agent({ keepAlive: true, maxSockets: 256 });
let requests = 0;
let visits = 0;

/** An error answer: a status and a text, in the member `reason` for an error of the caller, else `details`. */
class Refusal extends Error {
  constructor(status, member, text) {
    super(text);
    this.status = status;
    this.body = JSON.stringify({ [member]: text });
  }
}

const refuse = (status, reason) => new Refusal(status, "reason", reason);

/** Parses `1+2-3`: returns the first integer, and the operators and operands after it. An integer has no sign. */
function parse(text) {
  let at = 0;
  const wrong = (what) => refuse(400, `invalid expression at position ${at + 1}: ${what}`);
  const spaces = () => {
    while (text[at] === " ") at += 1;
  };
  const missing = (expected) =>
    wrong(`expected ${expected}, found ${at < text.length ? `'${text[at]}'` : "the end"}`);
  const integer = () => {
    spaces();
    const digits = /^[0-9]+/.exec(text.slice(at, at + 4096));
    if (!digits) throw missing("an integer");
    const value = digits[0].length > 4000 ? MOST + 1n : BigInt(digits[0]);
    if (value > MOST) throw wrong("the integer does not fit in 64 bits");
    at += digits[0].length;
    return value;
  };
  if (text.length > 4096) throw refuse(400, "invalid expression at position 4097: it is longer than 4096 characters");
  const first = integer();
  const rest = [];
  for (spaces(); at < text.length; spaces()) {
    const operator = text[at];
    if (!(operator in UPSTREAMS)) throw missing("+ or -");
    if (rest.length === 256) throw wrong("it has more than 256 operators");
    at += 1;
    rest.push({ operator, operand: integer() });
  }
  return { first, rest };
}

/** Makes one call and records it for the log, whether it succeeds or fails. */
async function call(upstream, path, exchange, read) {
  const [time, begun] = [now(), performance.now()];
  const noted = { time, upstream: upstream.name, to: upstream.to, path, status: null, micros: 0 };
  exchange.calls.push(noted);
  try {
    const answer = await get(upstream.to, path, exchange);
    noted.status = answer.status;
    if (answer.instance) noted.instance = answer.instance;
    return read(answer);
  } catch (error) {
    noted.error = error.message;
    throw new Refusal(500, "details", `${upstream.name} at ${upstream.to}, GET ${path}: ${error.message}`);
  } finally {
    noted.micros = Math.round((performance.now() - begun) * 1000);
  }
}

function get(to, path, exchange) {
  const [, host, port] = /^(.*):([0-9]+)$/.exec(to);
  const headers = { "x-request-id": exchange.requestId };
  if (exchange.traceParent) headers.traceparent = exchange.traceParent;
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(CALL_MILLIS);
    const request = http.get({ host, port, path, headers, agent, signal }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (part) => {
        body += part;
        if (body.length > LONGEST_ANSWER) request.destroy(new Error("the answer does not end"));
      });
      response.on("end", () =>
        resolve({ status: response.statusCode, instance: response.headers["x-instance"], body }),
      );
      response.on("error", reject);
    });
    const late = (error) => (signal.aborted ? new Error(`no answer within ${CALL_MILLIS / 1000}s`) : error);
    request.on("error", (error) => reject(late(error)));
  });
}

const answered = (answer) => `answered ${answer.status}: ${answer.body.trim().slice(0, 200) || "an empty body"}`;

function integerOf(answer) {
  const text = answer.body.trim();
  if (answer.status !== 200 || !/^-?[0-9]{1,19}$/.test(text)) throw new Error(answered(answer));
  return BigInt(text);
}

async function compute(request, exchange) {
  const body = await bodyOf(request);
  let expression;
  try {
    ({ expression } = JSON.parse(body) ?? {});
  } catch (error) {
    throw refuse(400, `expected the body {"expression": "1+2-3"}: ${error.message}`);
  }
  if (typeof expression !== "string") throw refuse(400, 'expected the body {"expression": "1+2-3"}');
  const { first, rest } = parse(expression);
  let result = first;
  for (const { operator, operand } of rest) {
    const path = `/api/v1/execute/?l=${result}&r=${operand}`;
    result = await call(UPSTREAMS[operator], path, exchange, integerOf);
  }
  return json(`{"result":${result}}`);
}

/** Asks add-svc for a path that does not exist, to show that a failure comes back through the mesh. */
async function testFault(request, exchange) {
  await bodyOf(request);
  return call(UPSTREAMS["+"], "/api/v1/no/such/path", exchange, (answer) => {
    throw new Error(answered(answer));
  });
}

async function bodyOf(request) {
  let body = "";
  request.setEncoding("utf8");
  for await (const part of request) {
    body += part;
    if (body.length > LONGEST_BODY) throw refuse(413, `the body has more than ${LONGEST_BODY} bytes`);
  }
  return body;
}

const json = (body, status = 200) => ({ status, kind: "application/json", body });

/** The routes, by path. */
const routes = {
  "/api/v1/compute": { method: "POST", answer: compute },
  "/api/v1/test/fault": { method: "POST", answer: testFault },
  "/ivt": { method: "GET", answer: () => ({ status: 200, kind: "text/plain; charset=utf-8", body: `ivt-test: ${++visits}` }) },
  "/health/state": {
    method: "GET",
    answer: () =>
      json(JSON.stringify({ status: "up", service: NAME, instance: INSTANCE, version: VERSION, requests })),
  },
};

async function answer(request, exchange) {
  const path = request.url.split("?", 1)[0];
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (!route) throw refuse(404, `no such path: ${path.slice(0, 200)}; available: ${ROUTES}`);
  const allowed = request.method === route.method || (route.method === "GET" && request.method === "HEAD");
  if (!allowed) throw refuse(405, `method ${request.method} not allowed; use ${route.method}`);
  return route.answer(request, exchange);
}

const server = http.createServer(async (request, response) => {
  const [time, begun] = [now(), performance.now()];
  requests += 1;
  const given = request.headersDistinct["x-request-id"] ?? [];
  const isKnown = given.length === 1 && /^[!-~]{1,128}$/.test(given[0]);
  const exchange = {
    requestId: isKnown ? given[0] : randomUUID(),
    traceParent: request.headers.traceparent,
    calls: [],
  };
  let reply;
  try {
    reply = await answer(request, exchange);
  } catch (error) {
    if (!(error instanceof Refusal)) error = new Refusal(500, "details", String(error.message));
    reply = json(error.body, error.status);
  }
  response.writeHead(reply.status, {
    "content-type": reply.kind,
    "content-length": Buffer.byteLength(reply.body),
    "cache-control": "no-store",
    "x-instance": INSTANCE,
    "x-version": VERSION,
    "x-request-id": exchange.requestId,
  });
  response.end(request.method === "HEAD" ? undefined : reply.body);
  log({
    time,
    request_id: exchange.requestId,
    method: request.method,
    path: request.url.slice(0, 2048),
    status: reply.status,
    bytes: Buffer.byteLength(reply.body),
    micros: Math.round((performance.now() - begun) * 1000),
    peer: `${request.socket.remoteAddress}:${request.socket.remotePort}`,
    calls: exchange.calls,
  });
});

/** Returns the current time with microseconds. Date has only milliseconds. */
function now() {
  const micros = BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000));
  const seconds = new Date(Number(micros / 1000000n) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(micros % 1000000n).padStart(6, "0")}Z`;
}

/** Writes one log line as JSON, in the format of all services of the lab. */
function log(fields) {
  const { time = now(), ...others } = fields;
  process.stdout.write(`${JSON.stringify({ time, service: NAME, instance: INSTANCE, ...others })}\n`);
}

// Keeps a connection open longer than Envoy's pauses between two requests.
server.keepAliveTimeout = 120_000;
const listen = process.argv[process.argv.indexOf("--listen") + 1] ?? "";
const [, host, port] = /^(.*):([0-9]+)$/.exec(listen) ?? [];
if (!port || !UPSTREAMS["+"].to || !UPSTREAMS["-"].to) {
  console.error("usage: ADD_SVC_ADDR=ADDR SUB_SVC_ADDR=ADDR node frontend.js --listen ADDR");
  process.exit(2);
}
server.listen(Number(port), host, () => log({ event: "listening", address: listen }));
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    log({ event: "stopped", requests });
    server.close(() => process.exit(0));
    server.closeIdleConnections();
    setTimeout(() => process.exit(0), 1000).unref();
  });
}
