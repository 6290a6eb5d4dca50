// Requests to the service this page came from.

/** A request that failed; `status` is 0 when nothing answered. */
export class ServiceError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Asks the service, with the reader's token where one is needed. */
export class Service {
  #token;

  constructor(token) {
    this.#token = token;
  }

  /** Whether the reader is being asked for the token now. */
  get isAsking() {
    return this.#token.isAsking;
  }

  /**
   * Return what is at a path, parsed; `parameters` without a value are left out.
   *
   * Throws ServiceError. A token that is missing or wrong is asked for, and the request repeated.
   */
  async get(path, parameters = {}) {
    const response = await this.open(path, { parameters });
    try {
      return await response.json();
    } catch {
      throw new ServiceError(0, "the answer broke off");
    }
  }

  /** Return the response to a request, once its status is 200; see `get`. */
  async open(path, { parameters = {}, headers = {}, signal } = {}) {
    const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
    const query = new URLSearchParams(given).toString();
    for (;;) {
      const token = this.#token.value;
      const response = await request(query ? `${path}?${query}` : path, {
        headers: token ? { ...headers, Authorization: `Bearer ${token}` } : headers,
        cache: "no-store",
        signal,
      });
      if (response.ok) return response;
      if (response.status !== 401) throw new ServiceError(response.status, await reason(response));
      await this.#token.ask(token);
    }
  }
}

async function request(url, options) {
  try {
    return await fetch(url, options);
  } catch (error) {
    throw new ServiceError(
      0,
      error.name === "AbortError"
        ? "nothing was heard for too long"
        : "the service does not answer",
    );
  }
}

async function reason(response) {
  const said = await response.json().catch(() => null);
  return typeof said?.detail === "string" ? said.detail : `the service answers ${response.status}`;
}
