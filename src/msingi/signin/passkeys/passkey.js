// Speaks with the browser's passkeys: takes the options out of the form, and puts the answer into it.
"use strict";

const bytes = (text) => {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (c) => c.charCodeAt(0));
};
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

async function ask(form) {
  const options = JSON.parse(form.dataset.options);
  options.challenge = bytes(options.challenge);
  for (const one of [...(options.allowCredentials ?? []), ...(options.excludeCredentials ?? [])]) one.id = bytes(one.id);
  const adding = Boolean(options.user);
  if (adding) options.user.id = bytes(options.user.id);
  const found = await navigator.credentials[adding ? "create" : "get"]({ publicKey: options });
  const response = { clientDataJSON: text(found.response.clientDataJSON) };
  for (const part of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (found.response[part]) response[part] = text(found.response[part]);
  }
  const answer = { id: found.id, rawId: text(found.rawId), type: found.type, response, clientExtensionResults: {} };
  form.elements.credential.value = JSON.stringify(answer);
  form.submit();
}

for (const form of document.querySelectorAll("form[data-options]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const wrong = form.querySelector("[data-wrong]");
    wrong.hidden = true;
    ask(form).catch(() => (wrong.hidden = false));
  });
}
