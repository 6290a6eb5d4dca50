// The pipeline's health: rate, lag, watermark, what went elsewhere, models, and this connection.

import { element, say, tableRow } from "./dom.js";
import { clock, count, duration, figure, moment, momentUtc, percent } from "./format.js";
import { Refresh } from "./refresh.js";
import { RatePlot } from "./rate_plot.js";
import { paintTiles } from "./tiles.js";

/** Time between two looks, ms. */
const LOOK_MS = 2_000;

/** Open alerts that are listed. */
const MOST_ALERTS = 50;

/** The view of the pipeline. */
export class PipelineView {
  #connection;
  #refresh;
  #timer = null;
  #rates = new RatePlot();
  #panels = {};

  constructor(service, connection) {
    this.#connection = connection;
    const ask = () =>
      Promise.all([
        service.get("v1/pipeline"),
        service.get("v1/alerts", { limit: MOST_ALERTS }),
      ]);
    this.#refresh = new Refresh(ask, {
      apply: ([pipeline, alerts]) => {
        this.#take(pipeline);
        this.#panels.alerts.fill(alerts.open.map(alertRow), alertsNote(alerts));
      },
      onError: (error) => this.#fail(error),
      leastMs: LOOK_MS / 2,
    });
    const place = document.getElementById("pipeline-panels");
    place.append(this.#rates.node);
    for (const [name, title, heads] of PANELS) {
      const panel = makePanel(title, heads);
      this.#panels[name] = panel;
      place.append(panel.node);
    }
  }

  /** Look, and go on looking. */
  open() {
    say(document.getElementById("pipeline-message"), "Loading …");
    this.#refresh.askNow();
    this.#timer = setInterval(() => {
      if (!document.hidden) this.#refresh.ask();
    }, LOOK_MS);
  }

  /** Leave it. */
  close() {
    clearInterval(this.#timer);
    this.#refresh.stop();
  }

  #fail(error) {
    say(
      document.getElementById("pipeline-message"),
      `The pipeline's state cannot be had now: ${error.message}.`,
    );
    this.#panels.connection.fill(this.#connectionRows());
  }

  #take(pipeline) {
    document.getElementById("pipeline-body").hidden = false;
    const problems = [
      pipeline.problem,
      pipeline.status?.kafka_problem,
      pipeline.status?.retrain && `Retraining is asked for: ${pipeline.status.retrain}`,
    ];
    say(document.getElementById("pipeline-message"), problems.filter(Boolean).join(" · "));
    this.#rates.add(Date.now(), pipeline.events_per_second);
    const { status } = pipeline;
    say(
      document.getElementById("pipeline-sub"),
      status ? `${status.app}, buckets of ${duration(status.bucket_seconds * 1000)}` : "",
    );
    paintTiles(document.getElementById("pipeline-tiles"), tilesOf(pipeline));
    this.#panels.connection.fill(this.#connectionRows(pipeline.service));
    this.#panels.letters.fill(
      letterRows(pipeline.dead_letters),
      lettersNote(pipeline.dead_letters),
    );
    this.#panels.models.fill(
      (status?.models ?? []).map(modelRow),
      status?.model_version ? `Publishes as ${status.model_version}.` : "",
    );
    this.#panels.promotions.fill(
      pipeline.promotions.map(promotionRow),
      pipeline.promotions.length ? "" : "None so far.",
    );
    this.#panels.partitions.fill((status?.partitions ?? []).map(partitionRow));
  }

  #connectionRows(service) {
    const { text, since, reconnects } = this.#connection.described;
    const rows = [
      ["Stream", `${text}, since ${momentUtc(since)}`],
      ["Reconnects", count(reconnects)],
    ];
    if (!service) return rows;
    return [
      ...rows,
      ["Readers", count(service.subscribers)],
      ["Conflated for slow readers", count(service.conflated)],
      ["Service", `${service.version}, up ${duration(service.uptime_seconds * 1000)}`],
    ];
  }
}

/** Panels in their order: name, title, column heads (none: names with values). */
const PANELS = [
  ["alerts", "Alerts", ["Genre", "Raised in", "Why"]],
  ["connection", "Connection", null],
  ["letters", "Dead letters", ["Reason", "Count", "Latest"]],
  ["models", "Models", ["Model", "Role", "WQL", "Coverage", "Skill", "Beside champion"]],
  ["promotions", "Promotions", ["From bucket", "Model", "Before"]],
  ["partitions", "Partitions", ["Partition", "Offset", "Lag", "Watermark"]],
];

function makePanel(title, heads) {
  const body = element("tbody");
  const head = heads
    ? [
        element(
          "thead",
          {},
          element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text))),
        ),
      ]
    : [];
  const table = element(
    "table",
    { class: heads ? "plain" : "plain pairs" },
    element("caption", { class: "unseen" }, title),
    ...head,
    body,
  );
  const note = element("p", { class: "sub" });
  const scroller = element(
    "div",
    { class: "scroller", tabindex: "0", role: "region", "aria-label": title },
    table,
  );
  const node = element("section", { class: "panel" }, element("h2", {}, title), note, scroller);
  const fill = (rows, said = "") => {
    body.replaceChildren(...rows.map((row) => tableRow(...row)));
    scroller.hidden = rows.length === 0;
    say(note, said);
    note.hidden = said === "";
  };
  return { node, fill };
}

function tilesOf({ status, events_per_second: rate, age_seconds: age, is_stale: isStale }) {
  const totals = status?.totals ?? {};
  return [
    ["Events per second", count(rate)],
    ["Lag", count(status?.lag), "records"],
    ["Watermark", moment(status?.watermark_ms)],
    [
      "Newest bucket",
      moment(status?.published_ms),
      age === null ? "" : `${duration(age * 1000)} ago${isStale ? ", stale" : ""}`,
    ],
    ["Counted", count(totals.counted)],
    ["Late", count(totals.late)],
    ["Dead letters", count(totals.dead_letters)],
    ["Open buckets", count(status?.open_buckets), `${count(status?.open_clicks)} clicks`],
  ];
}

const alertRow = ({ genre, raised_at: at, reason }) => [genre, moment(at), reason];

function alertsNote({ open, open_count: all }) {
  if (!all) return "None open.";
  return open.length < all ? `The newest ${count(open.length)} of ${count(all)} open.` : "";
}

/** What stands for all reasons past those that the service tells apart. */
const OTHER = "(other)";

function letterRows({ reasons }) {
  const told = [...reasons].sort((a, b) => (a.reason === OTHER) - (b.reason === OTHER));
  return told.map(({ reason, count: seen, latest_at: at }) => [reason, count(seen), clock(at)]);
}

function lettersNote({ reasons, since }) {
  const after = since === null ? "" : ` since ${momentUtc(since)}`;
  return reasons.length ? `Seen by the service${after}.` : `None seen by the service${after}.`;
}

function modelRow(model) {
  const { wql, coverage, skill } = model.rolling;
  const beside =
    model.wql !== null && model.champion_wql
      ? `${percent(model.wql / model.champion_wql - 1)} WQL over ${count(model.shadow_buckets)} buckets`
      : "–";
  const role = model.suspended ? `${model.role}, suspended: ${model.suspended}` : model.role;
  return [model.name, role, figure(wql), percent(coverage), percent(skill), beside];
}

const promotionRow = (promotion) => [
  moment(promotion.bucket_start),
  promotion.model_version,
  promotion.previous,
];

const partitionRow = ({ partition, offset, lag, watermark_ms: watermark }) => [
  count(partition),
  count(offset),
  count(lag),
  moment(watermark),
];
