// Names with their figures, in a description list.

import { element, say } from "./dom.js";

/** Show `[name, figure, note]` for each tile; the note may be left out. */
export function paintTiles(list, tiles) {
  tiles.forEach(([name, figure, note = ""], index) => {
    const tile = list.children[index] ?? list.appendChild(makeTile());
    say(tile.querySelector("dt"), name);
    say(tile.querySelector(".figure"), figure);
    say(tile.querySelector(".note"), note);
  });
  while (list.children.length > tiles.length) list.lastChild.remove();
}

function makeTile() {
  return element(
    "div",
    {},
    element("dt"),
    element(
      "dd",
      {},
      element("span", { class: "figure" }),
      " ",
      element("span", { class: "note" }),
    ),
  );
}
