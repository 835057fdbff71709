// Reads QR codes beside the page, so that the page stays answerable: pixels come in, the text of the code goes out.
import { decodeQR } from "/verify/qr/decode.js";

self.addEventListener("message", ({ data: { id, width, height, pixels } }) => {
  let text = null;
  try {
    text = decodeQR({ width, height, data: new Uint8ClampedArray(pixels) });
  } catch { /* no code in this picture, or one that cannot be read */ }
  self.postMessage({ id, text });
});
