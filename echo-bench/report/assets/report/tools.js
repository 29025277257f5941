// What the charts of a report share: numbers as text, axes, legends, marks. The charts draw the data
// in the page: every number that is drawn is also in a table, and nothing here computes one. The
// files of the charts are one script.
"use strict";
const root = document.documentElement;
const data = JSON.parse(document.getElementById("echo-bench-charts").textContent);
const NARROW = "\u202f";
// A limit so many times beyond what was measured would flatten the curve: it is only named.
const NEAR = 20;
const FONT = '12px -apple-system, "Segoe UI", Inter, Roboto, "Helvetica Neue", Arial, "Liberation Sans", sans-serif';

const color = name => getComputedStyle(root).getPropertyValue("--" + name).trim();

// Numbers

const UNITS = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]];
const unitOf = ns => UNITS.find(([size]) => ns >= size) || UNITS[3];
const significant = v => v.toFixed(v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2);
const time = ns => {
  const [size, unit] = unitOf(ns);
  return significant(ns / size) + NARROW + unit;
};
const round = ns => {
  const [size, unit] = unitOf(ns);
  return +(ns / size).toPrecision(6) + NARROW + unit;
};
const grouped = n => String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, NARROW);
const rate = v => v >= 999.5 ? grouped(v) : v >= 10 || v === 0 ? String(Math.round(v)) : v.toFixed(2);
const seconds = s => {
  if (s < 600) return +s.toPrecision(6) + NARROW + "s";
  const all = Math.round(s);
  return Math.floor(all / 60) + ":" + String(all % 60).padStart(2, "0") + NARROW + "min";
};
const percentile = q => {
  const nines = -Math.log10(1 - q);
  return q === 0 ? "min" : "p" + +(q * 100).toFixed(nines <= 1 ? 1 : Math.ceil(nines));
};

// Axes

const axis = (more) => ({
  stroke: color("quiet"), font: FONT, labelFont: FONT,
  grid: { stroke: color("grid"), width: 1 },
  ticks: { show: false }, border: { show: false }, ...more,
});

// Of the drawing within the axes, in pixels of the page.
const roomOf = ({ bbox }) => ({ width: bbox.width / devicePixelRatio, height: bbox.height / devicePixelRatio });

// Round values on a logarithmic scale, as many as there is room for.
const logSplits = (low, high, room) => {
  const sets = [[1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]];
  const within = steps => {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
      for (const step of steps) {
        const value = +(step * 10 ** power).toPrecision(3);
        if (value >= low && value <= high) found.push(value);
      }
    }
    return found;
  };
  const fitting = sets.map(within).find(found => found.length <= room);
  if (!fitting) return within([1]).filter((_, place) => place % 2 === 0);
  if (fitting.length >= 3) return fitting;
  const raw = (high - low) / room;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = size * [1, 2, 5, 10].find(factor => factor * size >= raw);
  const even = [];
  for (let v = Math.ceil(low / step) * step; v <= high; v += step) even.push(+v.toPrecision(6));
  return even;
};

// As wide as its numbers need.
const ruler = document.createElement("canvas").getContext("2d");
ruler.font = FONT;
const widest = (u, values) =>
  Math.max(62, 14 + Math.ceil(Math.max(0, ...(values ?? []).map(text => ruler.measureText(text).width))));

const latencyAxis = () => axis({
  size: widest, gap: 8,
  splits: (u, _, low, high) => logSplits(low, high, Math.max(3, Math.floor(roomOf(u).height / 34) || 6)),
  filter: (u, splits) => splits,
  values: (u, splits) => splits.map(round),
});
const latencyScale = (limits = []) => ({
  distr: 3,
  range: (u, low, high) => {
    // Charts that stand beside each other have one scale.
    if (data.range_ns) [low, high] = drawable(data.range_ns);
    if (low === null) return [1e3, 1e6];
    const values = [low, high];
    for (const { at } of limits) {
      if (at > 0 && at < values[1] * NEAR && at > values[0] / NEAR) {
        [low, high] = [Math.min(low, at), Math.max(high, at)];
      }
    }
    const room = Math.max((high / low) ** 0.06, 1.04);
    return [low / room, high * room];
  },
});

// What belongs to more than one chart

// What the reader has switched off, by name: in all charts of the page.
const off = new Set();
const on = ({ name }) => !off.has(name);
const drawn = [];

const toggle = name => {
  if (!off.delete(name)) off.add(name);
  for (const { u, entries, buttons } of drawn) {
    entries.forEach((entry, place) => {
      if (entry.name !== name || !entry.series) return;
      buttons[place].setAttribute("aria-pressed", on(entry));
      for (const series of entry.series) u.setSeries(series, { show: on(entry) });
    });
  }
};

// The legend of a chart. An entry that has series is a button that switches them off and on.
const legend = (figure, entries) => {
  figure.querySelector(".legend")?.remove();
  const list = document.createElement("ul");
  list.className = "legend";
  const buttons = entries.map(entry => {
    const { name, mark, kind, series } = entry;
    const item = document.createElement("li");
    const inner = series ? document.createElement("button") : item;
    if (series) {
      inner.type = "button";
      inner.setAttribute("aria-pressed", on(entry));
      inner.addEventListener("click", () => toggle(name));
      item.append(inner);
    }
    if (kind === "text") {
      inner.textContent = name;
    } else {
      const sign = document.createElement("i");
      sign.className = kind || "";
      if (mark) sign.style.borderColor = color(mark);
      if (kind === "filled" || kind === "box") sign.style.background = color(mark);
      inner.append(sign, name);
    }
    list.append(item);
    return inner;
  });
  figure.querySelector("figcaption").append(list);
  return buttons;
};

