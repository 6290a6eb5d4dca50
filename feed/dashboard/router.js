// Which view the address names: `#/`, `#/genre/NAME`, `#/pipeline`.

const TITLES = { genres: "genres-title", genre: "genre-title", pipeline: "pipeline-title" };

/** Return the route of an address's hash; an unknown one is the view of all genres. */
export function routeOf(hash) {
  const genre = /^#\/genre\/(.+)$/.exec(hash)?.[1];
  if (genre !== undefined) {
    try {
      return { view: "genre", genre: decodeURIComponent(genre) };
    } catch {
      return { view: "genres" };
    }
  }
  return { view: hash === "#/pipeline" ? "pipeline" : "genres" };
}

/** Shows the view the address names; `views` have `open` and `close`, `onTurn` hears of each turn. */
export class Router {
  #views;
  #onTurn;
  route = null;

  constructor(views, onTurn) {
    this.#views = views;
    this.#onTurn = onTurn;
    addEventListener("hashchange", () => this.#turn());
  }

  /** Show the first view. */
  start() {
    this.#turn();
  }

  #turn() {
    const [from, to] = [this.route, routeOf(location.hash)];
    this.route = to;
    if (from) this.#views[from.view].close?.();
    for (const name of Object.keys(TITLES))
      document.getElementById(`view-${name}`).hidden = name !== to.view;
    for (const link of document.querySelectorAll("[data-route]")) {
      if (link.dataset.route === to.view) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    this.#views[to.view].open?.(to.genre);
    document.title = `${to.genre ?? { genres: "Genres", pipeline: "Pipeline" }[to.view]} · genrecast`;
    this.#onTurn();
    if (from) this.#focus(from, to);
  }

  /** A reader who left a genre finds the cursor on it again; else it goes to the new view's title. */
  #focus(from, to) {
    if (to.view === "genres" && from.genre && this.#views.genres.focusGenre(from.genre)) return;
    document.getElementById(TITLES[to.view]).focus({ preventScroll: true });
    scrollTo(0, 0);
  }
}
