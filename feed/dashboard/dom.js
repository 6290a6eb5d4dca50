// Elements, made and changed. Text is always text: what comes from the service is never markup.

/** Make an element; `attributes` whose value is null or undefined are left out. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** Make an SVG element. */
export function drawing(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Set an element's text, and touch the document only when it is another one. */
export function say(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** Make a table's row of plain cells; the first one names the row. */
export function tableRow(head, ...cells) {
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, head),
    ...cells.map((cell) => element("td", {}, cell)),
  );
}

/** Have a time element say a time as the reader writes it, and keep it as machines do. */
export function sayTime(target, ms, text) {
  target.dateTime = new Date(ms).toISOString();
  say(target, text);
}
