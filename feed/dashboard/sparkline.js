// A genre's small curve: its last counts, and behind them the 80 % interval of what comes.

import { drawing } from "./dom.js";

const WIDTH = 140;
const HEIGHT = 30;
const INSET = 2;

/** Make the curve's element; `drawCurve` fills it. It says nothing that the row does not. */
export function makeCurve() {
  return drawing(
    "svg",
    {
      class: "curve",
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: "none",
      "aria-hidden": "true",
      focusable: "false",
    },
    drawing("path", { class: "curve-band" }),
    drawing("path", { class: "curve-next" }),
    drawing("path", { class: "curve-past" }),
  );
}

/** Draw counts (null where unknown) and the outlooks that follow them. */
export function drawCurve(svg, past, outlooks, slots) {
  const highest = Math.max(
    1,
    ...past.map((value) => value ?? 0),
    ...outlooks.map((step) => step.high),
  );
  const x = (slot) => ((slot / Math.max(1, slots - 1)) * WIDTH).toFixed(1);
  const y = (value) => (HEIGHT - INSET - (value / highest) * (HEIGHT - 2 * INSET)).toFixed(1);
  const first = slots - outlooks.length - past.length;
  const [band, next, line] = svg.children;
  line.setAttribute(
    "d",
    path(past.map((value, index) => value !== null && [x(first + index), y(value)])),
  );
  const origin = slots - outlooks.length - 1;
  const last = past.at(-1) ?? 0;
  const steps = outlooks.length ? [{ low: last, median: last, high: last }, ...outlooks] : [];
  next.setAttribute("d", path(steps.map((step, index) => [x(origin + index), y(step.median)])));
  const upper = steps.map((step, index) => `${x(origin + index)} ${y(step.high)}`);
  const lower = steps.map((step, index) => `${x(origin + index)} ${y(step.low)}`).reverse();
  band.setAttribute("d", steps.length ? `M${[...upper, ...lower].join("L")}Z` : "");
}

/** Return a path through points; it lifts the pen where one is missing. */
function path(points) {
  return points
    .map((point, index) => (point ? `${points[index - 1] ? "L" : "M"}${point[0]} ${point[1]}` : ""))
    .join("");
}
