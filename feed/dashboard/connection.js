// Whether what is shown is live, said in the page's head and, when it is not, in a notice.

import { say } from "./dom.js";
import { clock, count, duration, moment, momentUtc, sentence } from "./format.js";

/** How long a notice of skipped buckets stays, ms. */
const GAP_MS = 12_000;

/** How often "so long ago" is brought up to date, ms. */
const TICK_MS = 1_000;

/** Joins what the stream and the service say into one state, and shows it. */
export class Connection {
  #store;
  #stream = { phase: "connecting", since: Date.now(), reason: "", retryAt: null };
  #status = { is_stale: false, problem: null };
  #staleSince = null;
  #gap = null;
  #hasBeenLive = false;
  #reconnects = 0;
  #announced = "";

  constructor(store) {
    this.#store = store;
    setInterval(() => {
      if (!document.hidden) this.paint();
    }, TICK_MS);
  }

  /** What to say of it: tone, text, since when, how often it was made again. */
  get described() {
    const { phase, since } = this.#stream;
    const reconnects = this.#reconnects;
    if (phase === "live") {
      if (this.#status.is_stale)
        return { tone: "stale", text: "Stale", since: this.#staleSince, reconnects };
      return { tone: "live", text: "Live", since, reconnects };
    }
    if (!this.#hasBeenLive && phase === "connecting")
      return { tone: "waiting", text: "Connecting", since, reconnects };
    return { tone: "off", text: "Disconnected", since, reconnects };
  }

  /** Take up the stream's state. */
  onStream(state) {
    if (state.phase === "live" && this.#stream.phase !== "live") {
      if (this.#hasBeenLive) this.#reconnects += 1;
      this.#hasBeenLive = true;
    }
    this.#stream = state;
    this.paint();
  }

  /** Take up what the service says of its forecasts. */
  onStatus(status) {
    if (status.is_stale && !this.#status.is_stale) this.#staleSince = Date.now();
    this.#status = status;
    this.paint();
  }

  /** Note that the stream left buckets out. */
  onGap(gap) {
    this.#gap = { ...gap, until: Date.now() + GAP_MS };
    this.paint();
  }

  /** Show it. */
  paint() {
    const { tone, text } = this.described;
    document.documentElement.dataset.connection = tone;
    document.getElementById("connection").dataset.tone = tone;
    say(document.getElementById("connection-text"), text);
    const notice = this.#notice();
    document.getElementById("notice").hidden = notice === "";
    say(document.getElementById("notice-text"), notice);
    document.getElementById("retry").hidden = this.#stream.phase !== "waiting";
    // Only turns are announced, not the seconds that pass.
    const announced = `${text}${tone === "live" || tone === "waiting" ? "" : `: ${this.#stream.reason || this.#status.problem || "no new bucket"}`}`;
    if (announced !== this.#announced && tone !== "waiting")
      say(document.getElementById("announcement"), announced);
    this.#announced = announced;
  }

  #notice() {
    const { tone, since } = this.described;
    const newest =
      this.#store.bucketStart === null
        ? ""
        : ` What you see is the bucket of ${moment(this.#store.bucketStart)}.`;
    if (tone === "off") {
      const { reason, retryAt } = this.#stream;
      const again =
        retryAt === null ? "Trying again." : `Trying again in ${duration(retryAt - Date.now())}.`;
      return `Disconnected since ${clock(since)} (${duration(Date.now() - since)}): ${sentence(reason)}${newest} ${again}`;
    }
    if (tone === "stale") {
      const published = this.#store.emittedAt;
      const last =
        published === null
          ? ""
          : ` The newest bucket was published at ${momentUtc(published)}, ${duration(Date.now() - published)} ago.`;
      return `Stale: ${sentence(this.#status.problem ?? "no new bucket comes")}${last}`;
    }
    if (this.#status.problem && tone === "live") return this.#status.problem;
    if (this.#gap && Date.now() < this.#gap.until) {
      return `${count(this.#gap.buckets)} buckets were left out, ${moment(this.#gap.from)} to ${moment(this.#gap.to)} UTC: this page was away or slow. The newest forecasts are here.`;
    }
    return "";
  }
}
