// The bearer token, where the service wants one: asked for once, kept in this tab until it is closed.

const KEY = "genrecast.token";

/** The reader's token, and the dialog that asks for it. */
export class Token {
  #dialog;
  #asking = null;
  value = null;

  constructor(dialog) {
    this.#dialog = dialog;
    try {
      this.value = sessionStorage.getItem(KEY);
    } catch {
      // A browser that forbids storage is asked again after a reload.
    }
  }

  get isAsking() {
    return this.#asking !== null;
  }

  /** Ask for a token in place of `refused`; all who ask at once wait for the same answer. */
  ask(refused) {
    if (this.value !== refused) return Promise.resolve();
    this.#asking ??= this.#ask(refused !== null).finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  async #ask(wasRefused) {
    const form = this.#dialog.querySelector("form");
    const input = form.elements.token;
    this.#dialog.querySelector("[role=alert]").textContent = wasRefused
      ? "The service refused this token."
      : "";
    input.value = "";
    if (!this.#dialog.open) this.#dialog.showModal();
    // Without a token there is nothing to go back to.
    this.#dialog.oncancel = (event) => event.preventDefault();
    await new Promise((resolve) => {
      form.onsubmit = (event) => {
        event.preventDefault();
        if (input.value.trim()) resolve();
      };
    });
    this.value = input.value.trim();
    this.#dialog.close();
    try {
      sessionStorage.setItem(KEY, this.value);
    } catch {
      // See above.
    }
  }
}
