"use strict";
// Text from Consul is always inserted as text, never as HTML.
const INTERVAL_MS = 2000, TIMEOUT_MS = 6000;
const SIGNS = { passing: "●", warning: "▲", critical: "✕", unknown: "○" };
const WORDS = { passing: "passing", warning: "warning", critical: "critical", unknown: "no checks" };
// A node shows the status of the first of its `names` that is a service or an instance in Consul.
const NODES = [
  { x: 14, y: 105, w: 72, h: 50, label: "client", sub: "curl, wrk" },
  { x: 126, y: 98, w: 126, h: 64, label: "LB", sub: "nginx :80 / :8088", names: ["lb", "nginx"] },
  { x: 292, y: 98, w: 126, h: 64, label: "api-gateway", sub: ":2809", names: ["api-gateway"] },
  { x: 448, y: 98, w: 112, h: 64, label: "frontend", sub: ":7070", names: ["frontend"] },
  { x: 592, y: 38, w: 160, h: 64, label: "Envoy", sub: "add-svc-ref-proxy :9191", names: ["add-svc-ref-proxy", "frontend-sidecar-proxy"] },
  { x: 592, y: 158, w: 160, h: 64, label: "Envoy", sub: "sub-svc-ref-proxy :8181", names: ["sub-svc-ref-proxy", "frontend-sidecar-proxy"] },
  { x: 818, y: 38, w: 158, h: 64, label: "Envoy", sub: "add-svc-proxy :21000", names: ["add-svc-proxy", "add-svc-sidecar-proxy"] },
  { x: 818, y: 158, w: 158, h: 64, label: "Envoy", sub: "sub-svc-proxy :21001", names: ["sub-svc-proxy", "sub-svc-sidecar-proxy"] },
  { x: 1026, y: 38, w: 140, h: 64, label: "add-svc", sub: ":9090", names: ["add-svc"] },
  { x: 1026, y: 158, w: 140, h: 64, label: "sub-svc", sub: ":8080", names: ["sub-svc"] },
  { x: 292, y: 286, w: 268, h: 54, label: "Consul", sub: "API :8500, xDS :8502, DNS :8600", names: ["consul"], consul: true },
  { x: 592, y: 286, w: 160, h: 54, label: "Nomad", sub: ":4646", names: ["nomad", "nomad-client"] },
  { x: 818, y: 286, w: 158, h: 54, label: "dashboard", sub: ":3000", names: ["dashboard"], own: true },
];

const byId = (id) => document.getElementById(id);

function element(name, attributes, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

function drawing(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

for (const node of NODES) {
  const middle = node.x + node.w / 2, line = node.y + node.h / 2;
  const group = drawing("g", { class: "node unknown" });
  node.title = drawing("title", {}, node.label);
  node.sign = drawing("text", { class: "sign", x: node.x + 12, y: node.y + 16 }, "");
  group.append(node.title, drawing("rect", { x: node.x, y: node.y, width: node.w, height: node.h, rx: 10 }),
    drawing("text", { x: middle, y: line - 2 }, node.label),
    drawing("text", { class: "small", x: middle, y: line + 16 }, node.sub), node.sign);
  byId("nodes").append(group);
  node.group = group;
}

// Finds the service with this name, or else the instance with this id.
function found(state, name) {
  for (const service of state.services) {
    if (service.name === name) return { status: service.status, of: service };
    for (const instance of service.instances) if (instance.id === name) return { status: instance.status, of: service };
  }
  return null;
}

function showNode(node, state) {
  const is_up = state.consul.error === null;
  let status = "unknown", says = "not registered";
  if (node.own) [status, says] = ["passing", "this page"];
  else if (node.consul) [status, says] = is_up ? ["passing", "answers"] : ["critical", "does not answer"];
  else if (!node.names) says = "any HTTP client";
  else for (const name of node.names) {
    const seen = found(state, name);
    if (!seen) continue;
    status = seen.status;
    says = `${name}: ${WORDS[status]}, ${count(seen.of.instances.length, "instance")}`;
    break;
  }
  node.group.setAttribute("class", "node " + (SIGNS[status] ? status : "unknown"));
  node.sign.textContent = node.names ? SIGNS[status] || SIGNS.unknown : "";
  node.title.textContent = `${node.label} ${node.sub}: ${says}`;
}

const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
const classOf = (status) => (SIGNS[status] ? status : "unknown");

function card(service) {
  const of = service.instances.length, passing = service.instances.filter((one) => one.status === "passing").length;
  const says = of > 1 ? `${passing} of ${of} passing` : WORDS[service.status];
  const made = element("article", { class: "card " + classOf(service.status) },
    element("h3", {}, element("span", {}, service.name), element("span", { class: "state " + classOf(service.status) }, says)));
  if (service.tags.length) made.append(element("p", { class: "tags" }, service.tags.join(" · ")));
  for (const instance of service.instances) {
    const checks = element("ul", {});
    for (const check of instance.checks) {
      const line = element("li", { class: "state " + classOf(check.status) }, check.name || "unnamed check");
      if (check.status !== "passing" && check.output) line.append(element("span", { class: "output" }, check.output));
      checks.append(line);
    }
    made.append(element("div", { class: "instance" },
      element("span", { class: "state " + classOf(instance.status) }, instance.id), checks));
  }
  return made;
}

let shown = "";
function show(state) {
  const banner = byId("banner");
  banner.hidden = state.consul.error === null;
  document.body.classList.toggle("stale", !banner.hidden);
  if (!banner.hidden) {
    const old = state.as_of ? ` This page shows the state of ${new Date(state.as_of).toLocaleTimeString()}.` : "";
    const text = `Cannot read from Consul at ${state.consul.address}: ${state.consul.error}.${old}`;
    if (banner.textContent !== text) banner.textContent = text;
  }
  const healthy = state.services.filter((service) => service.status === "passing").length;
  byId("tally").textContent = state.as_of === null ? "no data yet" : `${healthy} of ${count(state.services.length, "service")} healthy`;
  byId("footer").textContent = state.as_of === null ? "" : `Read from Consul at ${new Date(state.as_of).toLocaleTimeString()}, updated every two seconds.`;
  for (const node of NODES) showNode(node, state);
  // Replaces the cards only if something changed, so that a text selection stays.
  const now = JSON.stringify([state.services, state.links, state.cut]);
  if (now === shown) return;
  shown = now;
  const cards = state.services.map(card);
  if (!cards.length) cards.push(element("p", { class: "none" }, "No service is registered."));
  if (state.cut) cards.push(element("p", { class: "none" }, "This page does not show all services: there are too many."));
  byId("services").replaceChildren(...cards);
  byId("links").replaceChildren(...state.links.map((link) =>
    element("a", { href: link.url, target: "_blank", rel: "noopener noreferrer" }, link.name)));
}

async function refresh() {
  try {
    const response = await fetch("/api/state", { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) throw new Error(`status ${response.status}`);
    show(await response.json());
  } catch (error) {
    byId("banner").hidden = false;
    document.body.classList.add("stale");
    byId("banner").textContent = `The dashboard does not answer (${error.message}). This page tries again every two seconds.`;
    byId("tally").textContent = "not connected";
  }
  setTimeout(refresh, INTERVAL_MS);
}
refresh();
