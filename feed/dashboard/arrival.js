// What did not arrive is asked for again. A module that failed stays failed within a document, so for
// scripts the page is loaded again; a style sheet is fetched anew where it stands.
// A classic script that the service puts into the page itself: where the page is, it is.

(() => {
  const KEY = "genrecast.reloads";

  /** The first pause before another try and the longest one, ms. */
  const FIRST_PAUSE_MS = 1_000;
  const LONGEST_PAUSE_MS = 15_000;

  /** How long the service may take to say that it is there, ms. */
  const ANSWER_MS = 10_000;

  const TICK_MS = 1_000;

  let hasStarted = false;

  /** Count one more try; without end where nothing can be kept, which waits longest. */
  const countTry = () => {
    try {
      const count = (Number(sessionStorage.getItem(KEY)) || 0) + 1;
      sessionStorage.setItem(KEY, count);
      return count;
    } catch {
      return Infinity;
    }
  };
  const forgetTries = () => {
    try {
      sessionStorage.removeItem(KEY);
    } catch {
      // Nothing was kept.
    }
  };
  const pauseAfter = (tries) =>
    Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tries - 1)) * (0.5 + Math.random() / 2);

  /** Load the page again, unless that would put the browser's own error page in its place. */
  const reload = async () => {
    const signal = AbortSignal.timeout(ANSWER_MS);
    const isServed = await fetch("healthz", { cache: "no-store", signal }).then(
      (response) => response.ok,
      () => false,
    );
    if (isServed) location.reload();
    else reloadLater(countTry());
  };

  const reloadLater = (tries) => {
    const at = Date.now() + pauseAfter(tries);
    const retry = document.getElementById("retry");
    const tell = () => {
      const left = Math.ceil((at - Date.now()) / 1000);
      document.getElementById("notice-text").textContent =
        `A part of this page did not arrive. Loading it again ${left > 0 ? `in ${left} s` : "now"}.`;
    };
    const ticking = setInterval(tell, TICK_MS);
    const go = () => {
      clearInterval(ticking);
      clearTimeout(pausing);
      retry.onclick = null;
      tell();
      reload();
    };
    const pausing = setTimeout(go, at - Date.now());
    retry.onclick = go;
    retry.hidden = false;
    tell();
  };

  document.addEventListener("started", () => {
    hasStarted = true;
    forgetTries();
  });
  // By then all scripts have run or failed, whether missing or not of one release.
  addEventListener("load", () => {
    if (hasStarted) return;
    const tries = countTry();
    document.documentElement.dataset.connection = "off";
    document.getElementById("connection").dataset.tone = "off";
    document.getElementById("connection-text").textContent = "Not loaded";
    document.getElementById("notice").hidden = false;
    // Once: the reloads that follow are not news.
    if (tries === 1 || tries === Infinity)
      document.getElementById("announcement").textContent =
        "A part of this page did not arrive. It is loaded again by itself.";
    reloadLater(tries);
  });

  const refetch = (link, tries) => {
    const anew = link.cloneNode();
    anew.onload = () => document.dispatchEvent(new Event("themechange"));
    anew.onerror = () => refetchLater(anew, tries + 1);
    link.replaceWith(anew);
  };
  const refetchLater = (link, tries) => setTimeout(() => refetch(link, tries), pauseAfter(tries));
  addEventListener(
    "error",
    ({ target }) => {
      if (target instanceof HTMLLinkElement && !target.onerror) refetchLater(target, 1);
    },
    true,
  );
})();
