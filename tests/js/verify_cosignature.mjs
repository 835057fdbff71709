// Verify ML-DSA-44 and Ed25519 cosignatures of a checkpoint with other people's cryptography (@noble/post-quantum, Node),
// from a reading of C2SP tlog-cosignature of its own. Input: {"note": text, "vkeys": [text]} on stdin; output: one line
// for each cosignature that verifies: name, algorithm byte, time. Exit code 1 unless every key's cosignature does.
import { createHash, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { ml_dsa44 } from "@noble/post-quantum/ml-dsa.js";

const { note, vkeys } = JSON.parse(readFileSync(0, "utf8"));
const split = note.indexOf("\n\n");
const text = note.slice(0, split + 1);
const [origin, size, root] = text.split("\n");
const lines = note.slice(split + 2).split("\n").filter(Boolean);

const u64 = (n) => { const b = Buffer.alloc(8); b.writeBigUInt64BE(BigInt(n)); return b; };
const short = (s) => { const b = Buffer.from(s, "utf8"); return Buffer.concat([Buffer.from([b.length]), b]); };

function message(algorithm, name, time) {
  if (algorithm === 4) return Buffer.from(`cosignature/v1\ntime ${time}\n${text}`, "utf8");
  const label = Buffer.from("subtree/v1\n\0", "latin1");
  const hash = Buffer.from(root, "base64");
  return Buffer.concat([label, short(name), u64(time), short(origin), u64(0), u64(size), hash]);
}

let good = 0;
for (const vkey of vkeys) {
  const [name, id, ...rest] = vkey.split("+");
  const key = Buffer.from(rest.join("+"), "base64");
  const algorithm = key[0];
  const expected = createHash("sha256").update(`${name}\n`).update(key).digest().subarray(0, 4);
  if (expected.toString("hex") !== id) throw new Error(`${name}: the id is not of this key`);
  for (const line of lines) {
    const [dash, who, blob] = line.split(" ");
    const raw = Buffer.from(blob, "base64");
    if (dash !== "—" || who !== name || !raw.subarray(0, 4).equals(expected)) continue;
    const time = raw.readBigUInt64BE(4);
    const signature = raw.subarray(12);
    const said = message(algorithm, name, time);
    const der = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), key.subarray(1)]);
    const holds = algorithm === 6
      ? ml_dsa44.verify(new Uint8Array(signature), new Uint8Array(said), new Uint8Array(key.subarray(1)))
      : verify(null, said, createPublicKey({ key: der, format: "der", type: "spki" }), signature);
    if (!holds) continue;
    good += 1;
    console.log(`${name} ${algorithm} ${time}`);
  }
}
process.exit(good === vkeys.length ? 0 : 1);
