// The certified OpenID client as a relying party of eSignet would set it up: a nonce and no PKCE, RS256 in its assertion,
// its ID token and its signed userinfo. A browser is at the other end of the pipe.
import { createInterface } from "node:readline/promises";
import * as client from "openid-client";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const read = async () => (await lines.next()).value;
const tell = (value) => process.stdout.write(JSON.stringify(value) + "\n");

const { issuer, client_id, jwk, redirect_uri } = JSON.parse(await read());
const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
const key = await crypto.subtle.importKey("jwk", jwk, algorithm, false, ["sign"]);
const config = await client.discovery(
  new URL(issuer),
  client_id,
  { id_token_signed_response_alg: "RS256", userinfo_signed_response_alg: "RS256" },
  client.PrivateKeyJwt(key),
  { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] },
);
const expectedState = client.randomState();
const expectedNonce = client.randomNonce();
const asked = { redirect_uri, scope: "openid profile", state: expectedState, nonce: expectedNonce };
tell({ open: client.buildAuthorizationUrl(config, asked).href });

const back = new URL(await read());
const tokens = await client.authorizationCodeGrant(config, back, { expectedState, expectedNonce, idTokenExpected: true });
const claims = tokens.claims();
const known = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
tell({ token_type: tokens.token_type, claims, known });
process.exit(0);
