// Fetches the numbers anew while somebody can see them, and changes only what differs.
"use strict";

const EVERY = 5000;
const LONGEST_WAIT = 60000;
const LONGEST_ANSWER = 10000;

const numbers = document.getElementById("numbers");
const updated = document.getElementById("updated");
const trouble = document.getElementById("trouble");
let timer = 0;
let wait = EVERY;
let isAsking = false;

async function refresh() {
  clearTimeout(timer);
  if (document.hidden || isAsking) return;
  isAsking = true;
  try {
    const html = await ask();
    if (html === null) {
      complain("You are signed out. ", link("Sign in again", "/accounts/login/?next=%2Fdashboard%2F"));
      return;
    }
    replace(html);
    trouble.hidden = true;
    updated.textContent = `Live: as of ${new Date().toISOString().slice(11, 19)}.`;
    wait = EVERY;
  } catch {
    complain("The server does not answer: these numbers are not up to date. Trying again …");
    wait = Math.min(wait * 2, LONGEST_WAIT);
  } finally {
    isAsking = false;
  }
  timer = setTimeout(refresh, wait * (0.9 + 0.2 * Math.random()));
}

// The numbers as HTML; null for somebody who is sent to sign in.
async function ask() {
  const answer = await fetch(numbers.dataset.source, {
    headers: { Accept: "text/html" },
    redirect: "manual",
    signal: AbortSignal.timeout(LONGEST_ANSWER),
  });
  if (answer.type === "opaqueredirect") return null;
  // Whoever may not see this any more is told so by the page itself.
  if (answer.status === 403) location.reload();
  if (!answer.ok) throw new Error(answer.status);
  return answer.text();
}

function replace(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  for (const section of fresh.querySelectorAll("section")) {
    const old = document.getElementById(section.id);
    if (old && !old.isEqualNode(section) && !isBeingRead(old)) exchange(old, section);
  }
}

// Somebody who selects text would lose it.
function isBeingRead(section) {
  const selection = getSelection();
  return !selection.isCollapsed && section.contains(selection.anchorNode);
}

// The link that has the focus keeps it, by its address.
function exchange(old, section) {
  const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  old.replaceWith(section);
  if (focused === null) return;
  const again = [...section.querySelectorAll("a")].find((a) => a.getAttribute("href") === focused);
  if (again) again.focus({ preventScroll: true });
}

function complain(...words) {
  const sentence = trouble.firstElementChild;
  // What is said already is not said again.
  const probe = document.createElement("p");
  probe.append(...words);
  if (trouble.hidden || sentence.textContent !== probe.textContent) sentence.replaceChildren(...probe.childNodes);
  trouble.hidden = false;
}

function link(text, address) {
  const made = document.createElement("a");
  made.href = address;
  made.textContent = text;
  return made;
}

document.addEventListener("visibilitychange", refresh);
addEventListener("online", refresh);
timer = setTimeout(refresh, EVERY);
updated.textContent = "Live.";
