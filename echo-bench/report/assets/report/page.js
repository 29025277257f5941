// What a page does beside its charts: it copies, makes tables that scroll reachable by keyboard,
// and opens what is closed for printing. Without scripts every text is there all the same.
"use strict";
(() => {
  for (const button of document.querySelectorAll("[data-copy]")) {
    const text = document.getElementById(button.dataset.copy);
    const said = button.nextElementSibling;
    button.hidden = false;
    button.addEventListener("click", async () => {
      said.textContent = "";
      let done = true;
      try {
        await navigator.clipboard.writeText(text.textContent);
      } catch {
        // Pages that are files have no clipboard in some browsers.
        getSelection().selectAllChildren(text);
        done = document.execCommand("copy");
      }
      said.textContent = done ? "copied" : "selected: press Ctrl+C";
    });
  }

  // Only what does scroll is a stop for the keyboard.
  const scrolls = box => {
    const wider = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
    const attributes = { tabindex: 0, role: "group", "aria-label": box.querySelector("caption")?.textContent ?? "Table" };
    for (const [name, value] of Object.entries(attributes)) {
      if (wider) box.setAttribute(name, value);
      else box.removeAttribute(name);
    }
  };
  const sized = new ResizeObserver(boxes => boxes.forEach(({ target }) => scrolls(target)));
  for (const box of document.querySelectorAll(".table, .cells")) {
    scrolls(box);
    sized.observe(box);
  }

  // Paper is white, and nothing can be opened on it. Charts listen after this.
  let closed = [];
  addEventListener("beforeprint", () => {
    document.documentElement.dataset.print = "";
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const details of closed) details.open = true;
  });
  addEventListener("afterprint", () => {
    delete document.documentElement.dataset.print;
    for (const details of closed) details.open = false;
  });
})();
