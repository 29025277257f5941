// Draws the charts of a report from the data in the page. Every number that is drawn is also
// in a table; nothing here computes one.
"use strict";
(() => {
  const root = document.documentElement;
  const data = JSON.parse(document.getElementById("echo-bench-charts").textContent);
  const NARROW = "\u202f";
  const PRINT_WIDTH = 660;
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
    const rest = Math.round(s % 60);
    return Math.floor(s / 60) + ":" + String(rest).padStart(2, "0") + NARROW + "min";
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
    splits: (u, _, low, high) => logSplits(low, high, Math.max(3, Math.floor(u.over.clientHeight / 34) || 6)),
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

  // Charts: each gives uPlot's options and data, and the legend.

  const percentiles = ({ quantiles, clocks, corrected, limits = [], eligible }, figure) => {
    const x = quantiles.map(q => 1 / (1 - q));
    const last = x[x.length - 1];
    const series = [{}];
    const columns = [x];
    let bounded = false;
    const parts = [];
    for (const { name, color: mark, ns, least_censored_ns: least } of clocks) {
      parts.push([series.length]);
      const bound = ns.findIndex(v => v !== null && least !== null && v >= least);
      series.push(line(name, mark, { spanGaps: true }));
      const values = drawable(ns);
      columns.push(bound < 0 ? values : values.map((v, place) => place < bound ? v : null));
      if (bound < 0) continue;
      bounded = true;
      parts[parts.length - 1].push(series.length);
      series.push(line(name, mark, { dash: [5, 4], spanGaps: true }));
      // From the last known value on, so that the line does not break.
      columns.push(values.map((v, place) => place >= bound - 1 ? v : null));
    }
    const shade = u => {
      const { left, top, width, height } = u.bbox;
      const from = eligible ? u.valToPos(1 / (1 - eligible.quantile), "x", true) : left;
      const begin = Math.max(from, left);
      if (begin >= left + width) return;
      const { ctx } = u;
      ctx.save();
      ctx.fillStyle = color("shade");
      ctx.fillRect(begin, top, left + width - begin, height);
      const text = "too few values";
      ctx.font = FONT.replace("12px", 12 * devicePixelRatio + "px");
      if (left + width - begin > ctx.measureText(text).width + 20 * devicePixelRatio) {
        ctx.fillStyle = color("quiet");
        // Below, where a rising curve leaves room.
        ctx.textBaseline = "bottom";
        ctx.textAlign = "left";
        ctx.fillText(text, begin + 8 * devicePixelRatio, top + height - 8 * devicePixelRatio);
      }
      ctx.restore();
    };
    // The generator's own share, between the first curve and what is left without it.
    const band = u => {
      if (!corrected || !on(clocks[0])) return;
      const { ctx, bbox } = u;
      const edge = (values, place) => [u.valToPos(x[place], "x", true), u.valToPos(Math.max(values[place], 1), "y", true)];
      const known = x.map((_, place) => place).filter(place => corrected[place] !== null && clocks[0].ns[place] !== null);
      if (known.length < 2) return;
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
      ctx.clip();
      ctx.fillStyle = color("own");
      ctx.beginPath();
      for (const place of known) ctx.lineTo(...edge(clocks[0].ns, place));
      for (const place of known.reverse()) ctx.lineTo(...edge(corrected, place));
      ctx.fill();
      ctx.restore();
    };
    // Where the curve has to be below its limit.
    const crossings = u => {
      const { ctx, bbox } = u;
      ctx.save();
      for (const { at, quantile, color: mark } of limits) {
        if (quantile === null) continue;
        const [left, y] = [u.valToPos(1 / (1 - quantile), "x", true), u.valToPos(Math.max(at, 1), "y", true)];
        if (left < bbox.left || left > bbox.left + bbox.width || y < bbox.top || y > bbox.top + bbox.height) continue;
        ctx.strokeStyle = color(mark);
        ctx.lineWidth = 2 * devicePixelRatio;
        ctx.beginPath();
        ctx.moveTo(left, y - 6 * devicePixelRatio);
        ctx.lineTo(left, y + 6 * devicePixelRatio);
        ctx.stroke();
      }
      ctx.restore();
    };
    const intervals = u => {
      const { ctx } = u;
      ctx.save();
      ctx.lineWidth = 1.25 * devicePixelRatio;
      const cap = 4 * devicePixelRatio;
      const bars = clocks.filter(on).flatMap(({ color: mark, ci95 }) => ci95.map(bar => [mark, ...bar]));
      for (const [mark, q, low, high] of bars) {
        ctx.strokeStyle = color(mark);
        const at = u.valToPos(1 / (1 - q), "x", true);
        const [bottom, top] = drawable([low, high]).map(ns => u.valToPos(ns, "y", true));
        if (at < u.bbox.left || at > u.bbox.left + u.bbox.width) continue;
        ctx.beginPath();
        ctx.moveTo(at, bottom);
        ctx.lineTo(at, top);
        for (const end of [bottom, top]) {
          ctx.moveTo(at - cap, end);
          ctx.lineTo(at + cap, end);
        }
        ctx.stroke();
      }
      for (const { color: mark, sign, ns, ci95 } of clocks.filter(on)) {
        if (!sign) continue;
        ctx.strokeStyle = color(mark);
        ctx.fillStyle = color(sign === "filled" ? mark : "surface");
        ctx.lineWidth = 2 * devicePixelRatio;
        for (const [q] of ci95) {
          const place = quantiles.indexOf(q);
          const at = u.valToPos(1 / (1 - q), "x", true);
          if (ns[place] === null || at < u.bbox.left || at > u.bbox.left + u.bbox.width) continue;
          ctx.beginPath();
          ctx.arc(at, u.valToPos(drawable(ns)[place], "y", true), 3.5 * devicePixelRatio, 0, 2 * Math.PI);
          ctx.fill();
          ctx.stroke();
        }
      }
      ctx.restore();
    };
    const ticks = (u, _, low, high) => {
      const wanted = [2];
      for (let nine = 10; nine <= high; nine *= 10) wanted.push(nine);
      // Right to left, so that the highest percentiles keep their names.
      const place = v => Math.log(v / low) / Math.log(high / low) * (u.over.clientWidth || u.width - 80);
      let limit = Infinity;
      const kept = [];
      for (const v of [...wanted.reverse(), 1]) {
        const half = 4 * percentile(1 - 1 / v).length;
        if (v < low || v > high || place(v) + half > limit) continue;
        kept.unshift(v);
        limit = place(v) - half - 6;
      }
      return kept;
    };
    const rows = u => {
      const place = u.cursor.idx;
      if (place === null || place === undefined) return null;
      return {
        heading: percentile(quantiles[place]),
        rows: clocks.filter(clock => on(clock) && clock.ns[place] !== null).map(({ name, color: mark, ns, least_censored_ns: least }) =>
          [name, mark, (least !== null && ns[place] >= least ? "≥ " : "") + time(ns[place])])
          .concat(corrected && corrected[place] !== null ? [["without own share", "own", time(corrected[place])]] : []),
      };
    };
    const entries = clocks.map(({ name, color: mark, sign }, place) =>
      ({ name, mark, kind: sign, series: clocks.length > 1 ? parts[place] : null }));
    if (corrected) entries.push({ name: "own share", mark: "own", kind: "box" });
    if (bounded) entries.push({ name: "lower bound", mark: "quiet", kind: "dashed" });
    entries.push(...limitEntry(limits));
    return {
      height: Number(figure.dataset.height ?? 340),
      entries,
      columns,
      options: {
        scales: {
          x: { time: false, distr: 3, range: (u, low, high) => high === last ? [1, last * 1.12] : [low, high] },
          y: latencyScale(limits),
        },
        axes: [
          axis({ size: 30, splits: ticks, filter: (u, splits) => splits, values: (u, splits) => splits.map(v => percentile(1 - 1 / v)) }),
          latencyAxis(),
        ],
        series,
        cursor: { points: { size: 7 }, drag: { x: true, y: false } },
        hooks: { drawClear: [shade, band], draw: [intervals, crossings, limitLines(limits)] },
        plugins: [tip(rows)],
      },
    };
  };

  // The x axis that the charts over time share; zooming one zooms all.
  const overTime = ({ length_s: length, at_s: at }) => {
    const [first, last] = [at[0], at[at.length - 1]];
    return {
      scale: {
        time: false,
        range: (u, low, high) => low <= first && high >= last ? [0, length] : [low, high],
      },
      axis: axis({ size: 30, space: 64, values: (u, splits) => splits.map(seconds) }),
      cursor: {
        sync: { key: "time", scales: ["x", null] }, drag: { x: true, y: false }, points: { size: 7 },
      },
    };
  };
  const dots = at => ({ show: at.length <= 60, size: 5, width: 0 });

  const latency = timeline => {
    const { at_s: at, latency: quantiles, limits, stages } = timeline;
    const x = overTime(timeline);
    const isBound = (series, place) => {
      const least = series.least_censored_ns?.[place] ?? null;
      return least !== null && series.ns[place] >= least;
    };
    // An arrow upwards says that the truth is at least there.
    const arrows = u => {
      const { ctx } = u;
      ctx.save();
      for (const series of quantiles.filter(on)) {
        ctx.fillStyle = color(series.name);
        series.ns.forEach((v, place) => {
          if (v === null || !isBound(series, place)) return;
          const [cx, cy] = [u.valToPos(at[place], "x", true), u.valToPos(v, "y", true)];
          if (cx < u.bbox.left || cx > u.bbox.left + u.bbox.width) return;
          const size = 4 * devicePixelRatio;
          ctx.beginPath();
          ctx.moveTo(cx, cy - 3 * size);
          ctx.lineTo(cx - size, cy - 1.4 * size);
          ctx.lineTo(cx + size, cy - 1.4 * size);
          ctx.fill();
        });
      }
      ctx.restore();
    };
    const bounded = quantiles.some(series => series.ns.some((v, place) => v !== null && isBound(series, place)));
    const rows = u => {
      const place = u.cursor.idx;
      if (place === null || place === undefined) return null;
      return {
        heading: seconds(at[place]),
        rows: quantiles.filter(series => on(series) && series.ns[place] !== null).reverse().map(series =>
          [series.name, series.name, (series.weak?.[place] ? "~" : "") + (isBound(series, place) ? "≥ " : "") + time(series.ns[place])]),
      };
    };
    const entries = quantiles.map(({ name }, place) => ({ name, mark: name, series: [place + 1] }));
    if (quantiles.some(({ weak }) => weak)) entries.push({ name: "~ few values", kind: "text" });
    if (bounded) entries.push({ name: "▲ lower bound", kind: "text" });
    entries.push(...limitEntry(limits.latency));
    return {
      height: 240,
      entries,
      columns: [at, ...quantiles.map(({ ns }) => drawable(ns))],
      options: {
        scales: { x: x.scale, y: latencyScale(limits.latency) },
        axes: [x.axis, latencyAxis()],
        series: [{}, ...quantiles.map(({ name }) => line(name, name, { points: { ...dots(at), fill: color(name) } }))],
        cursor: x.cursor,
        hooks: { drawClear: [stageBands(stages)], draw: [arrows, limitLines(limits.latency)] },
        plugins: [tip(rows)],
      },
    };
  };

  const throughput = timeline => {
    const { at_s: at, ok_per_s: ok, failed_per_s: failed, offered_per_s: offered, limits, stages } = timeline;
    const x = overTime(timeline);
    const lines = [[timeline.rate, "ok", ok]];
    if (failed) lines.push(["failures/s", "failed", failed]);
    // What is offered, from when to when: all the time, or stage by stage.
    const offers = offered === null
      ? stages.filter(stage => stage.offered_per_s).map(stage => [stage.at_s, stage.offered_per_s])
      : [[[0, timeline.length_s], [offered, offered]]];
    const most = Math.max(0, ...offers.flatMap(([, rates]) => rates));
    const target = u => {
      if (!offers.length) return;
      const { ctx, bbox } = u;
      ctx.save();
      ctx.strokeStyle = color("offered");
      ctx.lineWidth = devicePixelRatio;
      ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
      ctx.clip();
      ctx.beginPath();
      for (const [ends, rates] of offers) {
        const [[from, to], [first, last]] =
          [ends.map(at => u.valToPos(at, "x", true)), rates.map(rate => whole(u.valToPos(rate, "y", true)))];
        ctx.moveTo(from, first);
        ctx.lineTo(to, last);
      }
      ctx.stroke();
      ctx.restore();
    };
    const rows = u => {
      const place = u.cursor.idx;
      if (place === null || place === undefined) return null;
      const shown = lines.filter(([, , values]) => values[place] !== null)
        .map(([name, mark, values]) => [name, mark, rate(values[place])]);
      if (offered !== null) shown.push(["offered/s", "offered", rate(offered)]);
      return { heading: seconds(at[place]), rows: shown };
    };
    const entries = lines.map(([name, mark]) => ({ name, mark }));
    if (offers.length) entries.push({ name: "offered/s", mark: "offered", kind: "dashed" });
    entries.push(...limitEntry(limits.throughput));
    const least = Math.max(0, ...limits.throughput.map(({ at }) => at));
    return {
      height: 190,
      entries,
      columns: [at, ...lines.map(([, , values]) => values)],
      options: {
        scales: { x: x.scale, y: { range: (u, low, high) => [0, Math.max(high || 0, most, least < (high || 1) * 3 ? least : 0, 1) * 1.08] } },
        axes: [x.axis, axis({ size: widest, gap: 8, space: 38, values: (u, splits) => splits.map(rate) })],
        series: [{}, ...lines.map(([name, mark]) => line(name, mark, {
          points: { ...dots(at), fill: color(mark) }, fill: mark === "ok" ? color("shade") : undefined,
        }))],
        cursor: x.cursor,
        hooks: { drawClear: [stageBands(stages)], draw: [target, limitLines(limits.throughput)] },
        plugins: [tip(rows)],
      },
    };
  };

  const heat = ({ edges_s: edges, edges_ns: levels, counts, cells: columns }) => {
    const cells = columns.flatMap((rows, column) => rows.map(([row, count]) => [column, row, count]));
    const x = overTime(data.time);
    const shares = cells.map(([column, , count]) => count / counts[column]);
    const least = Math.min(...shares), most = Math.max(...shares);
    // Shares are spread over the colours by their logarithm, so that a tail can be seen.
    const paint = share => {
      const place = most > least ? Math.log(share / least) / Math.log(most / least) : 1;
      return `rgb(${heatColor(place).join()})`;
    };
    const draw = u => {
      const { ctx, bbox } = u;
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
      ctx.clip();
      const lefts = edges.map(s => Math.round(u.valToPos(s, "x", true)));
      const tops = levels.map(ns => Math.round(u.valToPos(ns, "y", true)));
      cells.forEach(([column, row], place) => {
        ctx.fillStyle = paint(shares[place]);
        ctx.fillRect(lefts[column], tops[row + 1], lefts[column + 1] - lefts[column], tops[row] - tops[row + 1]);
      });
      ctx.restore();
    };
    const rows = u => {
      const at = u.posToVal(u.cursor.left, "x");
      const ns = u.posToVal(u.cursor.top, "y");
      const column = edges.findIndex((edge, k) => edge <= at && at < edges[k + 1]);
      const row = levels.findIndex((level, k) => level <= ns && ns < levels[k + 1]);
      if (column < 0 || row < 0) return null;
      const found = cells.find(cell => cell[0] === column && cell[1] === row);
      const count = found ? found[2] : 0;
      const share = counts[column] ? count / counts[column] * 100 : 0;
      return {
        heading: `${time(levels[row])} – ${time(levels[row + 1])}`,
        rows: [
          ["from", null, seconds(edges[column])],
          ["responses", null, grouped(count)],
          ["of the interval", null, +share.toPrecision(2) + NARROW + "%"],
        ],
      };
    };
    const percent = share => +(share * 100).toPrecision(1) + NARROW + "%";
    return {
      height: 270,
      entries: [
        { name: percent(least), kind: "text" }, { name: "", kind: "ramp" },
        { name: `${percent(most)} of an interval’s responses`, kind: "text" },
      ],
      columns: [[edges[0], edges[edges.length - 1]], [null, null]],
      points: cells.length,
      options: {
        scales: {
          x: { ...x.scale },
          y: { distr: 3, range: () => [levels[0], levels[levels.length - 1]] },
        },
        axes: [{ ...x.axis, grid: { show: false } }, { ...latencyAxis(), grid: { show: false } }],
        series: [{}, { label: "responses", points: { show: false } }],
        cursor: { ...x.cursor, points: { show: false } },
        hooks: { drawClear: [draw] },
        plugins: [tip(rows)],
      },
    };
  };

  // The page

  const KINDS = { percentiles, latency, throughput, heat };
  // Pages of capacities alone have it.
  if (data.rates) {
    KINDS.rates = rateCurve({ axis, color, line, drawable, latencyAxis, latencyScale, limitLines, limitEntry, logSplits, on, tip, time, rate });
  }
  const partOf = figure => figure.dataset.of.split(".").reduce((part, name) => part[name], data);

  const draw = () => {
    for (const { u } of drawn.splice(0)) u.destroy();
    // Pages of sweeps alone have it.
    if (data.matrix) document.querySelectorAll("[data-matrix]").forEach(sweepMatrix(data.matrix, heatColor));
    for (const figure of document.querySelectorAll("figure[data-chart]")) {
      const place = figure.querySelector(".plot");
      const { height, entries, columns, options, points } = KINDS[figure.dataset.chart](partOf(figure), figure);
      const buttons = legend(figure, entries);
      const width = root.dataset.print === undefined ? place.clientWidth : PRINT_WIDTH;
      const u = new uPlot({
        width, height, padding: [10, 30, 0, 0], legend: { show: false }, pxAlign: 0, ...options,
      }, columns, place);
      drawn.push({ u, entries, buttons });
      figure.dataset.drawn = points ?? columns.slice(1).flat().filter(v => v !== null).length;
    }
  };

  draw();
  const resize = new ResizeObserver(() => {
    if (root.dataset.print !== undefined) return;
    for (const { u } of drawn) {
      const width = u.root.parentElement.clientWidth;
      if (width > 0 && width !== u.width) u.setSize({ width, height: u.height });
    }
  });
  for (const place of document.querySelectorAll(".plot")) resize.observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

  // Paper is white and narrow.
  addEventListener("beforeprint", draw);
  addEventListener("afterprint", draw);
})();
