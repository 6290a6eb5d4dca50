// The live stream: read with fetch(), resumed after the last whole bucket, reconnected for ever.

import { ServiceError } from "./api.js";
import { EventParser } from "./sse.js";

/** Silence after which a connection counts as lost, ms: the service says something every 15 s. */
const SILENCE_MS = 40_000;

/** How often that is looked at, ms. */
const WATCH_MS = 2_000;

/** The first pause before a reconnect and the longest one, ms. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;

/** Return how long to wait after so many failures in a row, ms: doubling, the upper half by chance. */
export function pauseAfter(failures, random = Math.random()) {
  const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 10));
  return longest * (0.5 + random / 2);
}

/**
 * Reads `v1/stream` without end.
 *
 * `onEvent(name, data)` gets each event, parsed. `onState(state)` gets `{phase, since, reason,
 * retryAt}` at each change: phase is `connecting`, `live` or `waiting`; `since` is when it was left
 * live or became so, epoch ms; `reason` says why it is not live; `retryAt` is when it tries again.
 */
export class Stream {
  #service;
  #onEvent;
  #onState;
  #state = { phase: "connecting", since: Date.now(), reason: "", retryAt: null };
  #lastBucket;
  #failures = 0;
  #heardAt = 0;
  #wake = () => {};

  constructor(service, { onEvent, onState }) {
    this.#service = service;
    this.#onEvent = onEvent;
    this.#onState = onState;
  }

  /** Read, and after each failure read again. */
  async run() {
    addEventListener("online", () => this.retryNow());
    for (;;) {
      const reason = await this.#read();
      this.#failures += 1;
      const pause = pauseAfter(this.#failures);
      this.#enter({ phase: "waiting", reason, retryAt: Date.now() + pause });
      await this.#sleep(pause);
      this.#enter({ phase: "connecting", retryAt: null });
    }
  }

  /** End the pause before the next try. */
  retryNow() {
    this.#wake();
  }

  async #read() {
    const abort = new AbortController();
    this.#heardAt = performance.now();
    const watch = setInterval(() => {
      if (this.#service.isAsking) this.#heardAt = performance.now();
      else if (performance.now() - this.#heardAt > SILENCE_MS) abort.abort();
    }, WATCH_MS);
    try {
      const headers = { Accept: "text/event-stream" };
      if (this.#lastBucket !== undefined) headers["Last-Event-ID"] = this.#lastBucket;
      const response = await this.#service.open("v1/stream", { headers, signal: abort.signal });
      await this.#readEvents(response.body);
      return "the service ended the stream";
    } catch (error) {
      // The service does not know this place any more: begin with a snapshot.
      if (error.status === 400 || error.status === 422) this.#lastBucket = undefined;
      return error instanceof ServiceError ? error.message : this.#explain(error);
    } finally {
      clearInterval(watch);
      abort.abort();
    }
  }

  #explain(error) {
    if (error.name === "AbortError") return "nothing was heard for too long";
    return error instanceof TypeError ? "the connection broke" : error.message;
  }

  async #readEvents(body) {
    const parser = new EventParser(({ event, data, id }) => {
      this.#onEvent(event, JSON.parse(data));
      if (event === "bucket") this.#lastBucket = id;
    });
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      this.#heardAt = performance.now();
      this.#failures = 0;
      this.#enter({ phase: "live", reason: "", retryAt: null });
      parser.push(value);
    }
  }

  #enter(change) {
    if (change.phase === "live" && this.#state.phase === "live") return;
    const isTurn = (change.phase === "live") !== (this.#state.phase === "live");
    this.#state = { ...this.#state, ...change, since: isTurn ? Date.now() : this.#state.since };
    this.#onState(this.#state);
  }

  #sleep(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
