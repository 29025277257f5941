// Latency against the offered rate: percentiles, the limits of objectives, and the interval that
// holds the capacity. It only draws: every value is given.
"use strict";
const rateCurve = ({ rates, curves, ci95, limits, bracket }, figure) => {
  const shade = u => {
    const [low, high] = bracket;
    if (low === null && high === null) return;
    const { left, top, width, height } = u.bbox;
    const at = (value, edge) => value === null ? edge : u.valToPos(value, "x", true);
    const from = Math.max(at(low, left), left), to = Math.min(at(high, left + width), left + width);
    if (to <= from) return;
    u.ctx.save();
    u.ctx.fillStyle = color("shade");
    u.ctx.fillRect(from, top, Math.max(to - from, 2 * devicePixelRatio), height);
    u.ctx.restore();
  };
  const intervals = u => {
    const { ctx } = u, cap = 4 * devicePixelRatio;
    ctx.save();
    ctx.lineWidth = 1.25 * devicePixelRatio;
    ctx.strokeStyle = color("quiet");
    for (const [at, low, high] of ci95) {
      const x = u.valToPos(at, "x", true);
      const [bottom, top] = drawable([low, high]).map(ns => u.valToPos(ns, "y", true));
      if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) continue;
      ctx.beginPath();
      ctx.moveTo(x, bottom);
      ctx.lineTo(x, top);
      for (const end of [bottom, top]) {
        ctx.moveTo(x - cap, end);
        ctx.lineTo(x + cap, end);
      }
      ctx.stroke();
    }
    ctx.restore();
  };
  const rows = u => {
    const place = u.cursor.idx;
    if (place === null || place === undefined) return null;
    return {
      heading: rate(rates[place]) + "/s",
      rows: curves.filter(curve => on(curve) && curve.ns[place] !== null)
        .map(({ name, color: mark, ns }) => [name, mark, time(ns[place])]),
    };
  };
  const [first, last] = [rates[0], rates[rates.length - 1]];
  const room = Math.max((last / first) ** 0.04, 1.02);
  return {
    height: Number(figure.dataset.height ?? 340),
    entries: [
      ...curves.map(({ name, color: mark }, place) => ({ name, mark, series: [place + 1] })),
      { name: "interval of the capacity", mark: "shade", kind: "box" },
      ...limitEntry(limits),
    ],
    columns: [rates, ...curves.map(curve => drawable(curve.ns))],
    options: {
      scales: {
        x: { time: false, distr: 3, range: (u, low, high) => low === first && high === last ? [first / room, last * room] : [low, high] },
        y: latencyScale(limits),
      },
      axes: [
        axis({
          size: 30,
          splits: (u, _, low, high) => logSplits(low, high, Math.max(3, Math.floor((roomOf(u).width || 600) / 90))),
          filter: (u, splits) => splits, values: (u, splits) => splits.map(value => rate(value) + "/s"),
        }),
        latencyAxis(),
      ],
      series: [{}, ...curves.map(({ name, color: mark }) => line(name, mark, { spanGaps: true, points: { show: true, size: 6, width: 0, fill: color(mark) } }))],
      cursor: { points: { size: 7 }, drag: { x: true, y: false } },
      hooks: { drawClear: [shade], draw: [intervals, limitLines(limits)] },
      plugins: [tip(rows)],
    },
  };
};
