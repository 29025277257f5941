
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
