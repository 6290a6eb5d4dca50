// The two charts over event time: what is coming, and what was forecast against what came.

import { clicks, count, interval, moment, percent } from "./format.js";
import { countAxis, fromZero, Plot, ringPoints, timeAxis } from "./plot.js";

/** Return the levels of a forecast in ascending order. */
const levelsOf = (quantiles) => Object.keys(quantiles).sort((a, b) => a - b);

/** Return the level nearest to a half. */
const middleOf = (levels) =>
  levels.reduce((best, level) => (Math.abs(level - 0.5) < Math.abs(best - 0.5) ? level : best));

/**
 * Return what is drawn of a quantile forecast: outer band, inner band, median. Where fewer than
 * four levels are published, the inner band is as wide as the outer one.
 */
function bounds(quantiles) {
  if (!quantiles) return { low: null, lowInner: null, median: null, highInner: null, high: null };
  const levels = levelsOf(quantiles);
  const inner = levels.length >= 4 ? 1 : 0;
  return {
    low: quantiles[levels[0]],
    lowInner: quantiles[levels[inner]],
    median: quantiles[middleOf(levels)],
    highInner: quantiles[levels.at(-1 - inner)],
    high: quantiles[levels.at(-1)],
  };
}

/** Series of both charts: observed, outer high and low, inner high and low, median. */
function describeBands(colours, isMissed) {
  const edge = { stroke: "transparent", width: 0, points: { show: false } };
  const draw = isMissed ? { draw: [ringPoints(1, isMissed, colours)] } : {};
  return {
    scales: { x: { time: true }, y: fromZero },
    axes: [timeAxis(), countAxis()],
    series: [
      {},
      { stroke: colours.ink, width: 2, points: { show: false } },
      edge,
      edge,
      edge,
      edge,
      { stroke: colours.accent, width: 2, dash: [6, 4], points: { show: false } },
    ],
    bands: [
      { series: [2, 3], fill: colours["band-outer"] },
      { series: [4, 5], fill: colours["band-inner"] },
    ],
    ...(isMissed ? { plugins: [{ hooks: draw }] } : {}),
  };
}

const columnsOf = (points) => [
  points.map((point) => point.start),
  points.map((point) => point.observed),
  ...["high", "low", "highInner", "lowInner", "median"].map((name) =>
    points.map((point) => point[name]),
  ),
];

/** Return the names of the intervals that are drawn, the outer one first: one or two of them. */
function intervalNames(quantiles) {
  const levels = levelsOf(quantiles ?? {});
  const pairs = [0, 1].filter((inset) => levels.length >= 2 + 2 * inset);
  return pairs.map((inset) => `${percent(levels.at(-1 - inset) - levels[inset])} interval`);
}

const bandKeys = ([outer = "interval", inner]) => [
  ["key-line", "observed"],
  ["key-dash", "median"],
  ...(inner ? [["key-inner", inner]] : []),
  ["key-outer", outer],
];

const bandHeads = ([outer = "Interval", inner = "Inner"]) => [
  "Bucket (UTC)",
  "Observed",
  "Median",
  outer,
  inner,
];

/** Buckets of the past beside the horizon. */
const PAST = 48;

/** What was observed, and from there the fan of the newest forecast. */
export class FanPlot {
  #plot = new Plot({
    title: "What is coming",
    describe: (colours) => describeBands(colours),
    height: 280,
  });
  node = this.#plot.node;

  /** Show history rows (oldest first) and a horizon. */
  show(history, horizon) {
    const past = history
      .slice(-PAST)
      .map((row) => ({ start: row.bucket_start, observed: row.observed, ...bounds(null) }));
    const ahead = horizon.map((step) => ({
      start: step.start,
      observed: null,
      ...bounds(step.quantiles),
    }));
    const origin = past.at(-1);
    // The fan opens at the last count.
    if (origin && ahead.length)
      for (const name of ["low", "lowInner", "median", "highInner", "high"])
        origin[name] = origin.observed;
    const points = [...past, ...ahead];
    const [next, last] = [ahead[0], ahead.at(-1)];
    const names = intervalNames(horizon[0]?.quantiles);
    this.#plot.show({
      columns: columnsOf(points),
      note: next
        ? `Next bucket ${clicks(next.median)} clicks (${interval(next.low, next.high)}); at ${moment(last.start)} UTC ${clicks(last.median)} (${interval(last.low, last.high)}).`
        : "No forecast yet.",
      keys: bandKeys(names),
      heads: bandHeads(names),
      rows: () => points.map(pointRow),
      read: (index) => readPoint(points[index]),
    });
  }
}

/** What was forecast some buckets ahead, against what came. */
export class AheadPlot {
  #plot;

  constructor(tools) {
    this.#plot = new Plot({
      title: "Forecast then, count now",
      describe: (colours) =>
        describeBands(colours, (columns, row) =>
          isOutside(columns[1][row], columns[3][row], columns[2][row]),
        ),
      height: 280,
      tools,
    });
    this.node = this.#plot.node;
  }

  /** Show history rows whose quantiles were forecast `lead` (a text) before. */
  show(history, lead) {
    const points = history.map((row) => ({
      start: row.bucket_start,
      observed: row.observed,
      ...bounds(row.quantiles),
    }));
    const judged = points.filter((point) => point.low !== null);
    const names = intervalNames(history.at(-1)?.quantiles);
    const inside = judged.filter(
      (point) => !isOutside(point.observed, point.low, point.high),
    ).length;
    this.#plot.show({
      columns: columnsOf(points),
      note: judged.length
        ? `Of ${count(judged.length)} buckets forecast ${lead} before, ${percent(inside / judged.length)} were inside the ${names[0]}.`
        : `No bucket has come yet that was forecast ${lead} before.`,
      keys: [...bandKeys(names), ["key-ring", "outside"]],
      heads: bandHeads(names),
      rows: () => points.map(pointRow).reverse(),
      read: (index) => readPoint(points[index]),
    });
  }
}

const isOutside = (observed, low, high) => low !== null && (observed < low || observed > high);

const pointRow = (point) => [
  moment(point.start),
  count(point.observed),
  clicks(point.median),
  interval(point.low, point.high),
  interval(point.lowInner, point.highInner),
];

function readPoint(point) {
  const parts = [`${moment(point.start)} UTC`];
  if (point.observed !== null) parts.push(`observed ${count(point.observed)}`);
  if (point.median !== null && point.median !== point.observed)
    parts.push(`forecast ${clicks(point.median)} (${interval(point.low, point.high)})`);
  return parts.join(" · ");
}
