// A packet as docs/how-to/enrol-in-the-field.md describes it, made with the browser's own cryptography: signed with this
// device's key (Ed25519), then encrypted to the registry (X25519, AES-GCM). What is kept can be read by nobody here.
const utf8 = new TextEncoder();

export const base64url = (bytes) => {
  let text = "";
  for (const byte of new Uint8Array(bytes)) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
};

const bytesOf = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

export const sha256hex = async (text) => {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", utf8.encode(text)));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
};

// RFC 9562, version 7: it grows with time.
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let now = Date.now();
  for (let place = 5; place >= 0; place -= 1) {
    bytes[place] = now % 256;
    now = Math.floor(now / 256);
  }
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

// The secret half never leaves the browser: it cannot be exported, only used.
export const newKeys = () => crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);

export async function publicJwk(keys) {
  const { kty, crv, x } = await crypto.subtle.exportKey("jwk", keys.publicKey);
  return { kty, crv, x };
}

const counted = (text) => {
  const bytes = utf8.encode(text);
  return [0, 0, 0, bytes.length, ...bytes];
};

// Concat KDF for ECDH-ES with A256GCM (RFC 7518, section 4.6.2): one round of SHA-256.
async function agreedKey(registry) {
  const theirs = await crypto.subtle.importKey("jwk", { kty: "OKP", crv: "X25519", x: registry.x }, { name: "X25519" }, true, []);
  const ours = await crypto.subtle.generateKey({ name: "X25519" }, true, ["deriveBits"]);
  const shared = await crypto.subtle.deriveBits({ name: "X25519", public: theirs }, ours.privateKey, 256);
  const info = [...counted("A256GCM"), ...counted(""), ...counted(""), 0, 0, 1, 0];
  const digest = await crypto.subtle.digest("SHA-256", Uint8Array.from([0, 0, 0, 1, ...new Uint8Array(shared), ...info]));
  const key = await crypto.subtle.importKey("raw", digest, { name: "AES-GCM" }, false, ["encrypt"]);
  const { kty, crv, x } = await crypto.subtle.exportKey("jwk", ours.publicKey);
  return { key, epk: { kty, crv, x } };
}

export async function sealed(packet, keys, registry) {
  const head = base64url(utf8.encode(JSON.stringify({ alg: "EdDSA", typ: "msingi-packet+jws", kid: packet.device })));
  const message = `${head}.${base64url(utf8.encode(JSON.stringify(packet)))}`;
  const signature = await crypto.subtle.sign({ name: "Ed25519" }, keys.privateKey, utf8.encode(message));
  const signed = `${message}.${base64url(signature)}`;
  const { key, epk } = await agreedKey(registry);
  const header = { alg: "ECDH-ES", enc: "A256GCM", cty: "JWS", kid: registry.kid, epk };
  const opening = base64url(utf8.encode(JSON.stringify(header)));
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const hidden = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: utf8.encode(opening) }, key, utf8.encode(signed)));
  const split = hidden.length - 16;
  return `${opening}..${base64url(iv)}.${base64url(hidden.slice(0, split))}.${base64url(hidden.slice(split))}`;
}

export const canDoThis = async () => {
  try {
    await crypto.subtle.generateKey({ name: "X25519" }, false, ["deriveBits"]);
    await newKeys();
    return Boolean(globalThis.indexedDB && bytesOf("AA"));
  } catch {
    return false;
  }
};
