// Checks an ID card in the browser: reads the QR code, verifies the signature, the dates and the status here.
// The same file is the page's module and its service worker, so that it works offline afterwards. Where the browser
// has no reader of codes, reader.js is one.
// The numbered steps are those of src/msingi/credentials/verify.py and give the same verdicts.

const KEYS_URL = "/.well-known/msingi-issuer-keys.json";
const LISTS_URL = "/credentials/status";
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const MAX_TEXT = 8192, MAX_MESSAGE = 65536, MAX_LIST = 16 << 20, MAX_DEPTH = 16;
const CURVE_OF_COSE = new Map([[-8, "Ed25519"], [-19, "Ed25519"], [-7, "P-256"], [-9, "P-256"]]);
const CURVE_OF_JOSE = { EdDSA: "Ed25519", Ed25519: "Ed25519", ES256: "P-256", ESP256: "P-256" };
const PHOTO_TYPES = { 1: "image/jpeg", 2: "image/jp2", 3: "image/avif", 4: "image/webp" };

class Unreadable extends Error {}
class NotGenuine extends Error {}
class UnknownKey extends NotGenuine {}
class Unsupported extends Error {}

// ---- formats ------------------------------------------------------------------------------------------------

function base45(text) {
  if (text.length > MAX_TEXT || text.length % 3 === 1) throw new Unreadable("length");
  const digits = Array.from(text, (c) => ALPHABET.indexOf(c));
  if (digits.includes(-1)) throw new Unreadable("character");
  const out = [];
  for (let i = 0; i < digits.length; i += 3) {
    const whole = i + 2 < digits.length;
    const value = digits[i] + 45 * digits[i + 1] + (whole ? 2025 * digits[i + 2] : 0);
    if (value > (whole ? 0xffff : 0xff)) throw new Unreadable("group");
    if (whole) out.push(value >> 8);
    out.push(value & 0xff);
  }
  return Uint8Array.from(out);
}

function base64url(text) {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) throw new Unreadable("base64url");
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (c) => c.charCodeAt(0));
}

async function inflate(bytes, limit) {
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  const chunks = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.length;
      if (size > limit) throw new Unreadable("too large");
      chunks.push(value);
    }
  } catch (error) {
    reader.cancel().catch(() => {});
    throw error instanceof Unreadable ? error : new Unreadable("zlib");
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

async function unwrap(text) {
  const stream = base45(text);
  const message = await inflate(stream, MAX_MESSAGE);
  // The last bits of the stream may be padding: a set one would make a second spelling of the same card.
  const last = stream.length - 5;
  if (last >= 2 && stream[last]) {
    const cleared = stream.slice();
    cleared[last] &= ~(1 << (31 - Math.clz32(stream[last])));
    const other = await inflate(cleared, MAX_MESSAGE).catch(() => null);
    if (other && other.length === message.length && other.every((byte, i) => byte === message[i])) {
      throw new Unreadable("slack");
    }
  }
  return message;
}

// CBOR (RFC 8949): definite lengths, distinct keys, no tags, nothing behind the item. Maps become Map.
function cbor(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const take = (count) => {
    if (count > bytes.length - at) throw new Unreadable("cbor");
    at += count;
    return at - count;
  };
  const argument = (low) => {
    if (low < 24) return low;
    if (low === 24) return view.getUint8(take(1));
    if (low === 25) return view.getUint16(take(2));
    if (low === 26) return view.getUint32(take(4));
    if (low !== 27) throw new Unreadable("cbor");
    const wide = view.getBigUint64(take(8));
    if (wide > BigInt(Number.MAX_SAFE_INTEGER)) throw new Unreadable("cbor");
    return Number(wide);
  };
  const item = (depth) => {
    if (depth > MAX_DEPTH) throw new Unreadable("depth");
    const first = view.getUint8(take(1));
    const major = first >> 5, low = first & 31;
    if (major === 7) {
      if (low === 20 || low === 21) return low === 21;
      if (low === 22 || low === 23) return null;
      if (low === 26) return view.getFloat32(take(4));
      if (low === 27) return view.getFloat64(take(8));
      throw new Unreadable("cbor");
    }
    const n = argument(low);
    if (major === 0) return n;
    if (major === 1) return -1 - n;
    if (major === 2) return bytes.slice(take(n), at);
    if (major === 3) {
      try {
        return new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(take(n), at));
      } catch { throw new Unreadable("text"); }
    }
    if (major === 4) return Array.from({ length: Math.min(n, bytes.length + 1) }, () => item(depth + 1));
    if (major === 5) {
      const map = new Map();
      for (let i = 0; i < n; i += 1) {
        const key = item(depth + 1);
        if (map.has(key) || typeof key === "object") throw new Unreadable("key");
        map.set(key, item(depth + 1));
      }
      return map;
    }
    throw new Unreadable("tag");
  };
  const value = item(0);
  if (at !== bytes.length) throw new Unreadable("trailing");
  return value;
}

