// One genre in depth: the fan of what is coming, what was forecast against what came, its record.

import { element, say, sayTime } from "./dom.js";
import { ExplanationPanel } from "./explanation_panel.js";
import { clicks, count, duration, interval, moment, percent, signedPercent } from "./format.js";
import { CalibrationPlot, StepsPlot } from "./record_plots.js";
import { Refresh } from "./refresh.js";
import { paintTiles } from "./tiles.js";
import { AheadPlot, FanPlot } from "./time_plots.js";

/** Buckets of the past that are asked for. */
const BUCKETS = 120;

/** How far ahead is looked at first, ms: an hour, or as near as the horizon comes. */
const FIRST_LEAD_MS = 3_600_000;

/** What kinds of models are called. */
const modelNames = { lstm: "LSTM", transformer: "Transformer", baseline: "baseline" };

/** Least time between two requests for the same, ms. */
const HISTORY_MS = 1_000;
const RECORD_MS = 5_000;

/** The view of one genre. */
export class GenreView {
  #store;
  #genre = null;
  #ahead = null;
  #history = [];
  #painted = -1;
  #message = document.getElementById("genre-message");
  #charts = document.getElementById("genre-charts");
  #select = element("select", { id: "ahead" });
  #fan = new FanPlot();
  #then = new AheadPlot(element("label", {}, "Forecast ", this.#select));
  #calibration = new CalibrationPlot();
  #steps = new StepsPlot();
  #explanation;
  #historyRefresh;
  #recordRefresh;

  constructor(store, service, repaint) {
    this.#store = store;
    this.#explanation = new ExplanationPanel(
      (genre) => service.get("v1/explanation", { genre }),
      async () => (await service.get("v1/pipeline")).service.explains,
    );
    this.#charts.append(
      this.#fan.node,
      this.#then.node,
      this.#calibration.node,
      this.#steps.node,
      this.#explanation.node,
    );
    const onError = (error) => this.#fail(error);
    this.#historyRefresh = new Refresh(
      () => service.get("v1/history", { genre: this.#genre, buckets: BUCKETS, ahead: this.#ahead }),
      { apply: (history) => this.#takeHistory(history, repaint), onError, leastMs: HISTORY_MS },
    );
    this.#recordRefresh = new Refresh(() => service.get("v1/record", { genre: this.#genre }), {
      apply: (record) => this.#takeRecord(record),
      onError,
      leastMs: RECORD_MS,
    });
    this.#select.addEventListener("change", () => {
      this.#ahead = Number(this.#select.value);
      this.#historyRefresh.askNow();
    });
  }

  /** Open a genre. */
  open(genre) {
    this.#genre = genre;
    this.#history = [];
    this.#painted = -1;
    say(document.getElementById("genre-title"), genre);
    say(document.getElementById("genre-bucket"), "");
    this.#explanation.open(genre);
    this.#say("Loading …");
    this.#begin();
  }

  /** Leave it. */
  close() {
    this.#historyRefresh.stop();
    this.#recordRefresh.stop();
    this.#genre = null;
  }

  /** Ask anew: a bucket has closed. */
  onBucket() {
    if (this.#genre === null) return;
    if (this.#ahead === null) this.#begin();
    else {
      this.#historyRefresh.ask();
      this.#recordRefresh.ask();
    }
  }

  /** Bring the view to what the store holds. */
  paint() {
    const line = this.#store.lines.get(this.#genre);
    if (!line || line.version === this.#painted || this.#history.length === 0) return;
    this.#painted = line.version;
    this.#say("");
    this.#fan.show(this.#upToNow(line), line.horizon);
    sayTime(
      document.getElementById("genre-bucket"),
      line.bucketStart,
      `Bucket of ${moment(line.bucketStart)} UTC`,
    );
    paintTiles(document.getElementById("genre-tiles"), [
      ["Now", count(line.recent.at(-1))],
      ["Next", clicks(line.next.median), interval(line.next.low, line.next.high)],
      ["Trend", signedPercent(line.growth)],
      ["Skill", percent(line.skill)],
      ["Model", modelNames[line.kind] ?? line.kind],
    ]);
  }

  /** Ask once the horizon is known: it says how far ahead can be looked. */
  #begin() {
    const horizon = this.#store.lines.get(this.#genre)?.horizon ?? [];
    if (this.#ahead === null && horizon.length) {
      const wanted = Math.round(FIRST_LEAD_MS / this.#store.bucketMs);
      this.#ahead = Math.min(Math.max(1, wanted), horizon.length);
      this.#select.replaceChildren(
        ...horizon.map(({ step }) =>
          element("option", { value: step }, `${this.#lead(step)} before`),
        ),
      );
      this.#select.value = this.#ahead;
    }
    if (this.#ahead === null) {
      if (this.#store.bucketStart !== null)
        this.#say(`There is no genre “${this.#genre}” in the newest bucket.`);
      return;
    }
    this.#historyRefresh.askNow();
    this.#recordRefresh.askNow();
  }

  #lead(step) {
    const buckets = `${count(step)} ${step === 1 ? "bucket" : "buckets"}`;
    return `${duration(step * this.#store.bucketMs)} (${buckets})`;
  }

  #takeHistory(history, repaint) {
    this.#history = history.buckets;
    this.#painted = -1;
    this.#then.show(this.#history, this.#lead(this.#ahead));
    repaint();
  }

  #takeRecord(record) {
    this.#calibration.show(record.levels);
    this.#steps.show(record.steps);
  }

  /** The fetched past, and behind it what the stream brought since. */
  #upToNow(line) {
    const missing = (line.bucketStart - this.#history.at(-1).bucket_start) / this.#store.bucketMs;
    if (missing <= 0) return this.#history;
    const newer = line.recent.slice(-missing);
    const first = line.bucketStart - (newer.length - 1) * this.#store.bucketMs;
    return [
      ...this.#history,
      ...newer.map((observed, index) => ({
        bucket_start: first + index * this.#store.bucketMs,
        observed,
      })),
    ];
  }

  #fail(error) {
    if (error.status === 404) this.#say(`There is no genre “${this.#genre}”: ${error.message}.`);
    else if (this.#history.length === 0) this.#say(`Its past cannot be had now: ${error.message}.`);
  }

  #say(text) {
    say(this.#message, text);
    this.#message.hidden = text === "";
    this.#charts.hidden = text !== "";
  }
}
