// Server-sent events, parsed from text as it arrives (WHATWG HTML, "event stream interpretation").

/** Characters of one event: past them the other side is no event stream of ours. */
const MOST_CHARACTERS = 8_000_000;

/** Parses an event stream; `onEvent({event, data, id})`, where `id` is the last one named so far. */
export class EventParser {
  #onEvent;
  #unread = "";
  #event = "";
  #data = [];
  #size = 0;
  #id;

  constructor(onEvent) {
    this.#onEvent = onEvent;
  }

  /** Take up more of the stream, cut anywhere. */
  push(text) {
    const lines = (this.#unread + text).split(/\r\n|\n|\r(?!$)/);
    this.#unread = lines.pop();
    this.#bound(this.#unread.length);
    for (const line of lines) this.#line(line);
  }

  #line(line) {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return undefined;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "data") {
      this.#size += value.length;
      this.#bound(this.#size);
      this.#data.push(value);
    }
    return undefined;
  }

  #dispatch() {
    const [event, data] = [this.#event || "message", this.#data];
    this.#event = "";
    this.#data = [];
    this.#size = 0;
    if (data.length > 0) this.#onEvent({ event, data: data.join("\n"), id: this.#id });
  }

  #bound(size) {
    if (size > MOST_CHARACTERS) throw new Error("an event of the stream is too large");
  }
}
