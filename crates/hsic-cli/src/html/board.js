"use strict";
// Puts what the server sends of a view, part by part, in the place of what is shown, and leaves alone what did not change.
const parts = document.getElementById("parts");
const connection = document.getElementById("connection");
const reachable = "a[href], button, input, summary, [tabindex]";

function put(part, content) {
  const before = [...part.querySelectorAll(reachable)];
  const focused = before.indexOf(document.activeElement);
  const chosen = new Set(before.filter((box) => box.checked).map((box) => box.value));
  const scrolled = [...part.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
  part.innerHTML = content;
  part.querySelectorAll(".scroll").forEach((box, index) => { box.scrollLeft = scrolled[index] || 0; });
  const after = [...part.querySelectorAll(reachable)];
  after.filter((box) => chosen.has(box.value)).forEach((box) => { box.checked = true; });
  if (focused >= 0 && focused < after.length) after[focused].focus({ preventScroll: true });
}

function show(update) {
  for (const part of [...parts.children]) {
    if (!update.order.includes(part.id)) part.remove();
  }
  update.order.forEach((id, index) => {
    let part = parts.children[index];
    if (!part || part.id !== id) {
      part = document.getElementById(id) || document.createElement("section");
      part.id = id;
      parts.insertBefore(part, parts.children[index] || null);
    }
    if (id in update.changed) put(part, update.changed[id]);
  });
  connection.textContent = "live, last change " + new Date().toLocaleTimeString();
}

function listen() {
  const events = new EventSource(parts.dataset.events);
  events.addEventListener("view", (event) => show(JSON.parse(event.data)));
  events.addEventListener("error", () => {
    connection.textContent = "no connection to the board, trying again; what is shown is older";
    // A browser tries again by itself, unless it was refused.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
  });
}

listen();
