/* The live feed: keeps a WebSocket open, goes on where it was cut off, and shows each event once. */
"use strict";

const MOST_SHOWN = 500;
const MOST_WAITING = 1000;
const MOST_KNOWN = 5000;
const SHORTEST_PAUSE = 500;
const LONGEST_PAUSE = 15000;
// A connection that ends sooner is a failure like one that never opened: a server that has too much to do gets a rest.
const SHORTEST_SUCCESS = 10000;
// Three heartbeats: a connection that is only half there does not tell so itself.
const LONGEST_SILENCE = 45000;
const LONGEST_IMPORT_SILENCE = 60000;
const FINISHED_IMPORT_SHOWN = 10000;
const WRONG_SINCE = 4400;
const SIGNED_OUT = 4401;

const part = (id) => document.getElementById(id);
const list = part("feed");
const words = new Map([...part("kind").options].map((option) => [option.value, option.text]));
const known = new Set([...list.children].map((row) => Number(row.dataset.id)));
const imports = new Map();

let since = list.dataset.since;
let socket = null;
let failures = 0;
let openedAt = Infinity;
let retry = 0;
let silence = 0;
let isPaused = false;
let waiting = [];
let left = 0;

/* The connection. */

function connect() {
  clearTimeout(retry);
  if (socket) return;
  say("connecting", failures ? "Connection lost. Trying again…" : "Connecting…");
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const opened = new WebSocket(`${scheme}//${location.host}/ws/products/?since=${encodeURIComponent(since)}`);
  socket = opened;
  openedAt = Infinity;
  expectWord();
  opened.onopen = () => {
    openedAt = Date.now();
    showState();
  };
  opened.onmessage = (told) => {
    expectWord();
    take(JSON.parse(told.data));
  };
  opened.onclose = (closing) => {
    if (socket !== opened) return;
    socket = null;
    clearTimeout(silence);
    leave(closing.code);
  };
}

function expectWord() {
  clearTimeout(silence);
  silence = setTimeout(hangUp, LONGEST_SILENCE);
}

function hangUp() {
  const lost = socket;
  socket = null;
  if (!lost) return;
  lost.close();
  leave(0);
}

function leave(code) {
  if (code === SIGNED_OUT) return sayGoodbye();
  // The log does not go back that far any more.
  if (code === WRONG_SINCE) since = "0";
  failures = Date.now() - openedAt > SHORTEST_SUCCESS ? 1 : failures + 1;
  say("lost", navigator.onLine ? "Connection lost. Trying again…" : "You are offline.");
  const pause = Math.min(LONGEST_PAUSE, SHORTEST_PAUSE * 2 ** Math.min(failures - 1, 10));
  retry = setTimeout(failures > 1 ? askWhoIAm : connect, pause * (0.5 + Math.random() / 2));
}

/* A refused WebSocket looks like a lost one: ask whether this browser is still signed in. */
async function askWhoIAm() {
  try {
    const answer = await fetch("/auth/check/", { headers: { Accept: "application/json" } });
    if (answer.status === 401 || answer.status === 403) return sayGoodbye();
  } catch {
    // Not reachable: the next attempt will tell.
  }
  connect();
}

function sayGoodbye() {
  say("out", "You are signed out. ");
  const link = document.createElement("a");
  link.href = `/accounts/login/?next=${encodeURIComponent(location.pathname)}`;
  link.textContent = "Sign in";
  part("state").append(link);
}

function say(state, text) {
  part("state").dataset.state = state;
  part("state").textContent = text;
}

function showState() {
  if (!socket || socket.readyState !== WebSocket.OPEN) return;
  const news = waiting.length + left;
  if (isPaused) say("paused", news ? `Paused. ${news} new.` : "Paused.");
  else say("live", "Live");
}

/* What is told. */

function take(message) {
  if (message.import) return moveImport(message);
  const event = message.event;
  if (event) {
    since = String(event.id);
    if (known.has(event.id)) return undefined;
    known.add(event.id);
    if (known.size > MOST_KNOWN) known.delete(known.values().next().value);
  } else if (message.action !== "gap") return undefined;
  if (!isPaused) return show(message);
  waiting.push(message);
  if (waiting.length > MOST_WAITING) {
    waiting.shift();
    left += 1;
  }
  return showState();
}

function show(message) {
  part("nothing").hidden = true;
  const row = message.event ? makeRow(message) : makeGap(message);
  row.hidden = !isWanted(row);
  row.classList.add("new");
  list.prepend(row);
  while (list.children.length > MOST_SHOWN) list.lastElementChild.remove();
  countHidden();
}

