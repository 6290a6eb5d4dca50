// What the page knows of every genre: the newest forecast and a bounded past.

/** Counts kept per genre. */
export const POINTS = 48;

/** Return the forecast of one step as the page shows it: median and the outer quantiles. */
export function outlook({ mean, quantiles }) {
  if (!quantiles) return { mean, low: null, median: mean, high: null, share: null };
  const levels = Object.keys(quantiles).sort((a, b) => a - b);
  const middle = levels.reduce((best, level) =>
    Math.abs(level - 0.5) < Math.abs(best - 0.5) ? level : best,
  );
  return {
    mean,
    low: quantiles[levels[0]],
    median: quantiles[middle],
    high: quantiles[levels.at(-1)],
    share: levels.at(-1) - levels[0],
  };
}

/** All genres; `changed` counts every change of theirs. */
export class Store {
  /** genre -> {genre, bucketStart, recent, next, horizon, growth, skill, kind, version} */
  lines = new Map();
  bucketStart = null;
  bucketSeconds = null;
  emittedAt = null;
  modelVersion = "";

  get bucketMs() {
    return this.bucketSeconds * 1000;
  }

  /** Take up one genre's forecast; one that is older than what is known changes nothing. */
  applyForecast(forecast) {
    this.bucketSeconds = forecast.bucket_seconds;
    const line = this.#line(forecast.genre);
    if (line.bucketStart !== null && forecast.bucket_start < line.bucketStart) return;
    this.#append(line, forecast.bucket_start, forecast.observed_clicks);
    line.horizon = forecast.horizon;
    line.next = outlook(forecast.horizon[0]);
    line.kind = forecast.kind;
    line.version += 1;
    this.emittedAt = Math.max(this.emittedAt ?? 0, forecast.emitted_at);
    this.modelVersion = forecast.model_version;
  }

  /** Note that all forecasts of a bucket are here. */
  closeBucket(bucketStart) {
    this.bucketStart = Math.max(this.bucketStart ?? 0, bucketStart);
  }

  /** Take up the overview: the past, growth and skill. What the stream brought since then stays. */
  applyOverview(overview) {
    if (overview.bucket_start === null) return;
    this.bucketSeconds = overview.bucket_seconds;
    for (const told of overview.genres) {
      const line = this.#line(told.genre);
      const newer =
        line.bucketStart === null ? 0 : (line.bucketStart - overview.bucket_start) / this.bucketMs;
      line.growth = told.growth;
      line.skill = told.skill;
      line.recent =
        newer > 0
          ? [...told.recent, ...line.recent.slice(-newer)].slice(-POINTS)
          : told.recent.slice(-POINTS);
      line.version += 1;
      if (newer < 0 || line.bucketStart === null) {
        line.bucketStart = overview.bucket_start;
        line.next = outlook(told.next);
        line.kind = told.kind;
      }
    }
    this.closeBucket(overview.bucket_start);
  }

  #line(genre) {
    let line = this.lines.get(genre);
    if (!line) {
      line = {
        genre,
        bucketStart: null,
        recent: [],
        next: null,
        horizon: [],
        growth: null,
        skill: null,
        kind: "lstm",
        version: 0,
      };
      this.lines.set(genre, line);
    }
    return line;
  }

  #append(line, bucketStart, observed) {
    const passed = line.bucketStart === null ? 1 : (bucketStart - line.bucketStart) / this.bucketMs;
    if (passed === 0) line.recent[Math.max(0, line.recent.length - 1)] = observed;
    else {
      // Buckets that were skipped stay empty until the next overview.
      const skipped = Math.min(passed - 1, POINTS);
      line.recent.push(...Array(skipped).fill(null), observed);
      if (line.recent.length > POINTS) line.recent.splice(0, line.recent.length - POINTS);
    }
    line.bucketStart = bucketStart;
  }
}
