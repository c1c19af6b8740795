
/*
 * dashboard.js - poll /api/v1/ every two seconds and show the responses.
 *
 *   poll() -> latest: the newest response of each path -> draw() -> morph() into the page
 *
 * Every view is a function from responses to elements. morph() changes the page only where it
 * differs, so focus, selection and scroll position are kept. Text from peers (a client identifier
 * may be any UTF-8) becomes text nodes, never markup; invisible characters are shown as escapes.
 */
"use strict";

const POLL_MS = 2000;
const $ = (id) => document.getElementById(id);
const latest = {};              // path -> the last successful response
const rates = { before: null }; // totals of the previous poll, for differences

// ---- formatting ----

const INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
const visible = (text) => String(text).replace(INVISIBLE,
  (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
const count = (n) => n == null ? "?" : n.toLocaleString("en");
const decimal = (n) => n == null ? "-" : n >= 100 ? count(Math.round(n)) : String(Math.round(n * 10) / 10);
const percent = (permille) => permille == null ? "?" : (permille / 10).toFixed(1) + " %";
const words = (name) => name.replace(/_/g, " ");
const plural = (n, noun) => `${count(n)} ${noun}${n === 1 ? "" : "s"}`;
const time = (when) => new Date(when).toLocaleTimeString("en-GB");

function duration(s) {
  if (s < 1) return "less than a second";
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const at = parts.findIndex(([size]) => s >= size);
  return parts.slice(at, at + 2).map(([size, unit], i) => {
    const n = Math.floor((i ? s % parts[at][0] : s) / size);
    return i && !n ? "" : `${n} ${unit}`;
  }).join(" ").trim();
}

function bytes(n) {
  if (n == null) return "?";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const at = Math.min(units.length - 1, n > 0 ? Math.floor(Math.log2(n) / 10) : 0);
  return `${decimal(n / 1024 ** at)} ${units[at]}`;
}

// ---- elements ----

/* el("td.number", {title: "x"}, "text", el(...)): text is always text, never markup. */
function el(what, more, ...inside) {
  const [tag, ...classes] = what.split(".");
  const made = document.createElement(tag);
  if (classes.length) made.className = classes.join(" ");
  for (const [name, value] of Object.entries(more || {})) {
    if (name === "width") made.style.width = value; // by CSSOM: the policy forbids attributes
    else if (value != null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...inside.flat(Infinity).filter((x) => x != null && x !== false));
  return made;
}
const peer = (text) => el("bdi.peer", null, visible(text));
const pill = (text, kind) => el(`span.pill${kind ? "." + kind : ""}`, null, text);

/* Make `old` equal to `wanted`, changing only what differs. */
function morph(old, wanted) {
  for (const { name } of [...old.attributes])
    if (name !== "style" && name !== "open" && !wanted.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of wanted.attributes)
    if (name !== "style" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  if (wanted.style && old.style.cssText !== wanted.style.cssText)
    old.style.cssText = wanted.style.cssText;
  fill(old, [...wanted.childNodes]);
}

function fill(parent, wanted) {
  const keyed = new Map([...parent.children].filter((c) => c.dataset.key).map((c) => [c.dataset.key, c]));
  wanted.forEach((node, i) => {
    const mine = keyed.get(node.dataset && node.dataset.key);
    if (mine && mine !== parent.childNodes[i]) parent.insertBefore(mine, parent.childNodes[i] || null);
    const old = parent.childNodes[i];
    if (!old) parent.append(node);
    else if (old.nodeName !== node.nodeName) old.replaceWith(node);
    else if (node.nodeType === Node.TEXT_NODE) { if (old.data !== node.data) old.data = node.data; }
    else morph(old, node);
  });
  while (parent.childNodes.length > wanted.length) parent.lastChild.remove();
}
const show = (id, ...inside) => fill($(id), inside.flat(Infinity).filter((x) => x != null && x !== false)
  .map((x) => typeof x === "string" ? document.createTextNode(x) : x));

/* The roles are explicit, because on a phone CSS shows the rows as cards, not as a table. */
function table(name, columns, rows) {
  const head = columns.map(([title, kind]) => el(`th${kind ? "." + kind : ""}`,
    { scope: "col", role: "columnheader" }, title || el("span.unseen", null, "Actions")));
  const body = rows.map(({ key, cells }) => el("tr", { role: "row", "data-key": key }, cells.map((cell, i) => {
    const [title, kind] = columns[i];
    return i ? el(`td${kind ? "." + kind : ""}`, { role: "cell", "data-name": title || null },
      cell == null ? null : el("div", null, cell))
      : el("th", { scope: "row", role: "rowheader" }, cell);
  })));
  return el("table.cards", { role: "table", "aria-label": name },
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, head)), el("tbody", { role: "rowgroup" }, body));
}

// ---- requests ----

class Problem extends Error {
  constructor(status, detail) { super(detail); this.status = status; }
}

async function request(path, body) {
  const headers = { Accept: "application/json" };
  const token = sessionStorage.getItem("token");
  if (token) headers.Authorization = "Bearer " + token;
  if (body) headers["Content-Type"] = "application/json";
  const response = await fetch("/api/v1/" + path, {
    method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body),
    cache: "no-store", signal: AbortSignal.timeout(5000),
  });
  const result = await response.json().catch(() => ({}));
  if (response.ok) return result;
  if (response.status === 401) requestToken(token);
  throw new Problem(response.status, result.detail || result.title || `HTTP ${response.status}`);
}

function requestToken(refused) {
  if ($("sign-in").open) return;
  $("sign-in-fault").textContent = refused ? "The router rejected this token." : "";
  $("ask").close();
  $("sign-in").showModal();
}

$("sign-in").addEventListener("close", () => {
  if ($("token").value) sessionStorage.setItem("token", $("token").value.trim());
  $("token").value = "";
  poll();
});

// ---- polling ----

const EVERY = { status: 1, nodes: 1, history: 2, events: 1, listeners: 3, certificates: 15, config: 15 };
let turn = 0, timer = 0, silentSince = null, polling = false;
const lacks = new Set(); // paths that this router does not support

async function update(path) {
  try {
    latest[path] = await request(path);
  } catch (problem) {
    // One missing path is no error; no response at all, or a missing token, concerns all of them.
    if (!(problem instanceof Problem) || problem.status === 401) throw problem;
    if (problem.status === 404 || problem.status === 501) lacks.add(path);
  }
}

async function poll() {
  clearTimeout(timer);
  if (document.hidden || polling || $("sign-in").open) return;
  polling = true;
  const due = Object.keys(EVERY).filter((path) => !lacks.has(path) && (turn % EVERY[path] === 0 || !latest[path]));
  try {
    const began = performance.now();
    await update("status"); // first and alone: if it fails, the others are not sent
    latest.took_ms = performance.now() - began;
    await Promise.all(due.filter((path) => path !== "status").map(update));
    turn++;
    reached(true);
    draw();
  } catch (problem) {
    if (problem.status !== 401) reached(false);
  }
  polling = false;
  clearTimeout(timer);
  timer = setTimeout(poll, POLL_MS);
}
document.addEventListener("visibilitychange", poll);

function reached(yes) {
  if (yes && silentSince) announce("The router responds again.");
  if (yes && silentSince) { turn = 0; lacks.clear(); } // it may be another version
  silentSince = yes ? null : silentSince || new Date();
  document.body.classList.toggle("stale", !yes);
  $("unreachable").hidden = yes;
  if (yes) return;
  const text = `The router has not responded since ${time(silentSince)}. The data below is out of date. ` +
    "The page retries every 2 seconds.";
  if ($("unreachable").textContent !== text) $("unreachable").textContent = text;
  show("state", pill("unreachable", "bad"));
  document.title = "unreachable - mqtt-router";
}

function announce(text) { $("announcement").textContent = text; }

// ---- views ----

function draw() {
  const { status, nodes, listeners, certificates, events, history } = latest;
  if (status) { drawHeader(status); drawFigures(status); drawReasons(status); drawOverrides(status); drawWarnings(status); }
  if (nodes) drawNodes(nodes.clusters);
  if (history) drawPlots(history);
  if (listeners) drawListeners(listeners.listeners);
  if (certificates) drawCertificates(certificates.certificates);
  show("events", events ? eventTable(events.events) : el("p.soft", null, "No events are available."));
}

function drawHeader(status) {
  const state = status.ready ? "ready" : status.phase === "serving" ? "not ready" : status.phase;
  show("state", pill(state, status.ready ? "good" : status.phase === "draining" ? "warn" : "bad"),
    status.reasons && status.reasons.length ? el("span", null, " ", visible(status.reasons.join("; "))) : null);
  show("about", `version ${status.version}, up ${duration(status.uptime_s)}, process ${status.pid}, ` +
    plural(status.workers, "worker"));
  document.title = `${state} - mqtt-router`;
}

const sum = (object) => Object.values(object || {}).reduce((a, b) => a + b, 0);
const last = (name) => { const s = latest.history && latest.history.series[name]; return s && s[s.length - 1]; };

function drawFigures(status) {
  const memory = status.relay_memory || {};
  const figure = (name, value, more) => el("div", null, el("dt", null, name),
    el("dd", null, value, " ", el("small", null, more)));
  show("figures",
    figure("Sessions", count(sum(status.sessions)), `${count((status.sessions || {}).relay)} relayed`),
    figure("Connections", count(status.connections), `of ${count(status.max_connections)}`),
    figure("Connects", decimal(last("connects_per_s")), "per second"),
    figure("Refusals", decimal(last("refusals_per_s")), "per second"),
    figure("Relay memory", bytes(memory.used_bytes), `of ${bytes(memory.max_bytes)}`),
    figure("Main loop", count(Math.round(latest.took_ms)), "ms to respond"));
}

function drawOverrides(status) {
  const list = status.overrides || [];
  $("overrides").hidden = !list.length;
  show("overrides-list", list.map((o) => el("li", null,
    o.node ? [words(o.what.replace("node_", "")), " of node ", peer(`${o.cluster}/${o.node}`)] : words(o.what),
    ` is ${visible(o.now)} (in the file: ${visible(o.in_file)}). Undone by: ${visible(o.undone_by)}`)));
}

function drawWarnings(status) {
  const list = status.warnings || [];
  $("warnings").hidden = !list.length;
  show("warnings-list", list.map((text) => el("li", null, peer(text))));
}

const STATUS_KIND = { up: "good", down: "bad", ejected: "bad", draining: "warn", recovering: "warn" };

function drawNodes(clusters) {
  announceChanges(clusters);
  show("clusters", clusters.map((cluster) => el("div", { "data-key": cluster.name },
    el("h3", null, "Cluster ", peer(cluster.name), cluster.discovered ? " (discovered)" : ""),
    table(`Nodes of cluster ${visible(cluster.name)}`,
      [["Node"], ["Status"], ["Share", "shares"], ["Sessions", "number"], ["Weight", "number"], ["", "act"]],
      cluster.nodes.map((node) => ({ key: node.name, cells: nodeCells(node) }))))));
}

function nodeCells(node) {
  const share = (kind, title, permille) => el("div.share", { title },
    el("span.track", { "aria-hidden": "true" }, el(`span.bar.${kind}`, { width: `${(permille || 0) / 10}%` })),
    el("span.number", null, el("span.unseen", null, title + " "), percent(permille)));
  const why = node.departed ? "removed from the configuration" : node.why;
  return [
    [peer(node.name), el("small", null, visible(node.address), node.backup ? ", backup" : "")],
    [pill(words(node.status), STATUS_KIND[node.status]), why ? el("small", null, peer(why)) : null,
      node.drain ? drainProgress(node) : null,
      node.state !== node.state_in_file ? el("small", null, `in the file: ${node.state_in_file}`) : null],
    [share("keys", "Keys", node.key_share_permille), share("held", "Sessions", node.session_share_permille)],
    [count(node.sessions), node.sessions_away ? el("small", null, `${count(node.sessions_away)} away`) : null],
    [count(node.weight), node.weight !== node.weight_in_file ? el("small", null, `file: ${count(node.weight_in_file)}`) : null],
    node.departed ? null : el("button", { type: "button", "data-act": node.state === "up" ? "drain" : "restore",
      "data-cluster": node.cluster, "data-node": node.name,
      "aria-label": `${node.state === "up" ? "Drain" : "Restore"} node ${visible(node.name)}` },
    node.state === "up" ? "Drain" : "Restore"),
  ];
}

function drainProgress(node) {
  const at = Math.max(node.drain.sessions_at_start, node.sessions), gone = at - node.sessions;
  const left = node.drain.rate_per_s ? Math.ceil(node.sessions / node.drain.rate_per_s) : null;
  return [el("progress", { max: at || 1, value: at ? gone : 1, "aria-label": `Drain of node ${visible(node.name)}` }),
    el("small", null, node.sessions ? `${count(gone)} of ${count(at)} closed, ${count(node.drain.rate_per_s)} per second` +
      (left ? `, about ${duration(left)} left` : "") : "empty: the node can be stopped")];
}

/* Announce status changes since the last poll to screen readers. */
let known = null;
function announceChanges(clusters) {
  const now = new Map(clusters.flatMap((c) => c.nodes.map((n) => [`${n.name} of cluster ${c.name}`, n])));
  const changes = [...now].filter(([name, n]) => known && known.get(name) && known.get(name).status !== n.status)
    .map(([name, n]) => `Node ${visible(name)} is ${words(n.status)}${n.why ? ": " + visible(n.why) : ""}.`);
  if (changes.length) announce(changes.join(" "));
  known = now;
}

/* Close reasons that are not refusals. */
const ENDS = ["client_closed", "client_error", "client_closed_early", "http_probe", "node_closed", "node_error", "idle_timeout",
  "node_drained", "node_down", "homecoming", "disconnected", "shutdown"];

function drawReasons(status) {
  const at = performance.now(), now = status.closed_by_reason || {};
  const before = rates.before || { at, now };
  const s = (at - before.at) / 1000;
  const rows = (list) => list.sort((a, b) => b[1] - a[1]).map(([reason, n]) => ({ key: reason, cells: [
    words(reason), s > 0 ? decimal(Math.max(0, n - (before.now[reason] || 0)) / s) : "0", count(n)] }));
  const draws = (id, name, list, none) => show(id, list.length ? table(name,
    [["Reason"], ["Per second", "number"], ["Since the start", "number"]], rows(list)) : el("p.soft", null, none));
  draws("refusals", "Refusals by reason", Object.entries(now).filter(([r]) => !ENDS.includes(r)), "None since the start.");
  draws("ends", "Other closed sessions", Object.entries(now).filter(([r]) => ENDS.includes(r)), "None yet.");
  rates.before = { at, now };
}

function drawListeners(list) {
  show("listeners", table("Listeners", [["Listener"], ["Protocol"], ["Cluster"], ["Connections", "number"], ["Accepted", "number"]],
    list.map((l) => ({ key: l.name, cells: [
      [peer(l.name), el("small.peer", null, visible(l.addresses.join(", ")))],
      [l.proxy_protocol && "PROXY", l.tls && "TLS", l.websocket && "WebSocket", "MQTT"].filter(Boolean).join(", "),
      peer(l.cluster), [count(l.connections), l.max_connections ? el("small", null, `of ${count(l.max_connections)}`) : null],
      count(l.accepted_total)] }))));
}

function drawCertificates(list) {
  const lists = { crl: "revocation list", ocsp_response: "OCSP response" };
  const kind = (days, of) => days < (lists[of] ? 1 : 7) ? "bad" : days < (lists[of] ? 7 : 30) ? "warn" : "good";
  const left = (days) => days < 0 ? "expired" : plural(days, "day") + " left";
  show("certificates", list.length ? table("Certificates", [["Certificate"], ["Used by"], ["Expires"]],
    list.map((c) => ({ key: `${c.listener} ${c.cluster} ${c.file} ${c.kind} ${c.subject}`, cells: [
      [lists[c.kind] ? [el("span.soft", null, lists[c.kind]), " "] : null,
        peer((c.names && c.names.length ? c.names.join(", ") : c.subject) || "?"), el("small.peer", null, visible(c.file))],
      [["listener ", c.listener], ["cluster ", c.cluster]].filter(([, name]) => name)
        .map(([what, name]) => [el("span.soft", null, what), peer(name)]),
      [pill(left(c.days_left), kind(c.days_left, c.kind)), el("small", null, String(c.not_after).slice(0, 10))]] })))
    : el("p.soft", null, "None: no listener and no cluster uses a certificate."));
}

function eventTable(list) {
  const kind = { error: "bad", warn: "warn" };
  if (!list.length) return el("p.soft", null, "None yet.");
  return table("Recent events", [["Time"], ["Event"]], [...list].reverse().map((event) => {
    const { time: when, level, event: name, ...more } = event;
    const fields = Object.entries(more).map(([key, value]) => `${key}=${typeof value === "object" ? JSON.stringify(value) : value}`);
    return { cells: [el("span.mono", { title: when }, time(when)),
      [kind[level] ? [pill(level, kind[level]), " "] : null, el("code", null, visible(name)), " ",
        el("bdi.peer.soft", null, visible(fields.join("  ")))]] };
  }));
}

// ---- plots ----

const SVG = "http://www.w3.org/2000/svg";
const PLOTS = [
  { id: "rates", title: "Connects and refusals per second", height: 130,
    lines: [["connects_per_s", "connects", "Connects per second"], ["refusals_per_s", "refusals", "Refusals per second"]] },
  { id: "held", title: "Sessions", height: 80, lines: [["sessions", "sessions", "Sessions"]] },
];
const SAMPLES = 180, LEFT = 44;
const cursors = {}; // plot -> the selected sample; none: the newest

function svg(tag, more, ...inside) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(more)) made.setAttribute(name, value);
  made.append(...inside);
  return made;
}