function makeRow({ action, message, event }) {
  const row = element("li");
  row.dataset.id = event.id;
  row.dataset.action = action;
  const time = element("time", "", "");
  time.dateTime = event.occurred_at;
  setTime(time);
  const what = element("p", "what");
  const page = list.dataset.productPage;
  if (page && event.product_id && action !== "deleted") {
    const link = element("a", "", message);
    link.href = page + event.product_id;
    what.append(link);
  } else {
    what.textContent = message;
  }
  row.append(time, element("span", "chip", words.get(action) || action), what, element("p", "who", tellWho(event)));
  return row;
}

/* "ada · order 7"; the number of an import says nothing to people. */
function tellWho({ actor, reference, source }) {
  const cause = reference.startsWith("import:") ? "import" : reference.replace(":", " ").replace("_", " ");
  return `${actor || "somebody"} · ${cause || source}`;
}

function makeGap(message) {
  const row = element("li", "gap");
  row.dataset.action = "gap";
  row.append(element("p", "what", message.message));
  return row;
}

function element(name, kind = "", text = "") {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  made.textContent = text;
  return made;
}

/* By the reader's own clock; the day only when it is another. */
function setTime(time) {
  const moment = new Date(time.dateTime);
  const isToday = moment.toDateString() === new Date().toDateString();
  const day = isToday ? "" : `${moment.toLocaleDateString([], { day: "numeric", month: "short" })} `;
  time.textContent = day + moment.toLocaleTimeString([], { hour12: false });
  time.title = moment.toLocaleString();
}

/* An import is one line that moves, and goes away some time after it has ended. */

function moveImport({ message, import: job }) {
  const line = imports.get(job.job_id) || addImport(job.job_id);
  line.text.textContent = job.error_count ? `${message}, ${job.error_count.toLocaleString()} rejected` : message;
  if (job.total_rows === null) line.bar.removeAttribute("value");
  else line.bar.value = job.progress;
  const isOver = job.status !== "importing" && job.status !== "pending";
  line.bar.hidden = isOver && job.status !== "completed";
  line.row.dataset.status = job.status;
  clearTimeout(line.end);
  line.end = setTimeout(() => {
    line.row.remove();
    imports.delete(job.job_id);
  }, isOver ? FINISHED_IMPORT_SHOWN : LONGEST_IMPORT_SILENCE);
}

function addImport(id) {
  const line = { row: element("li"), text: element("p", "what"), bar: element("progress"), end: 0 };
  line.row.dataset.job = id;
  line.bar.max = 100;
  line.text.id = `import-${id}`;
  line.bar.setAttribute("aria-labelledby", line.text.id);
  line.row.append(line.text, line.bar);
  part("imports").append(line.row);
  imports.set(id, line);
  return line;
}

/* Choosing and pausing. */

function isWanted(row) {
  if (row.dataset.action === "gap") return true;
  const kind = part("kind").value;
  const text = part("text").value.trim().toLowerCase();
  return (!kind || row.dataset.action === kind) && (!text || row.textContent.toLowerCase().includes(text));
}

function choose() {
  for (const row of list.children) row.hidden = !isWanted(row);
  countHidden();
}

function countHidden() {
  const count = [...list.children].filter((row) => row.hidden).length;
  part("hidden").hidden = count === 0;
  part("hidden").textContent = count === 1 ? "One line does not match." : `${count} lines do not match.`;
}

function togglePause() {
  isPaused = !isPaused;
  part("pause").textContent = isPaused ? "Go on" : "Pause";
  part("pause").setAttribute("aria-pressed", String(isPaused));
  if (!isPaused) {
    if (left) show({ action: "gap", message: `${left} older changes of this pause are left out.`, event: null });
    waiting.forEach(show);
    waiting = [];
    left = 0;
  }
  showState();
}

function comeBack() {
  if (socket || part("state").dataset.state === "out") return;
  failures = Math.min(failures, 1);
  connect();
}

part("kind").addEventListener("change", choose);
part("text").addEventListener("input", choose);
part("pause").addEventListener("click", togglePause);
window.addEventListener("online", comeBack);
window.addEventListener("offline", hangUp);
document.addEventListener("visibilitychange", () => document.hidden || comeBack());

part("tools").hidden = false;
list.querySelectorAll("time").forEach(setTime);
connect();
