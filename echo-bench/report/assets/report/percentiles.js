
// Latency by percentile. Like each kind of chart it gives uPlot's options and data, and the legend.
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
    const place = v => Math.log(v / low) / Math.log(high / low) * (roomOf(u).width || u.width - 80);
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