// The limits of objectives: dashed lines with their names, which are moved apart where they
// would overlap. A limit beyond the chart is named at its edge.
const limitLines = limits => u => {
  if (!limits.length) return;
  const { ctx, bbox } = u;
  const dot = devicePixelRatio, high = 15 * dot;
  const [top, bottom] = [bbox.top + high, bbox.top + bbox.height - 4 * dot];
  ctx.save();
  ctx.font = FONT.replace("12px", 12 * dot + "px");
  ctx.textAlign = "left";
  ctx.textBaseline = "bottom";
  const labels = limits.map(limit => ({ ...limit, y: u.valToPos(Math.max(limit.at, 1), "y", true) }));
  labels.sort((a, b) => a.y - b.y);
  for (const label of labels) {
    label.beyond = label.y < bbox.top ? "↑ " : label.y > bbox.top + bbox.height ? "↓ " : "";
    label.place = Math.min(Math.max(label.y - 3 * dot, top), bottom);
  }
  for (let k = 1; k < labels.length; k++) labels[k].place = Math.max(labels[k].place, labels[k - 1].place + high);
  for (let k = labels.length - 1, below = bottom; k >= 0; below = labels[k].place - high, k--) {
    labels[k].place = Math.min(labels[k].place, below);
  }
  for (const { name, y, beyond, place, color: mark } of labels) {
    ctx.strokeStyle = ctx.fillStyle = color(mark);
    ctx.lineWidth = 1.25 * dot;
    ctx.setLineDash([6 * dot, 4 * dot]);
    if (!beyond) {
      ctx.beginPath();
      ctx.moveTo(bbox.left, whole(y));
      ctx.lineTo(bbox.left + bbox.width, whole(y));
      ctx.stroke();
    }
    ctx.setLineDash([]);
    // Readable over curves, too.
    ctx.lineWidth = 4 * dot;
    ctx.lineJoin = "round";
    ctx.strokeStyle = color("surface");
    ctx.strokeText(beyond + name, bbox.left + 8 * dot, place);
    ctx.fillText(beyond + name, bbox.left + 8 * dot, place);
  }
  ctx.restore();
};
const limitEntry = limits => limits.length ? [{ name: "limit of an objective", mark: "quiet", kind: "dashed" }] : [];

// The stages of a load: every other one shaded, each with its name where there is room.
const stageBands = stages => u => {
  const { ctx, bbox } = u;
  const dot = devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.font = FONT.replace("12px", 12 * dot + "px");
  ctx.textAlign = "left";
  ctx.textBaseline = "top";
  stages.forEach(({ name, at_s: ends }, place) => {
    const [from, to] = ends.map(at => u.valToPos(at, "x", true));
    if (place % 2 === 1) {
      ctx.fillStyle = color("shade");
      ctx.fillRect(from, bbox.top, to - from, bbox.height);
    }
    const left = Math.max(from, bbox.left) + 4 * dot;
    if (ctx.measureText(name).width < Math.min(to, bbox.left + bbox.width) - left) {
      ctx.fillStyle = color("quiet");
      ctx.fillText(name, left, bbox.top + 3 * dot);
    }
  });
  ctx.restore();
};

// A box at the cursor: rows(u) gives a heading and [name, colour, text], or null.
const tip = rows => {
  const box = document.createElement("div");
  box.className = "tip";
  box.hidden = true;
  const show = u => {
    const { left, top } = u.cursor;
    const found = left >= 0 && top >= 0 ? rows(u) : null;
    box.hidden = !found;
    if (!found) return;
    const heading = document.createElement("b");
    heading.textContent = found.heading;
    box.replaceChildren(heading, ...found.rows.map(([name, mark, text]) => {
      const row = document.createElement("span");
      const label = document.createElement("em");
      label.textContent = name;
      if (mark) label.style.setProperty("--mark", color(mark));
      row.append(label, text);
      return row;
    }));
    const beside = left + 16 + box.offsetWidth > u.over.clientWidth ? left - 16 - box.offsetWidth : left + 16;
    box.style.left = Math.max(beside, -50) + "px";
    box.style.top = Math.max(0, Math.min(top - 20, u.over.clientHeight - box.offsetHeight)) + "px";
  };
  return { hooks: { init: u => u.over.append(box), setCursor: show } };
};

const line = (name, mark, more) => ({
  label: name, show: !off.has(name), stroke: color(mark), width: 2, points: { show: false }, spanGaps: false, ...more,
});

// A logarithmic axis has no 0: what took less than a nanosecond is drawn as one.
const drawable = ns => ns.map(v => v === null ? null : Math.max(v, 1));

const whole = pixel => Math.round(pixel) + 0.5;

// The colour of a share of the heat scale, from 0 to 1, as its three parts.
const heatColor = share => {
  const parse = name => color(name).match(/[0-9a-f]{2}/gi).map(part => parseInt(part, 16));
  const [low, middle, high] = ["heat-low", "heat-middle", "heat-high"].map(parse);
  const [from, to, part] = share < 0.5 ? [low, middle, share * 2] : [middle, high, share * 2 - 1];
  return from.map((v, k) => Math.round(v + (to[k] - v) * part));
};
