// Events per second, as long as this page has looked.

import { clock, count } from "./format.js";
import { countAxis, fromZero, Plot, timeAxis } from "./plot.js";

/** Looks kept. */
const KEPT = 300;

/** Time that is drawn at least, ms. */
const SPAN_MS = 60_000;

/** The rate over wall time. */
export class RatePlot {
  #seen = [];
  #plot = new Plot({
    title: "Events per second",
    describe: (colours) => ({
      scales: {
        x: { time: true, range: (_, first, newest) => [Math.min(first, newest - SPAN_MS), newest] },
        y: fromZero,
      },
      axes: [{ ...timeAxis(), incrs: [60_000, 120_000, 300_000] }, countAxis()],
      series: [
        {},
        { stroke: colours.accent, fill: colours["band-outer"], width: 2, points: { show: false } },
      ],
    }),
    height: 180,
  });
  node = this.#plot.node;

  /** Add what was seen at `at`, epoch ms; a rate that is unknown is a gap. */
  add(at, rate) {
    this.#seen.push({ at, rate });
    if (this.#seen.length > KEPT) this.#seen.shift();
    const known = this.#seen.map((one) => one.rate).filter((one) => one !== null);
    const range = `between ${count(Math.min(...known))} and ${count(Math.max(...known))}`;
    this.#plot.show({
      columns: [this.#seen.map((one) => one.at), this.#seen.map((one) => one.rate)],
      note: known.length
        ? `Since ${clock(this.#seen[0].at)} in this page: ${range}.`
        : "Not known yet.",
      keys: [],
      heads: ["Time", "Events per second"],
      rows: () => this.#seen.map((one) => [clock(one.at), count(one.rate)]).reverse(),
      read: (index) =>
        `${clock(this.#seen[index].at)} · ${count(this.#seen[index].rate)} events per second`,
    });
  }
}
