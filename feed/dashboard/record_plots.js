// The two charts of a genre's record: are the quantiles right, and how the error grows with the step.

import uPlot from "./vendor/uplot/uPlot.esm.js";

import { clicks, count, figure, percent } from "./format.js";
import { countAxis, fromZero, Plot } from "./plot.js";

const shares = { space: 40, incrs: [0.25], values: (_, splits) => splits.map(percent) };

/** Calibration: the share of counts at or below each quantile, beside the level itself. */
export class CalibrationPlot {
  #plot = new Plot({
    title: "Calibration",
    describe: (colours) => ({
      scales: { x: { time: false, range: [0, 1] }, y: { range: [0, 1] } },
      axes: [
        { ...shares, size: 24, label: "level" },
        { ...shares, size: 48 },
      ],
      series: [
        {},
        { stroke: colours.muted, width: 1, dash: [4, 4], points: { show: false }, spanGaps: true },
        {
          stroke: colours.accent,
          width: 2,
          spanGaps: true,
          points: { show: true, size: 8, fill: colours.card },
        },
      ],
    }),
  });
  node = this.#plot.node;

  /** Show the record's levels. */
  show(levels) {
    const points = levels.filter((one) => one.n > 0);
    const worst = points.reduce(
      (most, one) =>
        Math.abs(one.share - one.level) > Math.abs(most.share - most.level) ? one : most,
      points[0],
    );
    this.#plot.show({
      columns: [
        [0, ...points.map((one) => one.level), 1],
        [0, ...points.map((one) => one.level), 1],
        [null, ...points.map((one) => one.share), null],
      ],
      note: worst
        ? `Furthest off at the ${percent(worst.level)} quantile: ${percent(worst.share)} of counts were at or below it.`
        : "Nothing has come true yet.",
      keys: [
        ["key-dash-muted", "perfect"],
        ["key-dot", "this genre"],
      ],
      heads: ["Level", "At or below", "Counts"],
      rows: () => points.map((one) => [percent(one.level), percent(one.share), count(one.n)]),
      read: (index) =>
        points[index - 1]
          ? `level ${percent(points[index - 1].level)} · ${percent(points[index - 1].share)} at or below`
          : "",
    });
  }
}

/** Mean absolute error of the median by step. */
export class StepsPlot {
  #plot = new Plot({
    title: "Error by step",
    describe: (colours) => ({
      scales: { x: { time: false, range: (_, low, high) => [low - 0.6, high + 0.6] }, y: fromZero },
      axes: [
        {
          space: 28,
          size: 24,
          label: "buckets ahead",
          grid: { show: false },
          incrs: [1, 2, 3, 4, 6, 12, 24, 48],
          values: (_, splits) => splits.map((step) => (step < 1 ? "" : count(step))),
        },
        countAxis(),
      ],
      series: [
        {},
        {
          stroke: colours.accent,
          fill: colours["band-inner"],
          width: 1,
          paths: uPlot.paths.bars({ size: [0.6, 28] }),
          points: { show: false },
        },
      ],
    }),
  });
  node = this.#plot.node;

  /** Show the record's steps. */
  show(steps) {
    const points = steps.filter((one) => one.n > 0);
    const [first, last] = [points[0], points.at(-1)];
    this.#plot.show({
      columns: [points.map((one) => one.step), points.map((one) => one.mae)],
      note: first
        ? `The median misses by ${clicks(first.mae)} clicks one bucket ahead, by ${clicks(last.mae)} at step ${last.step}.`
        : "Nothing has come true yet.",
      keys: [["key-bar", "mean absolute error, clicks"]],
      heads: ["Step", "MAE", "WQL", "Coverage", "Counts"],
      rows: () =>
        points.map((one) => [
          count(one.step),
          clicks(one.mae),
          figure(one.wql),
          percent(one.coverage),
          count(one.n),
        ]),
      read: (index) => {
        const one = points[index];
        return `step ${one.step} · MAE ${clicks(one.mae)} · WQL ${figure(one.wql)} · ${percent(one.coverage)} inside`;
      },
    });
  }
}
