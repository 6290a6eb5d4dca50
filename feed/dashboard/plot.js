// A uPlot chart in a figure: sized to its place, in the theme's colours, with a table beside it.

import uPlot from "./vendor/uplot/uPlot.esm.js";

import { element, say, tableRow } from "./dom.js";
import { axisCount, axisTimes } from "./format.js";

const FONT = "12px system-ui, sans-serif";

/** Return what a colour of the theme is now, in a form a canvas takes. */
function colour(name) {
  const probe = document.body.appendChild(element("span"));
  probe.style.color = `var(--${name})`;
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

/** The colours of charts, read from the style sheet. */
export function chartColours() {
  const names = ["ink", "muted", "grid", "accent", "band-outer", "band-inner", "miss", "card"];
  return Object.fromEntries(names.map((name) => [name, colour(name)]));
}

/**
 * A figure with title, legend, chart, a sentence that says what it shows, and its table on demand.
 *
 * `describe` gets the colours and returns uPlot's series, bands, scales and axes; it is called again
 * when the theme changes.
 */
export class Plot {
  #title;
  #describe;
  #height;
  #chart = null;
  #content = null;
  #place = element("div", { class: "plot", role: "img" });
  #note = element("figcaption");
  #readout = element("p", { class: "readout", "aria-hidden": "true" });
  #legend = element("ul", { class: "legend", "aria-label": "Legend" });
  #details = element("details", {}, element("summary", {}, "Table"));

  constructor({ title, describe, height = 240, tools = null }) {
    this.#title = title;
    this.#describe = describe;
    this.#height = height;
    const head = element(
      "div",
      { class: "plot-head" },
      element("h2", {}, title),
      ...(tools ? [tools] : []),
    );
    this.node = element(
      "figure",
      { class: "panel" },
      head,
      this.#note,
      this.#legend,
      this.#place,
      this.#readout,
      this.#details,
    );
    new ResizeObserver(() => this.#fit()).observe(this.#place);
    document.addEventListener("themechange", () => this.#remake());
    this.#details.addEventListener("toggle", () => this.#fillTable());
  }

  /**
   * Show `columns` (uPlot's: x first), `note` as the sentence, `keys` (`[class, text]`) as the
   * legend, `heads` and `rows` as the table;
   * `read(index)` returns what stands below the chart while the pointer is at a point.
   */
  show(content) {
    this.#content = content;
    say(this.#note, content.note);
    this.#place.setAttribute("aria-label", `${this.#title}. ${content.note}`);
    this.#showLegend(content.keys);
    if (this.#chart) this.#chart.setData(content.columns);
    else this.#make();
    this.#fillTable();
  }

  #showLegend(keys) {
    const isSame =
      keys.length === this.#legend.children.length &&
      keys.every(([, text], index) => this.#legend.children[index].textContent === text);
    if (!isSame) this.#legend.replaceChildren(...keys.map(legendKey));
  }

  #make() {
    if (!this.#content || this.#place.clientWidth === 0) return;
    const colours = chartColours();
    const { axes, ...described } = this.#describe(colours);
    const size = { width: this.#place.clientWidth, height: this.#height };
    const options = {
      ...size,
      ms: 1,
      tzDate: (ms) => uPlot.tzDate(new Date(ms), "UTC"),
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      hooks: { setCursor: [(chart) => this.#read(chart.cursor.idx)] },
      axes: axes.map((axis) => axisStyle(axis, colours)),
      ...described,
    };
    this.#chart = new uPlot(options, this.#content.columns, this.#place);
  }

  #remake() {
    this.#chart?.destroy();
    this.#chart = null;
    this.#make();
  }

  #fit() {
    const width = this.#place.clientWidth;
    if (!this.#chart) this.#make();
    else if (width > 0 && width !== this.#chart.width)
      this.#chart.setSize({ width, height: this.#height });
  }

  #read(index) {
    say(this.#readout, index === null || index === undefined ? "" : this.#content.read(index));
  }

  #fillTable() {
    if (!this.#details.open || !this.#content) return;
    const { heads, rows } = this.#content;
    const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
    const table = element(
      "table",
      { class: "plain" },
      element("caption", { class: "unseen" }, this.#title),
      element("thead", {}, head),
      element("tbody", {}, ...rows().map((row) => tableRow(...row))),
    );
    const scroller = element(
      "div",
      { class: "scroller", tabindex: "0", role: "region", "aria-label": `${this.#title}, table` },
      table,
    );
    const old = this.#details.querySelector(".scroller");
    if (!old) this.#details.append(scroller);
    else old.firstChild.replaceWith(table);
  }
}

function legendKey([kind, text]) {
  return element("li", {}, element("span", { class: `key ${kind}`, "aria-hidden": "true" }), text);
}

function axisStyle(axis, colours) {
  return {
    stroke: colours.muted,
    font: FONT,
    labelFont: FONT,
    labelSize: 20,
    labelGap: 0,
    gap: 4,
    grid: { stroke: colours.grid, width: 1 },
    ticks: { show: false },
    ...axis,
  };
}

/** An axis of event time. */
export const timeAxis = () => ({
  space: 64,
  size: 26,
  grid: { show: false },
  values: (_, splits) => axisTimes(splits),
});

/** An axis of counts. */
export const countAxis = () => ({
  size: 44,
  space: 36,
  values: (_, splits) => splits.map(axisCount),
});

/** A scale from zero to a little above the largest value. */
export const fromZero = { range: (_, __, highest) => [0, Math.max(1, (highest ?? 0) * 1.08)] };

/** Paint points of series `index` where `isMarked(row)`: a ring that needs no colour to be seen. */
export function ringPoints(index, isMarked, colours) {
  return (chart) => {
    const context = chart.ctx;
    context.save();
    context.setLineDash([]);
    context.lineWidth = 2 * devicePixelRatio;
    context.strokeStyle = colours.miss;
    context.fillStyle = colours.card;
    chart.data[index].forEach((value, row) => {
      if (value === null || !isMarked(chart.data, row)) return;
      const x = chart.valToPos(chart.data[0][row], "x", true);
      const y = chart.valToPos(value, "y", true);
      context.beginPath();
      context.arc(x, y, 3.5 * devicePixelRatio, 0, 2 * Math.PI);
      context.fill();
      context.stroke();
    });
    context.restore();
  };
}
