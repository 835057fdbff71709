// Verify a .tlog-proof with other people's code: @sigstore/verify for checkpoint and inclusion, and a second,
// independent reading of the extra line. Input: {"proof": text, "vkey": text} on stdin; output: the record.
const { createHash, createPublicKey } = require("node:crypto");
const { verifyCheckpoint } = require("@sigstore/verify/dist/tlog/checkpoint.js");
const { verifyMerkleInclusion } = require("@sigstore/verify/dist/tlog/merkle.js");

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();

// RFC 8785 for values without fractions.
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((k) => `${JSON.stringify(k)}:${canonical(value[k])}`).join(",")}}`;
}

// RFC 6962, section 2.1.1, walked from the root: which siblings stand left of leaf `index` in a tree of `size`.
function lefts(index, size) {
  if (size === 1) return [];
  let k = 1;
  while (k * 2 < size) k *= 2;
  return index < k ? [...lefts(index, k), false] : [...lefts(index - k, size - k), true];
}

function logOf(vkey) {
  const [name, keyId, ...key] = vkey.split("+");
  const raw = Buffer.from(key.join("+"), "base64").subarray(1);
  const der = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw]);
  return {
    baseURL: `https://${name}`,
    logID: Buffer.from(keyId, "hex"),
    publicKey: createPublicKey({ key: der, format: "der", type: "spki" }),
  };
}

const { proof, vkey } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const gap = proof.indexOf("\n\n");
const [header, extraLine, indexLine, ...hashes] = proof.slice(0, gap).split("\n");
if (header !== "c2sp.org/tlog-proof@v1") throw new Error("not a tlog-proof");
const extra = JSON.parse(Buffer.from(extraLine.slice("extra ".length), "base64").toString("utf8"));

const commitment = sha256(Buffer.from(extra.salt, "base64"), canonical(extra.record));
const sides = lefts(extra.inner.index, extra.inner.size);
if (sides.length !== extra.inner.path.length) throw new Error("inner path of the wrong length");
const entry = extra.inner.path
  .map((p) => Buffer.from(p, "base64"))
  .reduce(
    (hash, p, i) => sha256(Buffer.from([1]), sides[i] ? p : hash, sides[i] ? hash : p),
    sha256(Buffer.from([0]), commitment),
  );

const tlogEntry = {
  canonicalizedBody: entry,
  inclusionProof: {
    checkpoint: { envelope: proof.slice(gap + 2) },
    hashes: hashes.map((h) => Buffer.from(h, "base64")),
    logIndex: indexLine.slice("index ".length),
  },
};
const checkpoint = verifyCheckpoint(tlogEntry, [logOf(vkey)]);
verifyMerkleInclusion(tlogEntry, checkpoint);
process.stdout.write(JSON.stringify({ record: extra.record, origin: checkpoint.origin, size: Number(checkpoint.logSize) }));
