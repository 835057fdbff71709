// The certified OpenID client signs in with PAR, PKCE, private_key_jwt and DPoP. A browser is at the other end of the
// pipe: we print the address to open, and read the address that it was sent back to.
import { createInterface } from "node:readline/promises";
import * as client from "openid-client";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const read = async () => (await lines.next()).value;
const tell = (value) => process.stdout.write(JSON.stringify(value) + "\n");

const { issuer, client_id, jwk, redirect_uri } = JSON.parse(await read());
const key = await crypto.subtle.importKey("jwk", jwk, { name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
const config = await client.discovery(
  new URL(issuer),
  client_id,
  { id_token_signed_response_alg: "ES256", use_mtls_endpoint_aliases: false },
  client.PrivateKeyJwt({ key, kid: jwk.kid }),
  { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] },
);
const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair("ES256"));
const pkceCodeVerifier = client.randomPKCECodeVerifier();
const expectedState = client.randomState();
const expectedNonce = client.randomNonce();
const asked = {
  redirect_uri,
  scope: "openid profile phone offline_access",
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: "S256",
  state: expectedState,
  nonce: expectedNonce,
};
const there = await client.buildAuthorizationUrlWithPAR(config, asked, { DPoP });
tell({ open: there.href });

const back = new URL(await read());
const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true };
const tokens = await client.authorizationCodeGrant(config, back, checks, undefined, { DPoP });
const claims = tokens.claims();
const known = await client.fetchUserInfo(config, tokens.access_token, claims.sub, { DPoP });
const renewed = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
const again = await client.fetchUserInfo(config, renewed.access_token, claims.sub, { DPoP });
const own = await client.clientCredentialsGrant(config, { scope: "authenticate" }, { DPoP });
await client.tokenRevocation(config, tokens.refresh_token);
const after = await client
  .fetchUserInfo(config, renewed.access_token, claims.sub, { DPoP })
  .then(() => "accepted", (refused) => refused.cause?.[0]?.parameters?.error ?? refused.code ?? String(refused));
const bye = client.buildEndSessionUrl(config, { id_token_hint: tokens.id_token });
tell({
  token_type: tokens.token_type,
  claims,
  known,
  again,
  own: own.token_type,
  after,
  bye: bye.href,
  metadata: config.serverMetadata().supportsPKCE(),
});
process.exit(0);