function byteString(bytes) {
  const n = bytes.length;
  const head = n < 24 ? [0x40 + n] : n < 256 ? [0x58, n] : [0x59, n >> 8, n & 0xff];
  return [...head, ...bytes];
}

// COSE_Sign1 (RFC 9052, 4.2), bare, in tag 18, or in the CWT tag 61 around it.
function sign1(message) {
  let start = 0;
  if (message[0] === 0xd8 && message[1] === 0x3d) start = 2;
  if (message[start] === 0xd2) start += 1;
  const parts = cbor(message.subarray(start));
  if (!Array.isArray(parts) || parts.length !== 4) throw new Unreadable("cose");
  const [sealed, open, payload, signature] = parts;
  if (![sealed, payload, signature].every((part) => part instanceof Uint8Array)) throw new Unreadable("cose");
  const header = sealed.length ? cbor(sealed) : new Map();
  if (!(header instanceof Map) || !(open instanceof Map)) throw new Unreadable("header");
  if (header.has(2) || open.has(2) || open.has(1)) throw new Unreadable("header");
  const curve = CURVE_OF_COSE.get(header.get(1));
  const kids = [header, open].filter((bucket) => bucket.has(4)).map((bucket) => bucket.get(4));
  if (!curve || kids.length !== 1 || !(kids[0] instanceof Uint8Array)) throw new Unreadable("header");
  const signed = Uint8Array.from([
    0x84, 0x6a, ...new TextEncoder().encode("Signature1"), ...byteString(sealed), 0x40, ...byteString(payload),
  ]);
  return { header, payload, signature, signed, curve, kid: new TextDecoder().decode(kids[0]) };
}

