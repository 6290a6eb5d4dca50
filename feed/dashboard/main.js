// The page's start: what is known, who brings it, who shows it.

import { Service } from "./api.js";
import { Connection } from "./connection.js";
import { Delay } from "./delay.js";
import { say } from "./dom.js";
import { onNextFrame } from "./frame_loop.js";
import { GenreView } from "./genre_view.js";
import { GenresView } from "./genres_view.js";
import { PipelineView } from "./pipeline_view.js";
import { Refresh } from "./refresh.js";
import { Router } from "./router.js";
import { POINTS, Store } from "./store.js";
import { Stream } from "./stream.js";
import { Token } from "./token.js";

/** Least time between two overviews, which bring growth and skill, ms. */
const OVERVIEW_MS = 10_000;

const store = new Store();
const service = new Service(new Token(document.getElementById("token-dialog")));
const connection = new Connection(store);
const delay = new Delay();

const repaint = onNextFrame(() => {
  views[router.route.view].paint?.();
  delay.onPainted(store);
  say(document.getElementById("delay"), delay.text);
});

const views = {
  genres: new GenresView(store, repaint),
  genre: new GenreView(store, service, repaint),
  pipeline: new PipelineView(service, connection),
};
const router = new Router(views, repaint);

const overview = new Refresh(() => service.get("v1/overview", { points: POINTS }), {
  apply: (told) => {
    store.applyOverview(told);
    views.genres.setProblem("");
    repaint();
  },
  onError: (error) => {
    views.genres.setProblem(`The overview cannot be had now: ${error.message}.`);
    repaint();
  },
  leastMs: OVERVIEW_MS,
});

const heard = {
  forecast: (forecast) => store.applyForecast(forecast),
  bucket: (bucket) => {
    store.closeBucket(bucket.bucket_start);
    views.genre.onBucket();
    if (!document.hidden) overview.ask();
    repaint();
  },
  gap: (gap) => {
    connection.onGap(gap);
    overview.askNow();
  },
  status: (status) => connection.onStatus(status),
};

const stream = new Stream(service, {
  onEvent: (name, data) => heard[name]?.(data),
  onState: (state) => {
    if (state.phase === "live") overview.askNow();
    connection.onStream(state);
  },
});

document.getElementById("retry").addEventListener("click", () => stream.retryNow());
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("main").focus();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) overview.ask();
});
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.matches("input, select, textarea");
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]"))
    return;
  if (event.key === "Escape" && router.route.view !== "genres" && !isTyping) location.hash = "#/";
  if (event.key === "/" && router.route.view === "genres" && !isTyping) {
    event.preventDefault();
    views.genres.focusFilter();
  }
});

router.start();
stream.run();
// See arrival.js.
document.dispatchEvent(new Event("started"));