/* The smallest of 1, 2, 5, 10, ... that is not below `most`: a round end for an axis. */
function nice(most) {
  const size = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
  return [1, 2, 5, 10].map((n) => n * size).find((n) => n >= most);
}

function plot({ id, title, height, lines }, history, width) {
  const n = Math.max(...lines.map(([name]) => (history.series[name] || []).length), 0);
  const top = nice(Math.max(...lines.flatMap(([name]) => history.series[name] || []), 1));
  const bottom = height - 18;
  const x = (i) => LEFT + (width - LEFT) * (SAMPLES - n + i) / (SAMPLES - 1);
  const y = (value) => bottom - (bottom - 8) * value / top;
  const when = (i) => time(Date.parse(history.end) - (n - 1 - i) * history.every_s * 1000);
  const at = Math.min(cursors[id] ?? n - 1, n - 1);
  const value = n ? `${when(at)}: ` + lines.map(([name, , word]) =>
    `${word.toLowerCase()} ${decimal(history.series[name][at])}`).join(", ") : "no sample yet: the first one is taken after 5 seconds";
  const parts = [0, 0.5, 1].flatMap((part) => [
    svg("line", { class: "grid", x1: LEFT, x2: width, y1: y(top * part), y2: y(top * part) }),
    svg("text", { x: LEFT - 6, y: y(top * part) + 4, "text-anchor": "end" }, decimal(top * part))]);
  for (const minutes of [15, 10, 5, 0])
    parts.push(svg("text", { x: LEFT + (width - LEFT) * (15 - minutes) / 15, y: height - 3,
      "text-anchor": minutes === 15 ? "start" : minutes ? "middle" : "end" }, !minutes ? "now" : width < 480 ? `${minutes} min` : `${minutes} min ago`));
  for (const [name, kind] of n ? lines : []) {
    const path = history.series[name].map((v, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(v).toFixed(1)}`).join("");
    parts.push(svg("path", { class: `area ${kind}`, d: `${path}L${x(n - 1)} ${bottom}L${x(0)} ${bottom}Z` }),
      svg("path", { class: kind, d: path }));
  }
  if (n && cursors[id] != null) parts.push(svg("line", { class: "cursor", x1: x(at), x2: x(at), y1: 4, y2: bottom }));
  const peaks = lines.map(([name, kind, word]) => {
    const series = history.series[name] || [], most = Math.max(...series, 0);
    return el("span", null, el(`b.${kind}`, null, word), most ? ` peak ${decimal(most)} at ${when(series.indexOf(most))}` : "");
  });
  return el("div", { "data-key": id },
    el("div.caption", null, peaks, el("output", null, value)),
    el("div.plot", { "data-plot": id, tabindex: 0, role: "slider", "aria-label": `${title}, last 15 minutes`,
      "aria-valuemin": 0, "aria-valuemax": Math.max(n - 1, 0), "aria-valuenow": Math.max(at, 0), "aria-valuetext": value },
    svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, ...parts)));
}

function drawPlots(history) {
  const width = Math.max(240, $("plots").clientWidth);
  show("plots", PLOTS.map((one) => plot(one, history, width)));
  const names = PLOTS.flatMap((one) => one.lines), n = history.series.sessions.length, rows = [];
  for (let end = n; end > 0; end -= 12) {
    const most = (name) => Math.max(...(history.series[name] || []).slice(Math.max(0, end - 12), end));
    const when = Date.parse(history.end) - (n - end) * history.every_s * 1000;
    rows.push({ cells: [time(when), ...names.map(([name]) => decimal(most(name)))] });
  }
  show("plot-table", table("Maximum values of the preceding minute", [["Until"], ...names.map(([, , word]) => [word, "number"])], rows));
}

function moveCursor(id, to) {
  const n = latest.history ? latest.history.series.sessions.length : 0;
  if (!n) return;
  cursors[id] = to == null ? null : Math.max(0, Math.min(n - 1, to));
  drawPlots(latest.history);
}

$("plots").addEventListener("pointermove", (event) => {
  const frame = event.target.closest("[data-plot]");
  if (!frame) return;
  const box = frame.getBoundingClientRect(), n = latest.history.series.sessions.length;
  const part = (event.clientX - box.left - LEFT) / (box.width - LEFT);
  moveCursor(frame.dataset.plot, Math.round(part * (SAMPLES - 1)) - (SAMPLES - n));
});
$("plots").addEventListener("pointerleave", () => PLOTS.forEach(({ id }) => moveCursor(id, null)));
$("plots").addEventListener("focusout", () => PLOTS.forEach(({ id }) => moveCursor(id, null)));
$("plots").addEventListener("keydown", (event) => {
  const frame = event.target.closest("[data-plot]");
  const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -12, PageUp: 12, Home: -SAMPLES, End: SAMPLES }[event.key];
  if (!frame || !step) return;
  event.preventDefault();
  moveCursor(frame.dataset.plot, Number(frame.getAttribute("aria-valuenow")) + step);
});
addEventListener("resize", () => latest.history && drawPlots(latest.history));

// ---- confirmation ----

const dialog = $("ask");
let doing = null; // the change to confirm: {title, text, verb, rate, pace(rate), run(rate)}

function confirmFirst(what) {
  doing = what;
  $("ask-title").textContent = what.title;
  $("ask-text").textContent = what.text;
  $("ask-yes").textContent = what.verb;
  $("ask-yes").disabled = false;
  $("ask-fault").textContent = "";
  $("ask-rate").hidden = !what.pace;
  if (what.pace) { $("rate").value = what.rate || ""; $("rate-text").textContent = what.pace($("rate").valueAsNumber); }
  dialog.showModal();
  $("ask-no").focus(); // the safe default
}

$("rate").addEventListener("input", () => { $("rate-text").textContent = doing.pace($("rate").valueAsNumber); });
$("ask-no").addEventListener("click", () => dialog.close());
dialog.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("ask-yes").disabled = true;
  try {
    await doing.run($("rate").valueAsNumber);
    dialog.close();
    poll();
  } catch (problem) {
    $("ask-fault").textContent = problem instanceof Problem ? problem.message : "The router does not respond.";
    $("ask-yes").disabled = false;
  }
});

const findNode = (cluster, name) => latest.nodes.clusters.find((c) => c.name === cluster)
  .nodes.find((n) => n.name === name);

function configuredRate(cluster) {
  const list = ((latest.config || {}).config || {}).clusters || [];
  return (list.find((c) => c.name === cluster) || {}).drain_rate_per_s;
}

const steer = (node, body) => request(`nodes/${encodeURIComponent(node.cluster)}/${encodeURIComponent(node.name)}`, body);

function askDrain(node) {
  confirmFirst({
    title: `Drain node ${visible(node.name)}?`,
    text: `It gets no new sessions, and ${node.sessions === 1 ? "its one session is" : `its ${count(node.sessions)} sessions are`} ` +
      `closed, so that the devices connect to other nodes of cluster ${visible(node.cluster)}.`,
    verb: "Drain", rate: configuredRate(node.cluster),
    pace: (rate) => rate > 0 ? `about ${duration(node.sessions / rate)} for ${plural(node.sessions, "session")}`
      : "empty: the rate in the configuration",
    run: async (rate) => {
      await steer(node, { state: "draining", ...(rate > 0 ? { drain_rate_per_s: rate } : {}) });
      announce(`The drain of node ${visible(node.name)} has started.`);
    },
  });
}

function askRestore(node) {
  confirmFirst({
    title: `Restore node ${visible(node.name)}?`,
    text: `It accepts new sessions again, about ${percent(node.key_share_permille)} of them with the current shares. ` +
      "Its devices on other nodes return when they reconnect, or by homecoming.",
    verb: "Restore", run: () => steer(node, { state: "up" }),
  });
}

function askDisconnect(id, client) {
  confirmFirst({
    title: "Disconnect this session?",
    text: `Session ${visible(id)} of device ${visible(client)} will be closed. The device may reconnect immediately.`,
    verb: "Disconnect",
    run: async () => {
      await request(`sessions/${encodeURIComponent(id)}/disconnect`, {});
      announce("Disconnected.");
      await lookUp(client);
    },
  });
}

document.addEventListener("click", (event) => {
  const { act, cluster, node, session, client } = (event.target.closest("[data-act]") || { dataset: {} }).dataset;
  if (act === "drain") askDrain(findNode(cluster, node));
  if (act === "restore") askRestore(findNode(cluster, node));
  if (act === "disconnect") askDisconnect(session, client);
});

// ---- where is device X ----

const facts = (list) => el("dl.facts", null, list.filter(([, value]) => value != null && value !== "")
  .map(([name, value]) => [el("dt", null, name), el("dd", null, value)]));

function homeFacts({ cluster, home, candidates, without_key }) {
  const node = (candidates || []).find((c) => c.node === home);
  return [`Home in ${visible(cluster)}`, home ? [el("b", null, peer(home)), " ",
    node ? pill(words(node.status), STATUS_KIND[node.status]) : null] : `none: ${words(without_key || "no node")}`];
}

function sessionCard(s) {
  const yes = (value) => value == null ? null : value ? "yes" : "no";
  const at = s.node ? [el("b", null, peer(s.node)), s.home && s.home !== s.node ? [", away from ", peer(s.home)] : ""] : null;
  return el("div", { "data-key": s.id },
    el("h3", null, "Session ", peer(s.id)),
    facts([["Node", at], ["Stage", `${words(s.stage)} for ${duration(s.age_s)}`], ["Client", peer(s.client_id ?? "")],
      ["User name", s.username == null ? null : peer(s.username)], ["Source", peer(s.source)],
      ["Listener", peer(s.listener)], ["MQTT", s.mqtt_version == null ? null : `${s.mqtt_version}, keep alive ${s.keep_alive_s} s`],
      ["Placement", s.placement == null ? null : `${words(s.placement)}, ${s.tries === 1 ? "1 try" : `${s.tries} tries`}`],
      ["CONNACK", s.connack_code == null ? null : String(s.connack_code)], ["Session present", yes(s.session_present)],
      ["TLS", s.tls_version && visible(s.tls_version) + (s.tls_resumed ? ", resumed" : "") +
        (s.tls_detached ? ", detached" : "")],
      ["Certificate", s.tls_cn == null ? null : peer(s.tls_cn)], ["Bytes", `${bytes(s.bytes_up)} up, ${bytes(s.bytes_down)} down`]]),
    el("button", { type: "button", "data-act": "disconnect", "data-session": s.id, "data-client": s.client_id ?? "" }, "Disconnect"));
}

let looked = null; // the device of the last search
async function lookUp(client) {
  looked = client;
  const id = encodeURIComponent(client);
  try {
    const clusters = latest.nodes ? latest.nodes.clusters.map((c) => c.name) : [];
    const homes = await Promise.all(clusters.map((name) =>
      request(`route?cluster=${encodeURIComponent(name)}&client_id=${id}`).catch(() => null)));
    const { sessions, complete } = await request(`sessions?client_id=${id}`);
    show("found", facts([["Device", peer(client)], ...homes.filter(Boolean).map(homeFacts),
      ["Sessions", sessions.length ? plural(sessions.length, "session") : complete === false
        ? "unknown: some workers did not respond in time" : "none"]]),
    sessions.map(sessionCard));
    // Closing takes a moment: look up again, unless the user has searched for another device.
    if (sessions.some((s) => s.stage === "farewell"))
      setTimeout(() => looked === client && lookUp(client), 1000);
  } catch (problem) {
    show("found", el("p.fault", null, problem instanceof Problem ? visible(problem.message) : "The router does not respond."));
  }
}

$("lookup").addEventListener("submit", (event) => {
  event.preventDefault();
  lookUp($("client-id").value);
});

poll();
