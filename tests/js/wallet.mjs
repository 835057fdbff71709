// A wallet and an issuer made of other people's libraries: @sd-jwt, @owf/mdoc, dcql and @openid4vc. One JSON object a
// line comes in ({do: ...}), one goes out ({ok: ...} or {wrong: ...}).
import { createHash, createPrivateKey, createPublicKey, randomBytes, sign as signWith, verify as verifyWith, X509Certificate } from "node:crypto";
import { createInterface } from "node:readline";
import { clientAuthenticationAnonymous, setGlobalConfig } from "@openid4vc/oauth2";
import { Openid4vciClient } from "@openid4vc/openid4vci";
import { Openid4vpClient, parseTransactionData } from "@openid4vc/openid4vp";
import { CoseKey, DeviceKey, DeviceRequest, DocRequest, Holder, Issuer, IssuerSigned, ItemsRequest, SessionTranscript, SignatureAlgorithm } from "@owf/mdoc";
import { SDJwtVcInstance } from "@sd-jwt/sd-jwt-vc";
import { DcqlQuery } from "dcql";
import * as jose from "jose";

setGlobalConfig({ allowInsecureUrls: true });
const b64u = (bytes) => Buffer.from(bytes).toString("base64url");
const digest = (data, alg = "sha-256") => new Uint8Array(createHash(alg.replace("-", "").toLowerCase()).update(data).digest());
const es256 = (jwk, data) => signWith("sha256", Buffer.from(data), { key: createPrivateKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" });
const publicOf = ({ kty, crv, x, y }) => ({ kty, crv, x, y });

// ---- SD-JWT VC --------------------------------------------------------------------------------------------------

const sdInstance = (issuerJwk, holderJwk) => new SDJwtVcInstance({
  hasher: (data, alg) => digest(data, alg),
  hashAlg: "sha-256",
  saltGenerator: (length) => randomBytes(length).toString("base64url"),
  signAlg: "ES256",
  signer: issuerJwk && ((data) => b64u(es256(issuerJwk, data))),
  verifier: () => true,
  kbSignAlg: "ES256",
  kbSigner: holderJwk && ((data) => b64u(es256(holderJwk, data))),
});

async function issueSd({ key, x5c, kid, claims, frame }) {
  return await sdInstance(key).issue(claims, frame, { header: { ...(x5c ? { x5c } : {}), ...(kid ? { kid } : {}) } });
}

async function presentSd({ credential, frame, holder, aud, nonce, iat, more }) {
  return await sdInstance(null, holder).present(credential, frame, holder ? { kb: { payload: { iat, aud, nonce, ...more } } } : undefined);
}

// ---- mdoc -------------------------------------------------------------------------------------------------------

const context = {
  crypto: {
    random: (length) => new Uint8Array(randomBytes(length)),
    digest: ({ digestAlgorithm, bytes }) => digest(bytes, digestAlgorithm),
    calculateEphemeralMacKey: () => { throw new Error("no MAC"); },
  },
  cose: {
    sign1: {
      sign: ({ toBeSigned, key }) => new Uint8Array(es256(key.jwk, toBeSigned)),
      verify: () => true,
    },
    mac0: { sign: () => { throw new Error("no MAC"); }, verify: () => false },
  },
  x509: {},
};

async function issueMdoc({ key, chain, doctype, namespaces, device, from, until }) {
  const issuer = new Issuer(doctype, context);
  for (const [space, values] of Object.entries(namespaces)) issuer.addIssuerNamespace(space, values);
  const signed = await issuer.sign({
    signingKey: CoseKey.fromJwk(key),
    certificates: chain.map((der) => new Uint8Array(Buffer.from(der, "base64"))),
    algorithm: SignatureAlgorithm.ES256,
    digestAlgorithm: "SHA-256",
    deviceKeyInfo: { deviceKey: DeviceKey.fromJwk(publicOf(device)) },
    validityInfo: { signed: new Date(from * 1000), validFrom: new Date(from * 1000), validUntil: new Date(until * 1000) },
  });
  return b64u(signed.encode());
}

async function presentMdoc({ credential, doctype, asked, device, clientId, nonce, thumbprint, responseUri, origin }) {
  const jwkThumbprint = thumbprint ? new Uint8Array(Buffer.from(thumbprint, "base64url")) : undefined;
  const sessionTranscript = origin
    ? await SessionTranscript.forOid4VpDcApi({ origin, nonce, jwkThumbprint }, context)
    : await SessionTranscript.forOid4Vp({ clientId, nonce, jwkThumbprint, responseUri }, context);
  const namespaces = Object.fromEntries(Object.entries(asked).map(([space, names]) => [space, Object.fromEntries(names.map((n) => [n, false]))]));
  const response = await Holder.createDeviceResponseForDeviceRequest({
    deviceRequest: DeviceRequest.create({ docRequests: [DocRequest.create({ itemsRequest: ItemsRequest.create({ docType: doctype, namespaces }) })] }),
    sessionTranscript,
    issuerSigned: [IssuerSigned.fromEncodedForOid4Vci(credential)],
    signature: { signingKey: CoseKey.fromJwk({ ...device, alg: "ES256" }) },
  }, context);
  return b64u(response.encode());
}

// ---- the flow: from the link in the QR code to the answer of the verifier ----------------------------------------

const callbacks = {
  fetch,
  hash: (data, alg) => digest(data, alg),
  generateRandom: (length) => new Uint8Array(randomBytes(length)),
  getX509CertificateMetadata: (certificate) => {
    const names = new X509Certificate(Buffer.from(certificate, "base64")).subjectAltName ?? "";
    const of = (kind) => names.split(", ").filter((n) => n.startsWith(`${kind}:`)).map((n) => n.slice(kind.length + 1));
    return { sanDnsNames: of("DNS"), sanUriNames: of("URI") };
  },
  verifyJwt: async (signer, { compact }) => {
    if (signer.method !== "x5c") throw new Error(`unexpected signer ${signer.method}`);
    const leaf = new X509Certificate(Buffer.from(signer.x5c[0], "base64"));
    await jose.compactVerify(compact, leaf.publicKey);
    return { verified: true, signerJwk: await jose.exportJWK(leaf.publicKey) };
  },
  encryptJwe: async (encryptor, data) => {
    const key = await jose.importJWK(encryptor.publicJwk, encryptor.alg);
    const jwe = await new jose.CompactEncrypt(new TextEncoder().encode(data))
      .setProtectedHeader({ alg: encryptor.alg, enc: encryptor.enc, kid: encryptor.publicJwk.kid, ...(encryptor.apu ? { apu: encryptor.apu, apv: encryptor.apv } : {}) })
      .encrypt(key);
    return { encryptionJwk: encryptor.publicJwk, jwe };
  },
  signJwt: async () => { throw new Error("responses are not signed"); },
  decryptJwe: async () => { throw new Error("nothing to decrypt"); },
};

const frameOf = (paths) => {
  const frame = {};
  for (const path of paths) {
    let node = frame;
    path.forEach((part, i) => { node = node[part ?? "0"] ??= i === path.length - 1 ? true : {}; });
  }
  return frame;
};

async function resolved(url, origin) {
  const wallet = new Openid4vpClient({ callbacks });
  const parsed = wallet.parseOpenid4vpAuthorizationRequest({ authorizationRequest: url });
  const request = await wallet.resolveOpenId4vpAuthorizationRequest({
    authorizationRequestPayload: parsed.params,
    origin,
    wallet: { nonce: randomBytes(16).toString("base64url"), metadata: undefined },
  });
  return { wallet, request };
}

// credentials: [{format, text, holder, claims, vct | doctype, namespaces}]; a credential is picked by dcql 3.0.0.
// With `browser`, a request of the Digital Credentials API at `origin`, the answer is given back instead of sent.
async function answer({ url, browser, origin, credentials, hold, enc }) {
  const { wallet, request } = await resolved(browser ? browser.data : url, origin);
  const payload = request.authorizationRequestPayload;
  const query = DcqlQuery.parse(payload.dcql_query);
  DcqlQuery.validate(query);
  const found = DcqlQuery.query(query, credentials.map((c) => c.format === "mso_mdoc"
    ? { credential_format: "mso_mdoc", doctype: c.doctype, namespaces: c.namespaces, cryptographic_holder_binding: true, ...(c.authority ? { authority: c.authority } : {}) }
    : { credential_format: "dc+sd-jwt", vct: c.vct, claims: c.claims, cryptographic_holder_binding: true, ...(c.authority ? { authority: c.authority } : {}) }));
  if (!found.can_be_satisfied) return { satisfied: false, client: request.client, payload };
  const thumbprint = payload.response_mode.endsWith(".jwt") ? await jose.calculateJwkThumbprint(payload.client_metadata.jwks.keys[0]) : undefined;
  const tokens = {};
  for (const asked of query.credentials) {
    const match = found.credential_matches[asked.id];
    if (!match?.success) continue;
    const own = credentials[match.valid_credentials[0].input_credential_index];
    const paths = (asked.claims ?? []).map((claim) => claim.path);
    if (own.format === "mso_mdoc") {
      const spaces = {};
      for (const [space, name] of paths) (spaces[space] ??= []).push(name);
      tokens[asked.id] = [await presentMdoc({ credential: own.text, doctype: own.doctype, asked: spaces, device: own.holder, clientId: payload.client_id, nonce: payload.nonce, thumbprint, responseUri: payload.response_uri, origin })];
    } else {
      const more = {};
      const transactions = payload.transaction_data?.filter((t) => JSON.parse(Buffer.from(t, "base64url")).credential_ids.includes(asked.id)) ?? [];
      if (transactions.length) {
        parseTransactionData({ transactionData: payload.transaction_data });
        more.transaction_data_hashes = transactions.map((t) => b64u(digest(t)));
      }
      tokens[asked.id] = [await presentSd({ credential: own.text, frame: frameOf(paths), holder: own.holder, aud: origin ? `origin:${origin}` : payload.client_id, nonce: payload.nonce, iat: Math.floor(Date.now() / 1000), more })];
    }
  }
  if (hold) return { satisfied: true, payload, tokens };
  const serverMetadata = { authorization_encryption_alg_values_supported: ["ECDH-ES"], authorization_encryption_enc_values_supported: [enc ?? "A128GCM"] };
  const made = await wallet.createOpenid4vpAuthorizationResponse({
    authorizationRequestPayload: payload,
    clientMetadata: payload.client_metadata,
    origin,
    authorizationResponsePayload: { vp_token: tokens },
    ...(thumbprint ? { jarm: { encryption: { nonce: randomBytes(16).toString("base64url") }, serverMetadata } } : {}),
  });
  if (browser) return { satisfied: true, client: request.client, version: request.version, payload, tokens, data: made.jarm ? { response: made.jarm.responseJwt } : made.authorizationResponsePayload };
  const sent = await wallet.submitOpenid4vpAuthorizationResponse({ authorizationRequestPayload: payload, ...made });
  return { satisfied: true, client: request.client.prefix, version: request.version, tokens, payload, response: made.jarm?.responseJwt, status: sent.response.status, body: await sent.response.json().catch(() => null) };
}

// From an offer to the credential in one format: the token by the pre-authorised code, a nonce, a proof, the credential.
async function accept({ offer, txCode, configuration, holder }) {
  const issuing = {
    ...callbacks,
    clientAuthentication: clientAuthenticationAnonymous(),
    signJwt: async (signer, { header, payload }) => {
      const jwt = await new jose.SignJWT(payload).setProtectedHeader(header).sign(await jose.importJWK(holder, "ES256"));
      return { jwt, signerJwk: publicOf(holder) };
    },
  };
  const client = new Openid4vciClient({ callbacks: issuing });
  const credentialOffer = await client.resolveCredentialOffer(offer);
  const issuerMetadata = await client.resolveIssuerMetadata(credentialOffer.credential_issuer);
  const { accessTokenResponse } = await client.retrievePreAuthorizedCodeAccessTokenFromOffer({ credentialOffer, issuerMetadata, txCode });
  const found = {};
  for (const credentialConfigurationId of [configuration].flat()) {
    const { c_nonce: nonce } = await client.requestNonce({ issuerMetadata });
    const { jwt } = await client.createCredentialRequestJwtProof({
      issuerMetadata, credentialConfigurationId, nonce, issuedAt: new Date(),
      signer: { method: "jwk", alg: "ES256", publicJwk: publicOf(holder) },
    });
    const { credentialResponse } = await client.retrieveCredentials({
      accessToken: accessTokenResponse.access_token, credentialConfigurationId, issuerMetadata, proofs: { jwt: [jwt] },
    });
    found[credentialConfigurationId] = credentialResponse.credentials[0].credential;
  }
  return found;
}

// A response made by hand, to send what no honest wallet would: {payload, vp_token, ...how it is encrypted}.
async function encrypt({ jwk, alg, enc, kid, content }) {
  const key = await jose.importJWK(jwk, alg);
  return await new jose.CompactEncrypt(new TextEncoder().encode(JSON.stringify(content))).setProtectedHeader({ alg, enc, ...(kid ? { kid } : {}) }).encrypt(key);
}

async function dcql({ query, vct, claims }) {
  const read = DcqlQuery.parse(query);
  DcqlQuery.validate(read);
  return DcqlQuery.query(read, [{ credential_format: "dc+sd-jwt", vct, claims, cryptographic_holder_binding: true }]).can_be_satisfied;
}

const verbs = { accept, dcql, issueSd, presentSd, issueMdoc, presentMdoc, answer, encrypt, resolve: async ({ url }) => (await resolved(url)).request };
for await (const line of createInterface({ input: process.stdin })) {
  const { do: verb, ...order } = JSON.parse(line);
  const told = await verbs[verb](order).then((ok) => ({ ok }), (error) => ({ wrong: `${error.name}: ${error.message}`, at: error.stack }));
  process.stdout.write(JSON.stringify(told) + "\n");
}
