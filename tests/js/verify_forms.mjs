// Other people's readers look at what we issue: @sd-jwt/sd-jwt-vc, @owf/mdoc and jose, and node's own X.509.
// In: {sdjwt, mdoc, vc, root, mutate, statusAt}, mdoc and root in base64url, status lists by address. Out: what each of them read, and which mutations
// of single bytes passed as genuine with other content.
import { createHash, createPublicKey, createVerify, randomBytes, verify, X509Certificate } from "node:crypto";
import { Holder, IssuerSigned } from "@owf/mdoc";
import * as mdocs from "@owf/mdoc";
import { SDJwtVcInstance } from "@sd-jwt/sd-jwt-vc";
import { jwtVerify } from "jose";

let text = "";
for await (const part of process.stdin) text += part;
const { sdjwt, mdoc, vc, root, mutate, statusAt = {} } = JSON.parse(text);
const anchor = new X509Certificate(Buffer.from(root, "base64url"));

const known = new Map();
function leafKey(der) {
  const name = Buffer.from(der).toString("base64");
  if (!known.has(name)) known.set(name, checkedLeaf(der));
  return known.get(name);
}

function checkedLeaf(der) {
  const leaf = new X509Certificate(Buffer.from(der));
  if (leaf.subject === leaf.issuer) throw new Error("self-signed");
  if (!leaf.checkIssued(anchor) || !leaf.verify(anchor.publicKey)) throw new Error("not issued by the anchor");
  if (leaf.ca) throw new Error("a signer that could sign certificates");
  return leaf.publicKey;
}

const hasher = (content, alg) => createHash(alg.replace("-", "")).update(content).digest();
const verifier = async (content, signature) => {
  const header = JSON.parse(Buffer.from(content.split(".")[0], "base64url"));
  const key = leafKey(Buffer.from(header.x5c[0], "base64"));
  return verify("sha256", Buffer.from(content), { key, dsaEncoding: "ieee-p1363" }, Buffer.from(signature, "base64url"));
};
const instance = new SDJwtVcInstance({
  hasher,
  hashAlg: "sha-256",
  saltGenerator: (n) => randomBytes(n).toString("base64url"),
  verifier,
  statusListFetcher: async (uri) => (statusAt[uri] ?? (await (await fetch(uri)).text())),
  statusVerifier: verifier,
});
const readSdJwt = async (jwt) => {
  const { payload } = await instance.verify(jwt);
  return payload;
};

const context = {
  crypto: {
    random: (n) => randomBytes(n),
    digest: ({ bytes, digestAlgorithm }) => createHash(digestAlgorithm.replace("-", "")).update(bytes).digest(),
  },
  cose: {
    sign1: {
      verify: ({ sign1, key }) =>
        verify(
          "sha256",
          Buffer.from(sign1.toBeSigned),
          { key: createPublicKey({ key: key.jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" },
          Buffer.from(sign1.signature),
        ),
    },
  },
  x509: {
    getIssuerNameField: ({ certificate, field }) =>
      new X509Certificate(Buffer.from(certificate)).issuer.split("\n").filter((l) => l.startsWith(`${field}=`)).map((l) => l.slice(field.length + 1)),
    getPublicKey: ({ certificate }) =>
      mdocs.CoseKey.fromJwk(new X509Certificate(Buffer.from(certificate)).publicKey.export({ format: "jwk" })),
    verifyCertificateChain: ({ x5chain }) => void leafKey(x5chain[0]),
    getCertificateData: ({ certificate }) => {
      const c = new X509Certificate(Buffer.from(certificate));
      return { issuerName: c.issuer, subjectName: c.subject, serialNumber: c.serialNumber, thumbprint: c.fingerprint256, notBefore: new Date(c.validFrom), notAfter: new Date(c.validTo), pem: c.toString() };
    },
  },
};
const readMdoc = async (raw) => {
  const issuerSigned = IssuerSigned.decode(raw);
  await Holder.verifyIssuerSigned({ issuerSigned, trustedCertificates: [anchor.raw] }, context);
  return issuerSigned;
};
const shown = (issuerSigned) => ({
  docType: issuerSigned.issuerAuth.mobileSecurityObject.docType,
  status: issuerSigned.issuerAuth.mobileSecurityObject.status ?? null,
  elements: Object.fromEntries(
    [...issuerSigned.issuerNamespaces.issuerNamespaces.entries()].flatMap(([space, items]) =>
      items.map((i) => [`${space} ${i.elementIdentifier}`, String(i.elementValue)]),
    ),
  ),
});

const out = {};
const stable = (value) => JSON.stringify(value, (_, v) => (v && typeof v === "object" && !Array.isArray(v) && Object.getPrototypeOf(v) === Object.prototype ? Object.fromEntries(Object.entries(v).sort()) : v));
if (sdjwt) {
  out.sdjwt = await readSdJwt(sdjwt);
  if (mutate) {
    // This reader leaves out a disclosure that fits no digest (ours refuses it): a claim that is absent is no forgery.
    const genuine = out.sdjwt;
    const within = (seen, true_) =>
      Array.isArray(seen)
        ? Array.isArray(true_) && seen.every((one) => true_.some((other) => within(one, other)))
        : seen && typeof seen === "object"
          ? Object.keys(seen).every((name) => true_ && within(seen[name], true_[name]))
          : seen === true_;
    const forged = (seen) => !within(seen, genuine);
    out.forgedSdJwt = [];
    for (let at = 0; at < sdjwt.length; at++) {
      const other = sdjwt.slice(0, at) + (sdjwt[at] === "A" ? "B" : "A") + sdjwt.slice(at + 1);
      try {
        if (forged(await readSdJwt(other))) out.forgedSdJwt.push(at);
      } catch {}
    }
  }
}
if (mdoc) {
  const raw = Buffer.from(mdoc, "base64url");
  out.mdoc = shown(await readMdoc(raw));
  if (mutate) {
    const genuine = stable(out.mdoc);
    out.forgedMdoc = [];
    for (let at = 0; at < raw.length; at++) {
      const other = Buffer.from(raw);
      other[at] ^= 1 << at % 8;
      try {
        if (stable(shown(await readMdoc(other))) !== genuine) out.forgedMdoc.push(at);
      } catch {}
    }
  }
}
if (vc) {
  const read = async (token) => {
    const header = JSON.parse(Buffer.from(token.split(".")[0], "base64url"));
    const key = leafKey(Buffer.from(header.x5c[0], "base64"));
    return (await jwtVerify(token, key, { typ: "vc+jwt", algorithms: ["ES256"] })).payload;
  };
  out.vc = await read(vc);
  if (mutate) {
    const genuine = stable(out.vc);
    out.forgedVc = [];
    for (let at = 0; at < vc.length; at++) {
      const other = vc.slice(0, at) + (vc[at] === "A" ? "B" : "A") + vc.slice(at + 1);
      try {
        if (stable(await read(other)) !== genuine) out.forgedVc.push(at);
      } catch {}
    }
  }
}
process.stdout.write(JSON.stringify(out, (_, v) => (typeof v === "bigint" ? Number(v) : v)));
