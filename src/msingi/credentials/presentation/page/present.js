// Looks after the state of the request, and loads the page anew when it has changed. Without script the page does so
// by itself every six seconds.
const waiting = document.getElementById("waiting");
const address = `${location.pathname.replace(/\/$/, "")}${waiting.dataset.state}`;
let failures = 0;

async function look() {
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