async function verifySignature(jwks, kid, curve, signature, signed) {
  const jwk = jwks.find((key) => key.kid === kid);
  if (!jwk) throw new UnknownKey(kid);
  if (jwk.crv !== curve || signature.length !== 64) throw new NotGenuine("kind");
  const algorithm = curve === "Ed25519" ? { name: "Ed25519" } : { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  let fits;
  try {
    const { kty, crv, x, y } = jwk;
    const key = await crypto.subtle.importKey("jwk", y ? { kty, crv, x, y } : { kty, crv, x }, algorithm, false, ["verify"]);
    fits = await crypto.subtle.verify(algorithm, key, signature, signed);
  } catch (error) {
    throw new Unsupported(String(error)); // no WebCrypto outside https, or no Ed25519 in this browser
  }
  if (!fits) throw new NotGenuine("signature");
}

// ---- the check ----------------------------------------------------------------------------------------------

function readClaims(payload) {
  const claims = cbor(payload);
  const identity = claims instanceof Map ? claims.get(169) : null;
  if (!(identity instanceof Map)) throw new Unreadable("claims");
  const times = [4, 5, 6].map((key) => claims.get(key) ?? null);
  if (!times.every((t) => t === null || typeof t === "number")) throw new Unreadable("times");
  const [expires, notBefore] = times;
  let status = null;
  if (claims.get(65535) != null) {
    const reference = claims.get(65535) instanceof Map ? claims.get(65535).get("status_list") : null;
    if (!(reference instanceof Map)) throw new Unreadable("status");
    status = { uri: reference.get("uri"), index: reference.get("idx") };
    if (typeof status.uri !== "string" || !Number.isInteger(status.index) || status.index < 0) throw new Unreadable("status");
  }
  return { identity, issuer: claims.get(1) ?? "", expires, notBefore, status };
}

// What the signed list says; "undetermined", never "revoked", whenever it cannot be relied on.
async function readStatus(token, reference, jwks, now) {
  try {
    const [head, body, tail] = token.split(".");
    const header = JSON.parse(new TextDecoder().decode(base64url(head)));
    const claims = JSON.parse(new TextDecoder().decode(base64url(body)));
    if (header.typ !== "statuslist+jwt" || header.crit || claims.sub !== reference.uri) return { state: "undetermined" };
    await verifySignature(jwks, header.kid, CURVE_OF_JOSE[header.alg], base64url(tail), new TextEncoder().encode(`${head}.${body}`));
    if ((claims.exp && now >= claims.exp) || now + 300 < claims.iat) return { state: "undetermined" };
    const { bits, lst } = claims.status_list;
    if (![1, 2, 4, 8].includes(bits)) return { state: "undetermined" };
    const packed = await inflate(base64url(lst), MAX_LIST);
    const perByte = 8 / bits;
    if (reference.index >= packed.length * perByte) return { state: "undetermined" };
    const value = (packed[Math.floor(reference.index / perByte)] >> ((reference.index % perByte) * bits)) & ((1 << bits) - 1);
    return { state: value === 0 ? "valid" : value === 2 ? "suspended" : "revoked", at: claims.iat };
  } catch {
    return { state: "undetermined" };
  }
}

// jwks: the issuer's public keys; statusToken: async (uri) => signed list or null; now: seconds since 1970.
async function verifyCard(text, issuer, jwks, statusToken, now) {
  const steps = [];
  const ended = (state, name, passed) => ({ state, claims: null, steps: [...steps, { name, passed }] });
  let signed, claims;
  try {
    signed = sign1(await unwrap(text)); // 1. Base45 around zlib; 2. a COSE_Sign1 that names its key
  } catch (error) {
    if (error instanceof Unreadable) return ended("unreadable", "read", false);
    throw error;
  }
  steps.push({ name: "read", passed: true });
  try {
    if (!jwks.length) throw new Unsupported("keys");
    await verifySignature(jwks, signed.kid, signed.curve, signed.signature, signed.signed); // 3. the issuer's signature
    claims = readClaims(signed.payload); // 4. a CWT with claim 169
    if (issuer && claims.issuer !== issuer) throw new UnknownKey("issuer");
  } catch (error) {
    if (error instanceof Unsupported) return ended("unchecked", "signature", null);
    if (error instanceof UnknownKey) return ended("unknown-issuer", "signature", false);
    if (error instanceof NotGenuine) return ended("not-genuine", "signature", false);
    if (error instanceof Unreadable) return ended("unreadable", "signature", false);
    throw error;
  }
  steps.push({ name: "signature", passed: true });
  // 5. within its dates
  let dates = "valid";
  if (claims.expires !== null && now >= claims.expires) dates = "expired";
  else if (claims.notBefore !== null && now < claims.notBefore) dates = "not-yet-valid";
  steps.push({ name: "dates", passed: dates === "valid" });
  // 6. a current status list of the issuer does not end it
  let status = { state: "valid" };
  if (claims.status) {
    const token = await statusToken(claims.status.uri);
    status = token ? await readStatus(token, claims.status, jwks, now) : { state: "undetermined" };
  }
  const passed = status.state === "undetermined" ? null : status.state === "valid";
  steps.push({ name: "status", passed, at: status.at });
  const ends = status.state === "revoked" || status.state === "suspended";
  return { state: ends || dates === "valid" ? status.state : dates, claims, steps };
}

// ---- what is kept on this device: public keys and status lists, nothing of any card ---------------------------

function recall(name) {
  try { return JSON.parse(localStorage.getItem(name)); } catch { return null; }
}

function keep(name, value) {
  try { localStorage.setItem(name, JSON.stringify(value)); } catch { /* private mode: works online only */ }
}

async function fetched(url, accept) {
  const answer = await fetch(url, { headers: { Accept: accept }, credentials: "omit", cache: "no-cache" });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer;
}

async function refreshKeys() {
  try {
    const { keys } = await (await fetched(KEYS_URL, "application/json")).json();
    keep("msingi.keys", { keys, at: Date.now() });
    return keys;
  } catch { return null; }
}

async function refreshList(uri) {
  const { origin, pathname } = new URL(uri);
  if (origin !== location.origin) return null;
  try {
    const token = await (await fetched(pathname, "application/statuslist+jwt")).text();
    keep(`msingi.list:${uri}`, token);
    return token;
  } catch { return null; }
}

async function statusToken(uri) {
  try { return (await refreshList(uri)) ?? recall(`msingi.list:${uri}`); } catch { return null; }
}

// ---- the page -----------------------------------------------------------------------------------------------

const element = (id) => document.getElementById(id);
const MARKS = { good: "✓", bad: "✕", unsure: "?" };
const TONES = { valid: "good", undetermined: "unsure", unchecked: "unsure", unreadable: "unsure" };
let words = {}, language = "en", camera = null, photoUrl = "";

function day(seconds, zone = "UTC") {
  return new Intl.DateTimeFormat(language, { dateStyle: "long", timeZone: zone, numberingSystem: "latn" }).format(seconds * 1000);
}

function say(text) {
  element("progress").textContent = text;
}

// A number in the groups in which the country writes it.
function grouped(number) {
  const sizes = element("verifier").dataset.groups.split(" ").map(Number);
  if (number.length !== sizes.reduce((sum, size) => sum + size, 0)) return number;
  let at = 0;
  return sizes.map((size) => number.slice(at, (at += size))).join(" ");
}

function factsOf({ identity, expires }) {
  const full = identity.get(4) || [identity.get(5), identity.get(6), identity.get(7)].filter(Boolean).join(" ");
  const born = String(identity.get(8) || "").replace(/-/g, "");
  const birth = /^\d{8}$/.test(born) ? Date.UTC(+born.slice(0, 4), +born.slice(4, 6) - 1, +born.slice(6)) / 1000 : null;
  return [
    ["full_name", full, "name"],
    ["second_name", identity.get(19)],
    ["birth_date", birth === null ? "" : day(birth)],
    // A card is good to the end of its last day anywhere on earth, 36 hours after that day began in UTC.
    ["expires", expires === null ? "" : day(expires - 36 * 3600)],
    // What a shop seldom needs to see stands behind a click.
    ["sex", words[["", "male", "female", "other"][identity.get(9)] || "unknown"], "more"],
    ["number", grouped(String(identity.get(1) || "")), "more"],
    ["nationality", identity.get(13), "more"],
  ].filter(([, value]) => value);
}

function showPerson(claims) {
  element("person").hidden = !claims;
  element("photo").hidden = true;
  element("facts").replaceChildren();
  element("others").replaceChildren();
  element("more").open = false;
  if (!claims) return;
  for (const [name, value, kind] of factsOf(claims)) {
    const term = document.createElement("dt"), text = document.createElement("dd");
    term.textContent = words[name];
    text.textContent = String(value);
    text.dir = "auto";
    if (kind) text.className = kind;
    element(kind === "more" ? "others" : "facts").append(term, text);
  }
  const photo = claims.identity.get(16);
  if (photo instanceof Uint8Array && photo.length) {
    photoUrl = URL.createObjectURL(new Blob([photo], { type: PHOTO_TYPES[claims.identity.get(17)] || "image/jpeg" }));
    element("photo").src = photoUrl;
    element("photo").hidden = false;
  }
}

function show({ state, claims, steps }) {
  const tone = TONES[state] || "bad";
  const panel = element("verdict");
  panel.dataset.tone = tone;
  panel.dataset.state = state;
  element("mark").textContent = MARKS[tone];
  element("state").textContent = words[state];
  element("advice").textContent = words[`${state}_advice`];
  showPerson(claims);
  element("steps").replaceChildren(...steps.map(({ name, passed, at }) => {
    const line = document.createElement("li"), answer = document.createElement("b");
    answer.textContent = passed === null ? words.unknown : passed ? words.yes : words.no;
    line.append(`${words[`step_${name}`]}: `, answer);
    if (at) line.append(` (${words.as_of.replace("{when}", new Date(at * 1000).toLocaleString(language, { numberingSystem: "latn" }))})`);
    return line;
  }));
  element("ask").hidden = true;
  panel.hidden = false;
  panel.focus();
  say("");
}

function again() {
  if (photoUrl) URL.revokeObjectURL(photoUrl);
  photoUrl = "";
  element("verdict").hidden = true;
  element("ask").hidden = false;
  element("picture").value = "";
  element("text").value = "";
  element("scan").focus();
}

async function check(text) {
  stopCamera();
  element("send").hidden = true;
  say(words.checking);
  const { issuer } = element("verifier").dataset;
  const now = Date.now() / 1000;
  let jwks = recall("msingi.keys")?.keys ?? (await refreshKeys()) ?? [];
  let verdict = await verifyCard(text.trim(), issuer, jwks, statusToken, now);
  if (verdict.state === "unknown-issuer") {
    // The key may be newer than our copy: only a fresh set of keys can say that the issuer does not have it.
    jwks = await refreshKeys();
    verdict = jwks
      ? await verifyCard(text.trim(), issuer, jwks, statusToken, now)
      : { ...verdict, state: "unchecked", steps: verdict.steps.map((step) => ({ ...step, passed: step.passed || null })) };
  }
  show(verdict);
  showFreshness();
}

function showFreshness() {
  const at = recall("msingi.keys")?.at;
  const when = at && new Date(at).toLocaleString(language, { dateStyle: "medium", timeStyle: "short", numberingSystem: "latn" });
  element("freshness").textContent = at ? words.keys_fresh.replace("{when}", when) : words.keys_none;
}

function drawn(source, width, height, side = 1600) {
  const scale = Math.min(1, side / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.getContext("2d").drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas;
}

async function detector() {
  if (!("BarcodeDetector" in window)) return null;
  const formats = await BarcodeDetector.getSupportedFormats().catch(() => []);
  return formats.includes("qr_code") ? new BarcodeDetector({ formats: ["qr_code"] }) : null;
}

// Our own reader, in a worker of its own; null where the browser has no workers of this kind.
let worker = null, asked = 0;
const waiting = new Map();

function ownReader() {
  if (worker) return worker;
  worker = new Worker("/verify/reader.js", { type: "module" });
  worker.addEventListener("message", ({ data: { id, text } }) => {
    waiting.get(id)?.(text);
    waiting.delete(id);
  });
  worker.addEventListener("error", () => {
    waiting.forEach((answer) => answer(null));
    waiting.clear();
    worker = null;
  });
  return worker;
}

function readHere(canvas) {
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  return new Promise((answer) => {
    const id = (asked += 1);
    const reader = ownReader();
    waiting.set(id, answer);
    reader.postMessage({ id, width, height, pixels: data.buffer }, [data.buffer]);
  });
}

// The text of the code, or null: by the browser's own reader, then by ours. No picture leaves the device for this.
async function readCode(canvas, reader) {
  const found = reader ? await reader.detect(canvas).catch(() => []) : [];
  return found[0]?.rawValue || (await readHere(canvas));
}

// Only when the person asks for it: the picture goes to the server, which reads it in memory and forgets it.
async function readThere() {
  say(words.reading);
  try {
    const answer = await fetch("/verify/read", {
      method: "POST", body: unread, headers: { "Content-Type": "image/jpeg" }, credentials: "omit",
    });
    element("send").hidden = true;
    if (answer.ok) return await check((await answer.json()).text);
    say(words.no_code);
  } catch {
    say(words.no_network);
  }
}

let unread = null;

async function offerServer(canvas) {
  unread = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92));
  element("send").hidden = !unread;
}

