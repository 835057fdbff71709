// Enrolment where there is no network. What is taken down is sealed at once and kept sealed; when there is a network the
// packets are handed in, each as often as it takes, and the page shows what became of each by its number, naming nobody.
import { canDoThis, newId, newKeys, publicJwk, sealed, sha256hex } from "/field/packet.js";

const main = document.getElementById("field");
const words = JSON.parse(main.dataset.words);
const element = (id) => document.getElementById(id);
const say = (name) => words[name] ?? name;
const FINAL = new Set(["enrolled", "held", "dismissed"]);

// ---- what this device keeps: its key, its count, and sealed packets ---------------------------------------------

const opened = new Promise((resolve, reject) => {
  const asked = indexedDB.open("msingi-field", 1);
  asked.onupgradeneeded = () => {
    asked.result.createObjectStore("device");
    asked.result.createObjectStore("packets", { keyPath: "sequence" });
  };
  asked.onsuccess = () => resolve(asked.result);
  asked.onerror = () => reject(asked.error);
});

async function stored(stores, mode, work) {
  const db = await opened;
  return new Promise((resolve, reject) => {
    const held = db.transaction(stores, mode, { durability: "strict" });
    let answer;
    held.oncomplete = () => resolve(answer instanceof IDBRequest ? answer.result : undefined);
    held.onerror = held.onabort = () => reject(held.error);
    answer = work((name) => held.objectStore(name), held);
  });
}

const device = () => stored(["device"], "readonly", (store) => store("device").get("own"));
const packets = () => stored(["packets"], "readonly", (store) => store("packets").getAll());
const putPacket = (packet) => stored(["packets"], "readwrite", (store) => store("packets").put(packet));

// The packet and the count that it takes stand or fall together: no number is given twice, and none is left out.
const keep = (packet, own) => stored(["device", "packets"], "readwrite", (store, held) => {
  const asked = store("device").get("own");
  asked.onsuccess = () => {
    if (asked.result.sequence !== packet.sequence - 1) return held.abort();
    store("packets").add(packet);
    store("device").put({ ...own, sequence: packet.sequence, last: packet.hash }, "own");
  };
});

// ---- the device -------------------------------------------------------------------------------------------------

async function makeDevice(event) {
  event.preventDefault();
  const name = element("device-name").value.trim();
  if (!/^[A-Za-z0-9._-]{3,60}$/.test(name)) return tell("device-wrong", say("device_hint"));
  try {
    const registry = await (await fetch("/v1/identity/packets/key", { cache: "no-store" })).json();
    const keys = await newKeys();
    await stored(["device"], "readwrite", (store) => store("device").put({ name, keys, registry, sequence: 0, last: "" }, "own"));
    await navigator.storage?.persist?.();
    await show();
  } catch {
    tell("device-wrong", say("needs_network"));
  }
}

function tell(id, text) {
  element(id).textContent = text;
  element(id).hidden = !text;
}

async function show() {
  const own = await device();
  element("new-device").hidden = Boolean(own);
  for (const id of ["this-device", "take", "kept"]) element(id).hidden = !own;
  if (!own) return;
  element("device-title").textContent = own.name;
  element("device-key").textContent = JSON.stringify({ device: own.name, jwk: await publicJwk(own.keys) });
  const found = (await packets()).sort((one, other) => other.sequence - one.sequence);
  element("none").hidden = found.length > 0;
  element("packets").replaceChildren(...found.map(line));
  const waits = found.filter((packet) => !FINAL.has(packet.state)).length;
  element("waiting").textContent = say("waiting").replace("{n}", waits);
  element("network").textContent = navigator.onLine ? say("online") : say("offline");
  element("network").className = navigator.onLine ? "badge good" : "badge";
}

function line(packet) {
  const item = document.createElement("li");
  const text = document.createElement("span");
  text.className = "grow";
  const number = document.createElement("b");
  number.textContent = `${packet.device} / ${packet.sequence}`;
  const at = document.createElement("span");
  at.className = "soft";
  at.textContent = new Date(packet.at).toLocaleString(document.documentElement.lang);
  text.append(number, document.createElement("br"), at);
  const badge = document.createElement("span");
  badge.className = `badge ${packet.state}`;
  badge.dataset.state = packet.state;
  badge.textContent = `${say(`state_${packet.state}`)}${packet.rule ? `: ${packet.rule}` : ""}`;
  item.append(text, badge);
  return item;
}

// ---- one person -------------------------------------------------------------------------------------------------

// A picture no larger than a register needs, as JPEG in base64.
async function picture(file) {
  const image = await createImageBitmap(file);
  const scale = Math.min(1, 640 / Math.max(image.width, image.height));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [Math.round(image.width * scale), Math.round(image.height * scale)];
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", 0.85).split(",")[1];
}

