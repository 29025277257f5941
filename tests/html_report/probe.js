// Runs in each page that a test looks at, and sends what it saw to the page around it.
"use strict";
const seen = { complaints: [], charts: {}, marks: [], switches: [], copied: [] };
addEventListener("error", event => seen.complaints.push(event.message));
addEventListener("securitypolicyviolation", event => seen.complaints.push(event.blockedURI));
for (const level of ["log", "info", "warn", "error"]) {
  console[level] = (...said) => seen.complaints.push(said.join(" "));
}
const all = selector => [...document.querySelectorAll(selector)];
const soon = () => new Promise(resolve => setTimeout(resolve, 100));

// From a copy: a canvas that is read again and again is drawn in another way, with a complaint.
const dotsOf = canvas => {
  const copy = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height).data;
};
// A number that stands for all dots.
const digest = canvas => dotsOf(canvas).reduce((sum, byte) => (Math.imul(sum, 31) + byte) | 0, 7);
const painted = canvas => dotsOf(canvas).filter((byte, place) => place % 4 === 3 && byte > 0).length;

// Whether anything is painted at the very edge: a number of an axis that is cut off.
const clipped = canvas => {
  const { width, height } = canvas, dots = dotsOf(canvas);
  const alpha = (x, y) => dots[(y * width + x) * 4 + 3];
  for (let y = 0; y < height; y++) if (alpha(0, y) || alpha(width - 1, y)) return true;
  for (let x = 0; x < width; x++) if (alpha(x, height - 1)) return true;
  return false;
};

const lookAtCharts = () => {
  for (const figure of all("figure[data-chart]")) {
    const canvas = figure.querySelector("canvas");
    seen.charts[figure.dataset.chart + " " + figure.dataset.of] = {
      values: Number(figure.dataset.drawn), dots: painted(canvas), clipped: clipped(canvas),
    };
  }
  for (const mark of all(".forest td.axis .mark")) {
    const [own, cell] = [mark, mark.parentElement].map(part => part.getBoundingClientRect());
    seen.marks.push((own.left + own.width / 2 - cell.left) / cell.width);
  }
  const cells = () => all(".matrix td").map(cell => cell.textContent + cell.style.background);
  seen.matrix = cells();
  const metric = document.querySelector(".matrix select[name=metric]");
  if (metric) {
    metric.value = 2;
    metric.dispatchEvent(new Event("change"));
    seen.other_metric = cells();
  }
};

// Each curve is switched off and on again by its button.
const pressSwitches = async () => {
  for (const figure of all("figure[data-chart]")) {
    const canvas = figure.querySelector("canvas");
    for (const button of figure.querySelectorAll(".legend button")) {
      const look = () => ({ pressed: button.getAttribute("aria-pressed"), look: digest(canvas) });
      const states = [look()];
      for (let press = 0; press < 2; press++) {
        button.click();
        await soon();
        states.push(look());
      }
      seen.switches.push({
        name: button.textContent,
        pressed: states.map(state => state.pressed),
        changes: states[0].look !== states[1].look,
        returns: states[0].look === states[2].look,
      });
    }
  }
};

// What copying takes, where the browser lets it and where it does not.
const copy = async () => {
  Object.defineProperty(navigator, "clipboard", { value: undefined });
  let allowed = true, taken = "";
  document.execCommand = () => {
    taken = getSelection().toString();
    return allowed;
  };
  for (const button of all("[data-copy]")) {
    const said = [];
    for (allowed of [true, false]) {
      button.click();
      await soon();
      said.push(button.nextElementSibling.textContent);
    }
    const text = document.getElementById(button.dataset.copy).textContent;
    seen.copied.push({ shown: !button.hidden, whole: taken.trim() === text.trim(), text, said });
  }
  getSelection().removeAllRanges();
};

const print = async () => {
  const open = () => all("details").filter(details => details.open).length;
  const counts = [open()];
  for (const when of ["beforeprint", "afterprint"]) {
    dispatchEvent(new Event(when));
    await soon();
    counts.push(open());
  }
  seen.opened = { closed: all("details").length, counts };
};

// What can be scrolled must be a stop of the keyboard.
const scroll = () => all("*").filter(part => {
  const { overflowX, overflowY } = getComputedStyle(part);
  const can = way => ["auto", "scroll"].includes(way);
  const scrolls = (can(overflowX) && part.scrollWidth > part.clientWidth) ||
    (can(overflowY) && part.scrollHeight > part.clientHeight);
  return scrolls && part.checkVisibility() && part.tabIndex < 0 && part !== document.documentElement;
}).map(part => part.outerHTML.slice(0, 120));

const accessible = async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.map(({ id, impact, help, nodes }) =>
    ({ id, impact, help, where: nodes.slice(0, 3).map(node => node.html.slice(0, 200) + " " + node.failureSummary) }));
};

addEventListener("load", async () => {
  try {
    await soon();
    seen.loaded = performance.getEntriesByType("resource").length;
    seen.width = innerWidth;
    lookAtCharts();
    seen.wider = document.documentElement.scrollWidth - innerWidth;
    seen.unreachable = scroll();
    if (window.axe) {
      for (const details of all("details")) details.open = true;
      await soon();
      seen.faults = await accessible();
      for (const details of all("details")) details.open = false;
    }
    await pressSwitches();
    await copy();
    await print();
  } catch (error) {
    seen.complaints.push(String(error));
  }
  parent.postMessage(JSON.stringify(seen), "*");
});