async function checkPicture(file) {
  say(words.reading);
  element("send").hidden = true;
  try {
    const bitmap = await createImageBitmap(file), reader = await detector();
    const longest = Math.max(bitmap.width, bitmap.height);
    // As it is, then larger for a whole sheet or a far card, then smaller where the picture is not sharp.
    const sides = [1600, 2800, 1000].filter((side, i) => i === 0 || side < longest);
    let text = null, canvas = null;
    for (const side of sides) {
      canvas = drawn(bitmap, bitmap.width, bitmap.height, side);
      text = await readCode(canvas, reader);
      if (text) break;
    }
    if (text) await check(text);
    else {
      say(words.no_code);
      if (navigator.onLine) await offerServer(drawn(bitmap, bitmap.width, bitmap.height, 2800));
    }
  } catch {
    say(words.no_code);
  }
  element("picture").value = "";
}

function stopCamera() {
  camera?.getTracks().forEach((track) => track.stop());
  camera = null;
  element("viewfinder").hidden = true;
}

async function startCamera() {
  try {
    camera = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1920 } } });
  } catch {
    say(words.no_camera);
    element("picture").focus();
    return;
  }
  const video = element("video"), reader = await detector();
  video.srcObject = camera;
  element("viewfinder").hidden = false;
  await video.play();
  say(words.looking);
  element("stop").focus();
  while (camera) {
    await new Promise((done) => setTimeout(done, 150));
    if (!camera || !video.videoWidth) continue;
    const found = await readCode(drawn(video, video.videoWidth, video.videoHeight), reader).catch(() => null);
    if (found && camera) return await check(found);
  }
}