// As people say it, to as the register writes it: 0712345678 becomes +255712345678. Null where it cannot be one.
function phone(text) {
  const { prefix, digits } = main.dataset;
  const bare = text.replace(/[\s().-]/g, "");
  if (!bare) return "";
  const rest = bare.startsWith(prefix) ? bare.slice(prefix.length) : bare.replace(/^0+/, "");
  return /^\d+$/.test(rest) && rest.length === Number(digits) ? prefix + rest : null;
}

function birth(value) {
  const parts = [value("born_year"), value("born_month"), value("born_day")];
  if (!parts[0]) return parts[1] || parts[2] ? null : {};
  const padded = parts.map((part, place) => part && part.padStart(place ? 2 : 4, "0"));
  const date = padded[1] ? (padded[2] ? padded.join("-") : padded.slice(0, 2).join("-")) : padded[0];
  const whole = date.length === 10 ? date : `${date}-01-01`.slice(0, 10);
  const known = new Date(`${whole}T00:00:00Z`);
  const right = /^\d{4}(-\d\d(-\d\d)?)?$/.test(date) && known <= new Date() && (date.length < 10 || known.toISOString().slice(0, 10) === date);
  return right ? { date, ...(value("estimated") ? { approximate: true } : {}) } : null;
}

function wrongs(value) {
  const found = {};
  if (!value("given") && !value("family")) found.given = say("needs_name");
  if (birth(value) === null) found.born_year = say("wrong_date");
  if (phone(value("phone")) === null) found.phone = say("wrong_phone");
  return found;
}

async function order(form) {
  const value = (name) => (form.elements[name]?.type === "checkbox" ? (form.elements[name].checked ? "1" : "") : (form.elements[name]?.value ?? "").trim());
  const found = wrongs(value);
  for (const name of ["given", "born_year", "phone"]) tell(`wrong-${name}`, found[name] ?? "");
  if (Object.keys(found).length) {
    form.elements[Object.keys(found)[0]].focus();
    return null;
  }
  const made = { name: { given: value("given"), family: value("family") }, birth: birth(value) };
  for (const name of ["sex", "region", "language", "guardian", "introducer"]) if (value(name)) made[name] = value(name);
  if (value("phone")) made.phone = phone(value("phone"));
  if (value("address")) made.address = { lines: [value("address")] };
  if (value("document_kind")) made.documents = [{ kind: value("document_kind"), number: value("document_number") }];
  if (value("lacking")) made.exceptions = [value("lacking")];
  const [file] = form.elements.photo.files;
  if (file) made.photo = await picture(file);
  return { order: made, place: value("place") };
}

async function take(event) {
  event.preventDefault();
  const form = event.currentTarget;
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const taken = await order(form);
    if (!taken) return;
    const own = await device();
    const sequence = own.sequence + 1;
    const at = new Date().toISOString();
    const packet = { packet_id: newId(), device: own.name, sequence, previous: own.last, captured_at: at, ...taken };
    const text = await sealed(packet, own.keys, own.registry);
    await keep({ sequence, device: own.name, at, text, hash: await sha256hex(text), state: "kept", rule: "" }, own);
    const place = form.elements.place.value;
    form.reset();
    form.elements.place.value = place;
    tell("said", `${say("kept_as")} ${own.name} / ${sequence}`);
    element("said").focus();
    await show();
    if (navigator.onLine) handIn();
  } catch {
    tell("said", say("not_kept"));
  } finally {
    button.disabled = false;
  }
}

// ---- handing in -------------------------------------------------------------------------------------------------

let busy = false;
async function handIn() {
  if (busy || !(await device())) return;
  busy = true;
  try {
    for (const packet of (await packets()).sort((one, other) => one.sequence - other.sequence)) {
      if (FINAL.has(packet.state)) continue;
      const answer = await fetch("/v1/identity/packets", { method: "POST", body: packet.text, headers: { "content-type": "text/plain" } });
      if (answer.status >= 500 || answer.status === 429) break;
      const told = await answer.json();
      if (answer.status === 202) Object.assign(packet, { state: told.state, rule: told.rule ?? "" });
      else Object.assign(packet, { state: "refused", rule: told.rule ?? told.code ?? "" });
      if (FINAL.has(packet.state)) packet.text = "";
      await putPacket(packet);
    }
  } catch {
    // No network after all: what is kept is kept.
  } finally {
    busy = false;
    await show();
  }
}

async function start() {
  navigator.serviceWorker?.register("/field/offline.js", { scope: "/field" }).catch(() => {});
  if (!(await canDoThis())) return tell("cannot", say("cannot"));
  element("make-device").addEventListener("submit", makeDevice);
  element("person").addEventListener("submit", take);
  element("hand-in").addEventListener("click", handIn);
  for (const change of ["online", "offline"]) addEventListener(change, () => show().then(() => navigator.onLine && handIn()));
  await show();
  if (navigator.onLine) await handIn();
  main.dataset.ready = "true";
}

start();
