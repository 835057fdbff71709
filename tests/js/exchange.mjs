// Another implementation of RFC 9421 signs a message to the exchange, and verifies the signature of its answer.
import { createPrivateKey, createPublicKey, randomUUID, sign, verify } from 'node:crypto';
import { httpbis } from 'http-message-signatures';

let text = '';
for await (const chunk of process.stdin) text += chunk;
const asked = JSON.parse(text);
const own = createPrivateKey({ key: asked.key, format: 'jwk' });
const theirs = createPublicKey({ key: asked.exchange, format: 'jwk' });

const request = {
  method: 'GET',
  url: asked.url,
  headers: {
    host: new URL(asked.url).host,
    'x-road-client': asked.client,
    'x-road-id': randomUUID(),
    'msingi-purpose': 'health-care',
    'content-digest': asked.digest,
  },
};
const signed = await httpbis.signMessage({
  key: { id: asked.key.kid, alg: 'ed25519', sign: async (data) => sign(null, data, own) },
  name: 'msingi',
  fields: ['@method', '@authority', '@path', '@query', 'content-digest', 'x-road-client', 'x-road-id', 'msingi-purpose'],
  params: ['created', 'keyid', 'alg', 'tag'],
  paramValues: { created: new Date(), tag: 'msingi-exchange' },
}, request);
const answer = await fetch(asked.url, { headers: signed.headers });
const body = await answer.text();

async function believes(headers) {
  const config = {
    keyLookup: async () => ({ id: asked.exchange.kid, algs: ['ed25519'], verify: async (data, mark) => verify(null, data, theirs, mark) }),
  };
  try {
    return (await httpbis.verifyMessage(config, { status: answer.status, headers }, signed)) === true;
  } catch {
    return false;
  }
}

const headers = Object.fromEntries(answer.headers);
console.log(JSON.stringify({
  status: answer.status,
  body,
  verified: await believes(headers),
  tampered: await believes({ ...headers, 'x-road-service': 'XT/a/b/c/d' }),
}));
