// The page around those that are looked at: writes down what each of them sends.
"use strict";
const told = {};
addEventListener("message", event => {
  const frames = [...document.querySelectorAll("iframe")];
  const from = frames.find(frame => frame.contentWindow === event.source);
  told[from.name] = JSON.parse(event.data);
  if (Object.keys(told).length < frames.length) return;
  const written = document.createElement("pre");
  written.id = "seen";
  written.textContent = JSON.stringify(told);
  document.body.append(written);
});
