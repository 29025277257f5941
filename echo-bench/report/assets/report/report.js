
// The page: draws its charts, and draws them again for another width, colours or paper.
const PRINT_WIDTH = 660;

const KINDS = { percentiles, latency, throughput, heat };
// Pages of capacities alone have it.
if (data.rates) KINDS.rates = rateCurve;
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
