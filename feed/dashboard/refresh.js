// A request repeated while something changes: never twice at once, never more often than wanted.

/** Runs `request`, then gives what came to `apply`; failures go to `onError`. */
export class Refresh {
  #request;
  #apply;
  #onError;
  #leastMs;
  #startedAt = -Infinity;
  #timer = null;
  #isRunning = false;
  #isWanted = false;
  #turn = 0;

  constructor(request, { apply, onError, leastMs }) {
    this.#request = request;
    this.#apply = apply;
    this.#onError = onError;
    this.#leastMs = leastMs;
  }

  /** Ask for a new answer, as soon as that is allowed. */
  ask() {
    if (this.#isRunning) this.#isWanted = true;
    else if (this.#timer === null) {
      const wait = Math.max(0, this.#startedAt + this.#leastMs - performance.now());
      this.#timer = setTimeout(() => this.#run(), wait);
    }
  }

  /** Ask at once, whatever the pace: another question than before. An answer under way is dropped. */
  askNow() {
    this.stop();
    this.#startedAt = -Infinity;
    this.ask();
  }

  /** Drop what is planned or under way. */
  stop() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#turn += 1;
    this.#isRunning = false;
    this.#isWanted = false;
  }

  async #run() {
    const turn = this.#turn;
    this.#timer = null;
    this.#isRunning = true;
    this.#startedAt = performance.now();
    const [answer, error] = await this.#request().then(
      (got) => [got, null],
      (failed) => [null, failed],
    );
    if (turn !== this.#turn) return;
    this.#isRunning = false;
    if (error) this.#onError(error);
    else this.#apply(answer);
    if (this.#isWanted) {
      this.#isWanted = false;
      this.ask();
    }
  }
}
