// One genre's row in the table of all.

import { element, say } from "./dom.js";
import { clicks, count, interval, percent, signedPercent } from "./format.js";
import { drawCurve, makeCurve } from "./sparkline.js";
import { outlook, POINTS } from "./store.js";

/** Steps of the horizon in the small curve. */
const STEPS = 12;

/** A table row that is brought up to date while it can be seen. */
export class GenreRow {
  isVisible = false;
  #line;
  #painted = -1;
  #cells = {};

  constructor(line) {
    this.#line = line;
    this.link = element("a", { href: `#/genre/${encodeURIComponent(line.genre)}` }, line.genre);
    this.#cells = {
      badge: element(
        "span",
        { class: "badge", hidden: "", title: "The seasonal baseline stands in for the model" },
        "baseline",
      ),
      curve: makeCurve(),
      now: element("td", { class: "c-now" }),
      median: element("span", { class: "median" }),
      range: element("span", { class: "range" }),
      trend: element("td", { class: "c-trend" }),
      skill: element("td", { class: "c-skill" }),
    };
    const { badge, curve, now, median, range, trend, skill } = this.#cells;
    this.node = element(
      "tr",
      {},
      element("th", { scope: "row", class: "c-genre" }, this.link, " ", badge),
      element("td", { class: "c-curve" }, curve),
      now,
      element("td", { class: "c-next" }, median, " ", range),
      trend,
      skill,
    );
  }

  /** Bring the row to its genre's state, if it can be seen and is behind; the first time always. */
  paint() {
    const line = this.#line;
    const isSeen = this.isVisible || this.#painted < 0;
    if (!isSeen || this.#painted === line.version) return;
    this.#painted = line.version;
    const { badge, curve, now, median, range, trend, skill } = this.#cells;
    badge.hidden = line.kind !== "baseline";
    say(now, count(line.recent.at(-1)));
    say(median, clicks(line.next?.median));
    say(range, line.next ? interval(line.next.low, line.next.high) : "");
    const way = wayOf(line.growth);
    say(trend, way ? `${ARROWS[way]} ${signedPercent(line.growth)}` : "–");
    trend.dataset.way = way;
    say(skill, percent(line.skill));
    const steps = line.horizon.slice(0, STEPS).map(outlook);
    drawCurve(curve, line.recent, steps, POINTS + STEPS);
  }
}

/** Signs of a change that need no colour. */
const ARROWS = { up: "▲", down: "▼", level: "→" };

/** Return which way a change goes, as far as its figure shows; empty while it is unknown. */
function wayOf(growth) {
  if (growth === null) return "";
  if (Math.abs(growth) < 0.005) return "level";
  return growth > 0 ? "up" : "down";
}
