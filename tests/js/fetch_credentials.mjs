// An independent wallet (@openid4vc 0.4.6) takes an offer to credentials, and two independent readers look at them.
// First line in: what to do. For an authorization code we print the address to open and read where it led.
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign, verify } from "node:crypto";
import { createInterface } from "node:readline/promises";
import { clientAuthenticationAnonymous, clientAuthenticationClientAttestationJwt, setGlobalConfig } from "@openid4vc/oauth2";
import { Openid4vciClient } from "@openid4vc/openid4vci";

setGlobalConfig({ allowInsecureUrls: true });
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const read = async () => (await lines.next()).value;
const tell = (value) => process.stdout.write(JSON.stringify(value) + "\n");
const order = JSON.parse(await read());

const b64 = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
const keys = new Map();
const nameOf = ({ crv, kty, x, y }) => JSON.stringify([kty, crv, x, y]);
function newKey(jwk) {
  const privateKey = jwk ? createPrivateKey({ key: jwk, format: "jwk" }) : generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const publicJwk = createPublicKey(privateKey).export({ format: "jwk" });
  keys.set(nameOf(publicJwk), privateKey);
  return { method: "jwk", alg: "ES256", publicJwk };
}
const callbacks = {
  hash: (data, alg) => createHash(alg.replace("-", "")).update(data).digest(),
  generateRandom: (n) => randomBytes(n),
  signJwt: (signer, { header, payload }) => {
    const signed = `${b64(header)}.${b64(payload)}`;
    const key = keys.get(nameOf(signer.publicJwk));
    const signature = sign("sha256", Buffer.from(signed), { key, dsaEncoding: "ieee-p1363" });
    return { jwt: `${signed}.${signature.toString("base64url")}`, signerJwk: signer.publicJwk };
  },
  verifyJwt: (signer, { compact }) => {
    const [head, body, signature] = compact.split(".");
    const key = createPublicKey({ key: signer.publicJwk, format: "jwk" });
    const verified = verify("sha256", Buffer.from(`${head}.${body}`), { key, dsaEncoding: "ieee-p1363" }, Buffer.from(signature, "base64url"));
    return { verified, signerJwk: signer.publicJwk };
  },
  encryptJwe: () => { throw new Error("not used"); },
  decryptJwe: () => { throw new Error("not used"); },
  fetch,
};
callbacks.clientAuthentication = clientAuthenticationAnonymous();
if (order.attestation) {
  newKey(order.instance);
  callbacks.clientAuthentication = clientAuthenticationClientAttestationJwt({ clientAttestationJwt: order.attestation, callbacks });
}

const wallet = new Openid4vciClient({ callbacks });
const credentialOffer = await wallet.resolveCredentialOffer(order.offer);
const issuerMetadata = await wallet.resolveIssuerMetadata(credentialOffer.credential_issuer);
const dpop = { signer: newKey() };
let tokens;
if (order.tx_code !== undefined) {
  tokens = await wallet.retrievePreAuthorizedCodeAccessTokenFromOffer({ credentialOffer, issuerMetadata, txCode: order.tx_code, dpop });
} else {
  const begun = await wallet.initiateAuthorization({
    clientId: order.client_id, redirectUri: order.redirect_uri, scope: order.scope, credentialOffer, issuerMetadata, dpop, state: "s",
  });
  tell({ open: begun.authorizationRequestUrl, flow: begun.authorizationFlow });
  const back = wallet.parseAndVerifyAuthorizationResponseRedirectUrl({
    url: await read(),
    authorizationServerMetadata: issuerMetadata.authorizationServers[0],
  });
  tokens = await wallet.retrieveAuthorizationCodeAccessTokenFromOffer({
    credentialOffer, issuerMetadata, authorizationCode: back.code, pkceCodeVerifier: begun.pkce?.codeVerifier,
    redirectUri: order.redirect_uri, dpop: { ...dpop, ...(begun.dpop ?? {}) },
  });
}
const accessToken = tokens.accessTokenResponse.access_token;
const shown = () => ({ signer: dpop.signer });
const found = {};
for (const credentialConfigurationId of order.configurations) {
  const { c_nonce } = await wallet.requestNonce({ issuerMetadata });
  const jwt = [];
  for (let i = 0; i < order.count; i++) {
    const signer = newKey();
    let keyAttestationJwt;
    if (order.attested) {
      tell({ attest: signer.publicJwk });
      keyAttestationJwt = await read();
    }
    const proof = await wallet.createCredentialRequestJwtProof({
      issuerMetadata, credentialConfigurationId, nonce: c_nonce, signer, clientId: order.client_id, keyAttestationJwt,
    });
    jwt.push(proof.jwt);
  }
  const answer = await wallet.retrieveCredentials({ issuerMetadata, accessToken, credentialConfigurationId, proofs: { jwt }, dpop: shown() });
  let response = answer.credentialResponse;
  if (response.transaction_id) {
    tell({ waits: response.transaction_id, interval: response.interval });
    await read();
    const later = await wallet.retrieveDeferredCredentials({ issuerMetadata, accessToken, transactionId: response.transaction_id, dpop: shown() });
    response = later.deferredCredentialResponse ?? later.credentialResponse;
  }
  found[credentialConfigurationId] = response.credentials.map((one) => one.credential);
  if (response.notification_id) await wallet.sendNotification({
    issuerMetadata, accessToken, dpop: shown(),
    notification: { notificationId: response.notification_id, event: "credential_accepted" },
  });
}
tell({
  version: issuerMetadata.originalDraftVersion,
  token_type: tokens.accessTokenResponse.token_type,
  scope: tokens.accessTokenResponse.scope,
  credentials: found,
});
process.exit(0);
