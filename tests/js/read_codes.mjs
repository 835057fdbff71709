// Read EMVCo codes with other people's code: promptparse (strict: checks the checksum) and emvqr. Input: a list of texts
// on stdin; output: for each what the two understood, or null where promptparse refuses it.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
const require = createRequire(import.meta.url);
const { parse } = require("promptparse");
const { decode } = require("emvqr");

const texts = JSON.parse(readFileSync(0, "utf8"));
const found = texts.map((text) => {
  const strict = parse(text, true);
  if (!strict) return null;
  const tag = (id) => strict.getTagValue(id) ?? "";
  let other = null;
  try {
    other = decode(text);
  } catch (wrong) {
    other = { wrong: String(wrong) };
  }
  return {
    merchant: strict.getTagValue("26", "01") ?? "",
    domain: strict.getTagValue("26", "00") ?? "",
    amount: tag("54"), currency: tag("53"), country: tag("58"), name: tag("59"), city: tag("60"), category: tag("52"),
    method: tag("01"), bill: strict.getTagValue("62", "01") ?? "", other,
  };
});
console.log(JSON.stringify(found));
