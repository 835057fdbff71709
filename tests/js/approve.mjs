// The certified OpenID client asks a person who is elsewhere (CIBA, poll), and tells what it knows once they approved.
import { createInterface } from "node:readline/promises";
import * as client from "openid-client";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { issuer, client_id, jwk, login_hint } = JSON.parse((await lines.next()).value);
const key = await crypto.subtle.importKey("jwk", jwk, { name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
const config = await client.discovery(
  new URL(issuer),
  client_id,
  { id_token_signed_response_alg: "ES256", backchannel_token_delivery_mode: "poll" },
  client.PrivateKeyJwt({ key, kid: jwk.kid }),
  { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] },
);
const asked = await client.initiateBackchannelAuthentication(config, {
  scope: "openid profile",
  login_hint,
  binding_message: "LION-7",
});
process.stdout.write(JSON.stringify({ asked }) + "\n");
const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair("ES256"));
const tokens = await client.pollBackchannelAuthenticationGrant(config, asked, undefined, { DPoP });
const claims = tokens.claims();
const known = await client.fetchUserInfo(config, tokens.access_token, claims.sub, { DPoP });
const seen = await client.tokenIntrospection(config, tokens.access_token);
await client.tokenRevocation(config, tokens.access_token);
const after = await client.tokenIntrospection(config, tokens.access_token);
process.stdout.write(JSON.stringify({ token_type: tokens.token_type, claims, known, seen, after }) + "\n");
process.exit(0);