async function startPage() {
  const main = element("verifier");
  words = JSON.parse(main.dataset.words);
  language = main.dataset.language;
  element("scan").addEventListener("click", startCamera);
  element("stop").addEventListener("click", () => { stopCamera(); say(""); element("scan").focus(); });
  element("again").addEventListener("click", again);
  element("picture").addEventListener("change", (event) => event.target.files[0] && checkPicture(event.target.files[0]));
  element("send").addEventListener("click", readThere);
  element("check").addEventListener("click", () => element("text").value.trim() && check(element("text").value));
  showFreshness();
  navigator.serviceWorker?.register("/verify/verifier.js", { scope: "/verify" }).catch(() => {});
  await refreshKeys();
  showFreshness();
  // Lists are fetched ahead, all alike, so that a check without network has them and a check with it is not special.
  try {
    const { status_lists: lists } = await (await fetched(LISTS_URL, "application/json")).json();
    for (const uri of lists.slice(0, 16)) await refreshList(uri);
  } catch { /* offline */ }
  main.dataset.ready = "true";
}

// ---- the service worker: this page from the network, or as it was at the last visit -----------------------------

function serveOffline() {
  const CACHE = "msingi-verify-2";
  const loose = { ignoreVary: true }; // the address names the language; the reader's own plays no part offline
  const fill = async () => {
    const cache = await caches.open(CACHE);
    const page = await fetch("/verify", { cache: "no-cache" });
    const languages = (await page.clone().text()).match(/\/verify\?lang=[a-z-]+/g) || [];
    await cache.put("/verify", page);
    const parts = ["/verify/verifier.js", "/verify/verifier.css", "/verify/reader.js"];
    await cache.addAll([...parts, "/verify/qr/decode.js", "/verify/qr/index.js", ...new Set(languages)]);
  };
  const answer = async (request) => {
    const cache = await caches.open(CACHE);
    try {
      const fresh = await fetch(request);
      if (fresh.ok) await cache.put(request, fresh.clone());
      return fresh;
    } catch (error) {
      const kept = (await cache.match(request, loose)) || (request.mode === "navigate" && (await cache.match("/verify", loose)));
      if (kept) return kept;
      throw error;
    }
  };
  self.addEventListener("install", (event) => event.waitUntil(fill().then(() => self.skipWaiting())));
  const tidy = async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith("msingi-verify-") && name !== CACHE) await caches.delete(name);
    }
    await self.clients.claim();
  };
  self.addEventListener("activate", (event) => event.waitUntil(tidy()));
  self.addEventListener("fetch", (event) => {
    const { pathname, origin } = new URL(event.request.url);
    const ours = pathname === "/verify" || /^\/verify\/(verifier\.|reader\.js$|qr\/)/.test(pathname);
    if (event.request.method === "GET" && origin === location.origin && ours) event.respondWith(answer(event.request));
  });
}

if (typeof ServiceWorkerGlobalScope !== "undefined" && self instanceof ServiceWorkerGlobalScope) serveOffline();
else startPage();
