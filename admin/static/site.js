// Shows in Piccolo's pages what the server holds to anyway: what is read-only, and where to sign in.
"use strict";

const facts = JSON.parse(document.querySelector('meta[name="stockroom"]').content);
const MOMENT = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?Z$/;
const OWN_PAGES = ["", "forms", "login", "change-password"];
const NEW = '[data-uitest="create_button"]';
const KNOWN = '[data-uitest="save_button"]';

function look() {
    const [table = "", row] = location.hash.replace(/^#\//, "").split(/[/?]/).filter(Boolean);
    if (document.getElementById("login")) location.replace("./sign-in/");
    if (document.getElementById("change_password")) location.replace("/accounts/profile/");
    const isReadOnly = !OWN_PAGES.includes(table) && !facts.editable.includes(table);
    const locked = facts.locked[table] || [];
    document.body.classList.toggle("read-only", isReadOnly);
    document.body.classList.toggle("only-deleted", facts.deletable.includes(table));
    for (const {form} of document.querySelectorAll(NEW)) {
        eachField(form, column => locked.includes(column) ? "hidden" : "open");
    }
    for (const {form} of document.querySelectorAll(KNOWN)) {
        const isLocked = column => isReadOnly || locked.includes(column);
        eachField(form, column => column === "password" ? "hidden" : isLocked(column) ? "locked" : "open");
        linkPages(form, row ? facts.links[table] || [] : [], row);
    }
    for (const cell of document.querySelectorAll("tbody td > span")) shorten(cell);
}

// Piccolo uses its fields again for other tables, so each is set whatever it was. What is disabled is not sent.
function eachField(form, stateOf) {
    for (const field of form.querySelectorAll("[name]")) {
        const state = stateOf(field.name);
        let part = field;
        while (part.parentElement !== form && !part.querySelector(":scope > label")) part = part.parentElement;
        part.classList.toggle("not-here", state === "hidden");
        for (const input of part.querySelectorAll("input, select, textarea")) {
            input.disabled = state !== "open";
            input.classList.toggle("locked", state === "locked");
            if (input.name === "password") input.type = "password";
        }
    }
}

// Piccolo uses its form again for other rows and tables, so its links are made anew when they are others.
function linkPages(form, links, row) {
    const told = links.map(([text, path]) => `${text} ${path.replace("{}", row)}`).join("\n");
    let place = document.getElementById("pages");
    if (place?.dataset.told === told && place.nextSibling === form) return;
    place?.remove();
    if (!told) return;
    place = document.createElement("p");
    place.id = "pages";
    place.dataset.told = told;
    for (const [text, path] of links) {
        const link = document.createElement("a");
        link.textContent = text;
        link.href = path.replace("{}", row);
        place.append(link);
    }
    form.before(place);
}

// A row whose page of ours says more than Piccolo's form leads there at once.
document.addEventListener("click", event => {
    const link = event.target.closest?.('td a[href^="#/"]');
    const [table, row] = link ? link.hash.replace(/^#\//, "").split(/[/?]/).filter(Boolean) : [];
    if (!row || !facts.pages[table] || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    event.stopPropagation();
    location.assign(facts.pages[table].replace("{}", row));
}, true);

// What cannot be made in Piccolo's form is made on a page of the shop.
document.addEventListener("click", event => {
    const link = event.target.closest?.('a[href$="/add"], a[href$="/add/"]');
    const [table] = link ? link.hash.replace(/^#\//, "").split(/[/?]/) : [];
    if (!facts.makers[table]) return;
    event.preventDefault();
    event.stopPropagation();
    location.assign(facts.makers[table]);
}, true);

// To the second is enough to read; times are of UTC here, as in the pages of our own.
function shorten(cell) {
    const found = cell.childElementCount === 0 && MOMENT.exec(cell.textContent);
    if (!found) return;
    cell.textContent = `${found[1]} ${found[2]}`;
    cell.title = "UTC";
    cell.parentElement.classList.add("moment");
}

// A spreadsheet runs a cell that begins like a formula. In Piccolo's export every cell begins with a quote, and quotes
// inside are doubled, so one after a separator begins a cell. Numbers stay numbers.
const FORMULA = /(^|[,;\n])"(?='*[=+\-@\t\r])(?!-?\d+(\.\d+)?")/g;

window.Blob = class extends Blob {
    constructor(parts = [], options = {}) {
        const isCsv = String(options.type).startsWith("text/csv");
        super(isCsv ? parts.map(text => text.replace(FORMULA, `$1"'`)) : parts, options);
    }
};

// What it changes itself must not wake it again.
new MutationObserver((_changes, observer) => {
    look();
    observer.takeRecords();
}).observe(document.documentElement, {childList: true, subtree: true});
window.addEventListener("hashchange", look);
look();
