// Mojaloop's own modules for signatures and Interledger hold ours against theirs: one question, one answer.
// Only these two modules of the package are loaded; package.json gives the others' dependencies an empty stand-in.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const part = (name) => require(`@mojaloop/sdk-standard-components/src/lib/${name}/index.js`);
const { signer: Signer, validator: Validator } = part("jws");
const ilp = part("ilp");
const silent = { debug() {}, error() {}, warn() {}, info() {}, isDebugEnabled: false, child: () => silent };

let text = "";
for await (const chunk of process.stdin) text += chunk;
const asked = JSON.parse(text);

const held = asked.signed.map(({ headers, body }) => {
  try {
    return new Validator({ validationKeys: asked.keys, logger: silent }).validate({ headers, body });
  } catch (wrong) {
    return String(wrong.message);
  }
});
const request = asked.sign;
new Signer({ signingKey: asked.private, logger: silent }).sign(request);

const v1 = ilp.ilpFactory("v1", { secret: "a secret", logger: silent });
const v4 = ilp.ilpFactory("v4", { secret: "a secret", logger: silent });
const opened = v4.decodeIlpPacket(asked.carried);
process.stdout.write(JSON.stringify({
  held,
  request,
  v1: v1.getQuoteResponseIlp(asked.quote, asked.answer),
  v4: v4.getQuoteResponseIlp(asked.quote, asked.answer),
  fulfils: asked.fulfilments.map(([one, condition]) => v1.validateFulfil(one, condition)),
  carried: {
    condition: opened.executionCondition.toString("base64url"),
    until: opened.expiresAt.toISOString(),
    data: opened.data.toString("base64url"),
  },
}));
