// What pages do better with a script. All of them work without it.
"use strict";

function toCopy(button) {
  if (button.dataset.copy !== undefined) return button.dataset.copy;
  const near = button.closest("figure, .secret, section");
  return near.querySelector("pre, output, .codes").innerText.trim();
}

async function copy(button) {
  const words = button.dataset.words ?? (button.dataset.words = button.textContent);
  try {
    await navigator.clipboard.writeText(toCopy(button));
    button.textContent = "Copied";
  } catch {
    button.textContent = "Press Ctrl+C";
    const shown = button.closest("figure, .secret, section")?.querySelector("pre, output");
    if (shown) getSelection().selectAllChildren(shown);
  }
  setTimeout(() => { button.textContent = words; }, 2000);
}

for (const button of document.querySelectorAll("[data-copy], [data-copy-shown]")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

// The reader's own time, beside UTC, on hover.
const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
for (const time of document.querySelectorAll("time[datetime]")) {
  time.title += `, ${local.format(new Date(time.dateTime))} here`;
}

// A form that was sent is not sent again by a second click.
for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "1";
    // An answer that is a file leaves the page where it is: then it may be sent again.
    setTimeout(() => { delete form.dataset.sent; }, 5000);
  });
}
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
