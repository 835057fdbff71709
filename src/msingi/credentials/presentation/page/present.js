// Looks after the state of the request, and loads the page anew when it has changed. Without script the page does so
// by itself every six seconds.
const waiting = document.getElementById("waiting");
const address = `${location.pathname.replace(/\/$/, "")}${waiting.dataset.state}`;
let failures = 0;
let answering = false;

async function look() {
  if (answering) return setTimeout(look, 1500);
  try {
    const answer = await fetch(address, { cache: "no-store" });
    if (answer.status >= 400 && answer.status < 500) return location.reload();
    if ((await answer.json()).state !== "open") return location.reload();
    failures = 0;
  } catch {
    failures += 1;
  }
  setTimeout(look, Math.min(1500 * 2 ** failures, 15000));
}

setTimeout(look, 1500);

// The browser's own interface to wallets (Digital Credentials API). Where there is none, or it has no wallet that fits,
// the link and the code of the page remain.
const button = document.getElementById("browser");
const page = location.pathname.replace(/\/$/, "");
const known = globalThis.DigitalCredential;

async function ask() {
  answering = true;
  try {
    const request = await (await fetch(`${page}/browser`, { cache: "no-store" })).json();
    const given = await navigator.credentials.get({ mediation: "required", digital: { requests: [request] } });
    const data = typeof given.data === "string" ? JSON.parse(given.data) : given.data;
    const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));
    const body = new URLSearchParams(Object.entries(data).map(([name, value]) => [name, text(value)]));
    const there = page.replace("/present/", "/present/wallet/") + "/b";
    const told = await (await fetch(there, { method: "POST", body })).json();
    location.assign(told.redirect_uri ?? location.href);
  } catch {
    document.getElementById("no-browser").hidden = false;
    answering = false;
  }
}

if (known && (known.userAgentAllowsProtocol?.(button.dataset.protocol) ?? true)) {
  button.parentElement.hidden = false;
  button.addEventListener("click", ask);
}
