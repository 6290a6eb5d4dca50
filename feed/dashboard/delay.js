// How long a forecast takes from its publication to the reader's eye.

import { count } from "./format.js";

/** Delays kept. */
const KEPT = 101;

/** The mark that tools find each painted bucket by; its detail has `bucketStart` and `emittedAt`. */
export const MARK = "genrecast:painted";

/** Measures from a forecast's `emitted_at` to the frame after it was painted. */
export class Delay {
  #delays = [];
  #seen = null;

  constructor() {
    // Nothing is painted while nobody looks: what is painted afterwards says nothing.
    document.addEventListener("visibilitychange", () => {
      this.#seen = null;
    });
  }

  /** Call when a bucket has been painted; measures once per bucket. */
  onPainted({ bucketStart, emittedAt }) {
    if (bucketStart === this.#seen || emittedAt === null) return;
    const isFirst = this.#seen === null;
    this.#seen = bucketStart;
    requestAnimationFrame(() => {
      performance.clearMarks(MARK);
      performance.mark(MARK, { detail: { bucketStart, emittedAt } });
      // The first one was published before this page was there, or looked at.
      if (!isFirst) this.#delays.push(performance.timeOrigin + performance.now() - emittedAt);
      if (this.#delays.length > KEPT) this.#delays.shift();
    });
  }

  /** The median in words; empty while it is unknown, or where two clocks disagree. */
  get text() {
    if (this.#delays.length < 3) return "";
    const median = this.#delays.toSorted((a, b) => a - b)[this.#delays.length >> 1];
    return median < 0 || median > 60_000
      ? ""
      : `From published to painted: ${count(median)} ms (median).`;
  }
}
