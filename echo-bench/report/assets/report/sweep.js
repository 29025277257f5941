// The cells of a sweep: two axes as a table of colours, one table for each combination of
// the others. It only colours: texts, values and levels are given.
"use strict";
// Kept when the page is drawn again.
const chosen = { metric: 0, row: 0, column: 1 };
const sweepMatrix = ({ axes, metrics, cells }, heatColor) => {
  const matrix = section => {
    if (axes.length < 2) chosen.column = -1;
    const make = (tag, text, more) => Object.assign(document.createElement(tag), { textContent: text ?? "", ...more });
    const values = metrics[chosen.metric].cells;
    const known = values.filter(cell => cell && cell.value > 0).map(cell => cell.value);
    const [least, most] = [Math.min(...known), Math.max(...known)];
    const paint = (td, value) => {
      const share = value > least && most > least ? Math.log(value / least) / Math.log(most / least) : 0;
      const [r, g, b] = heatColor(share);
      td.style.background = `rgb(${r},${g},${b})`;
      // Black or white, whichever stands out more: one of them always has a contrast of 4.5.
      const linear = part => part <= 10.3 ? part / 3294.6 : ((part / 255 + 0.055) / 1.055) ** 2.4;
      td.style.color = linear(r) * 0.2126 + linear(g) * 0.7152 + linear(b) * 0.0722 > 0.179 ? "#000" : "#fff";
    };
    const cellOf = number => {
      const td = make("td");
      const found = number === undefined ? null : values[number];
      if (!found) {
        td.textContent = "–";
        return td;
      }
      td.textContent = found.text;
      td.append(make("small", found.interval));
      paint(td, found.value);
      if (found.best) {
        td.className = "best";
        td.firstChild.after(make("b", "best"));
      }
      return td;
    };
    const others = axes.map((_, place) => place).filter(place => place !== chosen.row && place !== chosen.column);
    const groups = new Map();
    cells.forEach((levels, number) => {
      const name = others.map(place => `${axes[place].name} ${axes[place].levels[levels[place]]}`).join(", ");
      if (!groups.has(name)) groups.set(name, new Map());
      groups.get(name).set(`${levels[chosen.row]} ${levels[chosen.column] ?? 0}`, number);
    });
    const columns = chosen.column < 0 ? [metrics[chosen.metric].name] : axes[chosen.column].levels;
    const tables = [...groups].map(([name, numbers]) => {
      const table = make("table");
      if (name) table.append(make("caption", name));
      const head = make("tr");
      const corner = chosen.column < 0 ? axes[chosen.row].name : `${axes[chosen.row].name} ↓ ${axes[chosen.column].name} →`;
      head.append(make("th", corner), ...columns.map(level => make("th", level, { scope: "col" })));
      const thead = make("thead");
      thead.append(head);
      const body = make("tbody");
      axes[chosen.row].levels.forEach((level, row) => {
        const tr = make("tr");
        tr.append(make("th", level, { scope: "row" }), ...columns.map((_, column) => cellOf(numbers.get(`${row} ${column}`))));
        body.append(tr);
      });
      table.append(thead, body);
      return table;
    });
    const select = (label, key, names, swap) => {
      const list = make("select", "", { name: key });
      names.forEach((name, place) => list.append(make("option", name, { value: place })));
      list.value = chosen[key];
      list.addEventListener("change", () => {
        const before = chosen[key];
        chosen[key] = Number(list.value);
        if (swap && chosen[swap] === chosen[key]) chosen[swap] = before;
        matrix(section);
        section.querySelector(`select[name=${key}]`).focus();
      });
      const outer = make("label", label + " ");
      outer.append(list);
      return outer;
    };
    const names = axes.map(axis => axis.name);
    const choices = [select("shows", "metric", metrics.map(metric => metric.name))];
    if (axes.length > 1) {
      choices.push(select("rows", "row", names, "column"), select("columns", "column", names, "row"));
    }
    section.querySelector(".choices").replaceChildren(...choices);
    section.querySelector(".cells").replaceChildren(...tables);
  };
  return matrix;
};
