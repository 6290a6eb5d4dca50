// All genres at a glance: a table that sorts, filters, and redraws only the rows that can be seen.

import { say, sayTime } from "./dom.js";
import { count, duration, moment, percent } from "./format.js";
import { GenreRow } from "./genre_row.js";
import { paintTiles } from "./tiles.js";

/** Rows in the table at most; the filter finds the others. */
const MOST_ROWS = 500;

/** How each column sorts: the value, and whether the largest comes first. */
const KEYS = {
  genre: { of: (line) => line.genre, isFalling: false },
  now: { of: (line) => line.recent.at(-1), isFalling: true },
  next: { of: (line) => line.next?.median, isFalling: true },
  trend: { of: (line) => line.growth, isFalling: true },
  skill: { of: (line) => line.skill, isFalling: true },
};

const WHICH = {
  all: () => true,
  rising: (line) => line.growth > 0,
  falling: (line) => line.growth < 0,
  baseline: (line) => line.kind === "baseline",
};

/** The view of all genres. */
export class GenresView {
  #store;
  #rows = new Map();
  #byNode = new WeakMap();
  #shown = [];
  #sort = { key: "now", isFalling: true };
  #problem = "Loading …";
  #orderedAt = null;
  #table = document.getElementById("genres");
  #body = this.#table.tBodies[0];
  #filter = document.getElementById("filter");
  #which = document.getElementById("which");
  #seen = new IntersectionObserver((entries) => this.#see(entries), { rootMargin: "100px" });
  #repaint;

  constructor(store, repaint) {
    this.#store = store;
    this.#repaint = repaint;
    for (const head of this.#table.querySelectorAll("th[data-key]")) {
      head.querySelector("button").addEventListener("click", () => this.#sortBy(head.dataset.key));
    }
    const reorder = () => {
      this.#orderedAt = null;
      repaint();
    };
    this.#filter.addEventListener("input", reorder);
    this.#which.addEventListener("change", reorder);
    this.#body.addEventListener("keydown", (event) => this.#walk(event));
    this.#markSort();
  }

  /** Put the cursor where genres are looked for. */
  focusFilter() {
    this.#filter.focus();
    this.#filter.select();
  }

  /** Put the cursor on a genre's link; say whether it is there. */
  focusGenre(genre) {
    const row = this.#rows.get(genre);
    if (!row?.node.isConnected) return false;
    row.link.focus();
    return true;
  }

  /** Say why there is nothing to show; empty when all is well. */
  setProblem(problem) {
    this.#problem = problem;
  }

  /** Bring the view to what the store holds. */
  paint() {
    const { lines, bucketStart } = this.#store;
    this.#table.hidden = lines.size === 0;
    document.getElementById("genres-message").hidden = lines.size > 0;
    if (lines.size === 0) {
      say(
        document.getElementById("genres-message"),
        this.#problem || "No forecasts yet. A genre appears when its first bucket has closed.",
      );
      return;
    }
    if (this.#isOrderDue(bucketStart)) this.#order();
    for (const row of this.#shown) row.paint();
    this.#paintHead();
  }

  /** Rows do not move under a reader's pointer or focus: order waits until they are gone. */
  #isOrderDue(bucketStart) {
    if (this.#orderedAt === null || this.#rows.size !== this.#store.lines.size) return true;
    const isInUse = this.#body.matches(":hover") || this.#body.contains(document.activeElement);
    return bucketStart !== this.#orderedAt && !isInUse;
  }

  #order() {
    const wanted = this.#filter.value.trim().toLowerCase();
    const isWanted = WHICH[this.#which.value];
    for (const line of this.#store.lines.values()) {
      if (this.#rows.has(line.genre)) continue;
      const row = new GenreRow(line);
      this.#rows.set(line.genre, row);
      this.#byNode.set(row.node, row);
    }
    const lines = [...this.#store.lines.values()].filter(
      (line) => line.genre.includes(wanted) && isWanted(line),
    );
    const rows = lines
      .sort(this.#comparison())
      .slice(0, MOST_ROWS)
      .map((line) => this.#rows.get(line.genre));
    this.#orderedAt = this.#store.bucketStart;
    if (rows.length !== this.#shown.length || rows.some((row, index) => row !== this.#shown[index]))
      this.#place(rows);
    const total = this.#store.lines.size;
    say(
      document.getElementById("shown"),
      rows.length === total ? "" : `${count(rows.length)} of ${count(total)} genres`,
    );
  }

  #place(rows) {
    const kept = new Set(rows);
    const focused = document.activeElement;
    for (const row of this.#shown) {
      if (kept.has(row)) continue;
      this.#seen.unobserve(row.node);
      row.node.remove();
    }
    rows.forEach((row, index) => {
      if (!row.node.isConnected) this.#seen.observe(row.node);
      const there = this.#body.rows[index];
      if (there !== row.node) this.#body.insertBefore(row.node, there ?? null);
    });
    if (focused !== document.activeElement && this.#body.contains(focused))
      focused.focus({ preventScroll: true });
    this.#shown = rows;
  }

  #comparison() {
    const { of } = KEYS[this.#sort.key];
    const turn = this.#sort.isFalling ? -1 : 1;
    return (a, b) => {
      const [left, right] = [of(a), of(b)];
      if (left === right) return a.genre < b.genre ? -1 : 1;
      // What is unknown comes last, whichever way.
      if (left === null || left === undefined) return 1;
      if (right === null || right === undefined) return -1;
      return left < right ? -turn : turn;
    };
  }

  #see(entries) {
    for (const entry of entries) {
      this.#byNode.get(entry.target).isVisible = entry.isIntersecting;
    }
    this.#repaint();
  }

  #sortBy(key) {
    const isSame = this.#sort.key === key;
    this.#sort = { key, isFalling: isSame ? !this.#sort.isFalling : KEYS[key].isFalling };
    this.#orderedAt = null;
    this.#markSort();
    this.#repaint();
  }

  #markSort() {
    for (const head of this.#table.querySelectorAll("th[data-key]")) {
      if (head.dataset.key === this.#sort.key)
        head.ariaSort = this.#sort.isFalling ? "descending" : "ascending";
      else head.removeAttribute("aria-sort");
    }
  }

  /** Arrow keys go from genre to genre. */
  #walk(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const index = this.#shown.findIndex((row) => row.link === document.activeElement);
    const target = this.#shown[index + step];
    if (index < 0 || !target) return;
    event.preventDefault();
    target.link.focus();
  }

  #paintHead() {
    const { lines, bucketStart, bucketMs } = this.#store;
    if (bucketStart === null) return;
    const bucket = `Bucket of ${moment(bucketStart)} UTC, ${duration(bucketMs)}`;
    sayTime(document.getElementById("genres-bucket"), bucketStart, bucket);
    const all = [...lines.values()];
    const sum = (of) => all.reduce((total, line) => total + (of(line) ?? 0), 0);
    const next = all.find((line) => line.next)?.next;
    say(document.getElementById("next-share"), next ? `(${percent(next.share)})` : "");
    const tiles = [
      ["Clicks in this bucket", count(sum((line) => line.recent.at(-1)))],
      ["Expected next", count(sum((line) => line.next?.mean))],
      ["Genres", count(all.length)],
    ];
    paintTiles(document.getElementById("genres-tiles"), tiles);
  }
}
