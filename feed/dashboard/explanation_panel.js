// What moved a genre's forecast: asked for by a button, for it takes the service some seconds.

import { element, say, tableRow } from "./dom.js";
import { clicks, count, momentUtc, signedClicks } from "./format.js";

/** Pieces of a cause and past buckets that are listed, at most. */
const PIECES = 4;
const BUCKETS = 5;

/** A piece that moved less than this share of the largest cause is left out. */
const LEAST_SHARE = 0.005;

const ORDINARY = "Compares it with the forecast after an ordinary bucket of this genre.";
const OFF = "This service explains nothing: GENRECAST_SERVE_EXPLANATIONS=true turns it on.";

/**
 * The panel; `ask` returns the explanation of a genre's newest forecast, `isOn` whether the service
 * makes any.
 */
export class ExplanationPanel {
  #ask;
  #isOn;
  #genre = null;
  #turn = 0;
  #button = element("button", { type: "button" }, "Explain");
  #said = element("p", { class: "explanation-said", role: "status" });
  #found = element("div", {});
  node = element(
    "section",
    { class: "panel explanation", "aria-labelledby": "explanation-title" },
    element(
      "div",
      { class: "plot-head" },
      element("h2", { id: "explanation-title" }, "What moved this forecast"),
      this.#button,
    ),
    this.#said,
    this.#found,
  );

  constructor(ask, isOn) {
    this.#ask = ask;
    this.#isOn = isOn;
    this.#button.addEventListener("click", () => this.#explain());
  }

  /** Turn to a genre; what moved its forecast is asked on a click. */
  async open(genre) {
    this.#genre = genre;
    this.#turn += 1;
    const turn = this.#turn;
    this.#button.disabled = true;
    this.#found.replaceChildren();
    // Each time: the service may have been started anew. Where it does not say, a click tells why.
    const isOn = await this.#isOn().catch(() => true);
    if (turn !== this.#turn) return;
    this.#button.disabled = !isOn;
    this.#button.title = isOn ? "" : OFF;
    say(this.#said, isOn ? ORDINARY : OFF);
  }

  async #explain() {
    const turn = this.#turn;
    this.#button.disabled = true;
    say(this.#said, "Explaining … the first time this takes a while.");
    try {
      const found = await this.#ask(this.#genre);
      if (turn === this.#turn) this.#show(found);
    } catch (error) {
      if (turn === this.#turn) say(this.#said, `It can't be explained: ${error.message}.`);
    }
    if (turn === this.#turn) this.#button.disabled = false;
  }

  #show(found) {
    say(
      this.#said,
      `From the bucket of ${momentUtc(found.bucket_start)}, ${clicks(found.forecast)} clicks per bucket ` +
        `are expected over ${count(found.last_step)} buckets; after an ordinary bucket it would be ` +
        `${clicks(found.ordinary)}. ${found.reproduction.note}`,
    );
    const most = Math.max(...found.causes.map((cause) => Math.abs(cause.clicks)), 0);
    const parts = [table("Causes", ["Cause", "Clicks", ""], causeRows(found, most))];
    const buckets = [...found.buckets]
      .sort((one, other) => Math.abs(other.clicks) - Math.abs(one.clicks))
      .slice(0, BUCKETS)
      .sort((one, other) => other.start - one.start)
      .map((one) => tableRow(momentUtc(one.start), count(one.observed), signedClicks(one.clicks)));
    if (buckets.length) {
      const heads = ["Past buckets that moved it most", "Came", "Clicks"];
      parts.push(
        element("details", {}, element("summary", {}, "Past buckets"), table("Past buckets", heads, buckets)),
      );
    }
    this.#found.replaceChildren(...parts);
  }
}

function causeRows(found, most) {
  const rows = found.causes.flatMap((cause) => {
    const pieces = cause.details.filter(
      (piece) => Math.abs(piece.clicks) >= LEAST_SHARE * most,
    );
    const told = pieces.length > 1 ? pieces.slice(0, PIECES) : [];
    return [
      tableRow(cause.label, signedClicks(cause.clicks), bar(cause.clicks, most)),
      ...told.map((piece) => {
        const line = tableRow(piece.label, signedClicks(piece.clicks), "");
        line.className = "piece";
        return line;
      }),
    ];
  });
  return [...rows, tableRow("together", signedClicks(found.forecast - found.ordinary), "")];
}

/** A bar for the eye; the figure beside it says the same. */
function bar(moved, most) {
  const drawn = element("span", { class: "bar", "aria-hidden": "true" });
  drawn.dataset.way = moved > 0 ? "up" : "down";
  drawn.style.width = `${most ? (100 * Math.abs(moved)) / most : 0}%`;
  return drawn;
}

function table(caption, heads, rows) {
  return element(
    "table",
    { class: "plain" },
    element("caption", { class: "unseen" }, caption),
    element(
      "thead",
      {},
      element(
        "tr",
        {},
        ...heads.map((head) =>
          head ? element("th", { scope: "col" }, head) : element("td", { class: "bar-head" }),
        ),
      ),
    ),
    element("tbody", {}, ...rows),
  );
}
