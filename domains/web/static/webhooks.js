// What pages of webhooks can do without, in fewer steps: copy a secret, try an endpoint out, watch what is under way.
"use strict";

const EVERY = 3000;
const LONGEST_WATCH = 10 * 60 * 1000;
// A test takes at most 15 seconds.
const LONGEST_ANSWER = 20000;
// Whoever presses again after so long means it.
const TWICE = 5000;
const began = Date.now();

for (const button of document.querySelectorAll("button[data-copies]")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}

// Browsers give the clipboard to pages of HTTPS only, and not to all of them: what is marked a key press copies.
async function copy(button) {
  const secret = document.getElementById(button.dataset.copies);
  try {
    await navigator.clipboard.writeText(secret.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(secret);
    button.textContent = "Marked: copy it now";
  }
}

// A second click must not make a second endpoint: each would be told of everything, and of one nobody knows the secret.
document.addEventListener("submit", (event) => {
  const { dataset } = event.target;
  if (Date.now() - Number(dataset.sent ?? 0) < TWICE) event.preventDefault();
  else if (!dataset.part) dataset.sent = Date.now();
});
addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

// Of the page that answers such a form one part is news, and only that is exchanged.
document.addEventListener("submit", async (event) => {
  const part = event.target.dataset.part;
  if (!part) return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(event.target));
  const button = event.target.querySelector("button");
  button.disabled = true;
  button.textContent = button.dataset.meanwhile;
  try {
    exchange(part, await load(event.target.action, { method: "POST", body }));
    document.querySelector(`#${part} button`).focus();
  } catch {
    location.reload();
  }
});

async function watch() {
  const parts = [...document.querySelectorAll("[data-watched]")];
  if (parts.length === 0 || Date.now() - began > LONGEST_WATCH) return;
  // What somebody uses at this moment stays as it is.
  if (!document.hidden && !parts.some(isInUse)) {
    try {
      const fresh = await load(location.href, {});
      for (const part of parts) if (!isInUse(part)) exchange(part.id, fresh);
    } catch {
      // The next turn may find the server again.
    }
  }
  setTimeout(watch, EVERY);
}

async function load(address, options) {
  const headers = { Accept: "text/html" };
  const answer = await fetch(address, { ...options, headers, signal: AbortSignal.timeout(LONGEST_ANSWER) });
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

function exchange(id, page) {
  const fresh = page.getElementById(id);
  if (!fresh) throw new Error(id);
  const old = document.getElementById(id);
  if (!old.isEqualNode(fresh)) old.replaceWith(fresh);
}

function isInUse(part) {
  const selection = getSelection();
  return part.contains(document.activeElement) || (!selection.isCollapsed && selection.containsNode(part, true));
}

setTimeout(watch, EVERY);
