// The pay page and the link page. Everything works without this file; with it the page follows the payment by itself.
"use strict";

const POLL_MS = 3000;
const SLOWEST_MS = 60000;

function copyText(button) {
  const from = document.getElementById(button.dataset.copy);
  const done = () => {
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = before; }, 2000);
  };
  const select = () => {  // where the clipboard is not allowed, the person copies what is selected
    const range = document.createRange();
    range.selectNodeContents(from);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  };
  if (navigator.clipboard) navigator.clipboard.writeText(from.textContent.trim()).then(done, select);
  else select();
}

function tick() {
  for (const clock of document.querySelectorAll("[data-countdown]")) {
    const left = Math.floor((new Date(clock.dateTime) - Date.now()) / 1000);
    const [hours, minutes, seconds] = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60];
    const pad = (number) => String(number).padStart(2, "0");
    const parent = clock.closest(".clock");
    if (!clock.dataset.text) clock.dataset.text = clock.textContent;
    clock.textContent = left <= 0 ? "now: it is over" :
      `${clock.dataset.text} (${hours ? `${hours}:${pad(minutes)}` : minutes}:${pad(seconds)} left)`;
    parent.classList.toggle("soon", left < 120);
  }
}

function showCoins() {
  for (const field of document.querySelectorAll("[data-coins-of]")) {
    const radio = document.querySelector(`input[name=gateway][value="${field.dataset.coinsOf}"]`);
    if (radio) field.hidden = !radio.checked;
  }
}

function prepare() {
  for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
  for (const link of document.querySelectorAll(".script-off")) link.hidden = true;
  showCoins();
  tick();
}

async function redraw(live, title) {
  // Only the part that changes: a whole page in hand would bring a style that this page's policy does not know.
  const answer = await fetch(`${location.pathname}?part`, { credentials: "same-origin", cache: "no-store" });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("live");
  // An embedded form needs its scripts, which only a loaded page has; half-typed cards are not thrown away for less.
  if (page.getElementById("embedded-form") || document.getElementById("embedded-form")) { location.reload(); return; }
  const focused = document.activeElement && document.activeElement.id;
  live.replaceChildren(...fresh.childNodes);
  Object.assign(live.dataset, fresh.dataset);
  document.title = live.dataset.title;
  document.getElementById("announce").textContent = title;
  prepare();
  if (focused && document.getElementById(focused)) document.getElementById(focused).focus();
}

function follow(live) {
  let pause = POLL_MS;
  const look = async () => {
    if (live.dataset.end === "1") return;
    if (document.visibilityState === "visible") {
      try {
        const answer = await fetch(live.dataset.status, { credentials: "same-origin", cache: "no-store" });
        const wait = Number(answer.headers.get("Retry-After")) * 1000;
        pause = answer.ok ? POLL_MS : Math.min(Math.max(pause * 2, wait), SLOWEST_MS);
        if (answer.ok) {
          const now = await answer.json();
          if (now.version !== live.dataset.version) await redraw(live, now.title);
        }
      } catch (error) {
        pause = Math.min(pause * 2, SLOWEST_MS);
      }
    }
    if (live.dataset.end !== "1") setTimeout(look, pause);
  };
  setTimeout(look, pause);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copyText(button);
});
document.addEventListener("change", showCoins);
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!("submitOnce" in form.dataset)) return;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "1";
  form.querySelector("button.button").setAttribute("aria-disabled", "true");
});
addEventListener("pageshow", (event) => {  // back from the gateway out of the browser's memory
  for (const form of document.querySelectorAll("[data-sent]")) {
    delete form.dataset.sent;
    form.querySelector("button.button").removeAttribute("aria-disabled");
  }
  if (event.persisted && document.getElementById("live")) location.reload();
});

prepare();
setInterval(tick, 1000);
const live = document.getElementById("live");
if (live) follow(live);
// A form that only carries the customer to the gateway goes by itself, once in this tab: who comes back sees the page.
const handOver = document.querySelector("#live form[data-submit-once]");
if (handOver && !sessionStorage.getItem(location.pathname)) {
  sessionStorage.setItem(location.pathname, "handed over");
  handOver.requestSubmit();
}
