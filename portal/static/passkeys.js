// Asks the browser for a passkey and sends its answer with the form around the button.
"use strict";

const button = document.querySelector("button[data-passkey]");
const told = document.querySelector("[data-passkey-told]");
const loaded = Date.now();

const WORDS = {
  NotAllowedError: "No passkey was used: it was cancelled, or took too long. Try again, or take another way.",
  InvalidStateError: "This device or password manager holds a passkey of yours already.",
  SecurityError: "The browser makes no passkeys at this address.",
  NotSupportedError: "This device makes no passkeys that are taken here.",
};

function bytes(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

function text(buffer) {
  const plain = btoa(String.fromCharCode(...new Uint8Array(buffer)));
  return plain.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function asked() {
  const options = JSON.parse(button.dataset.options);
  options.challenge = bytes(options.challenge);
  if (options.user) options.user.id = bytes(options.user.id);
  for (const list of [options.allowCredentials, options.excludeCredentials]) {
    for (const each of list ?? []) each.id = bytes(each.id);
  }
  return options;
}

function answered(credential) {
  const { id, rawId, type, authenticatorAttachment, response } = credential;
  const answer = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (response[name]) answer[name] = text(response[name]);
  }
  if (response.getTransports) answer.transports = response.getTransports();
  return JSON.stringify({
    id, rawId: text(rawId), type, authenticatorAttachment, response: answer,
    clientExtensionResults: credential.getClientExtensionResults(),
  });
}

function tell(words, bad) {
  told.textContent = words;
  told.className = bad ? "note bad" : "note";
  told.hidden = !words;
  button.hidden = button.disabled = !bad;
}

async function ask() {
  const options = asked();
  // What the page asks is good for five minutes; after that it asks anew.
  if (Date.now() - loaded > options.timeout) return location.assign(location.href);
  tell("Your browser asks you for it now.", false);
  try {
    const verb = button.dataset.passkey;
    const credential = await navigator.credentials[verb]({ publicKey: options });
    button.form.elements.passkey.value = answered(credential);
    button.form.submit();
  } catch (error) {
    tell(WORDS[error.name] ?? "The browser could not use a passkey here. Take another way.", true);
  }
}

if (button && window.PublicKeyCredential && navigator.credentials) {
  tell("", true);
  button.addEventListener("click", ask);
  if ("start" in button.dataset) ask();
} else if (button) {
  tell("This browser knows no passkeys. Take another way.", true);
  button.hidden = true;
}
