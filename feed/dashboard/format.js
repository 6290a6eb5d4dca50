// Numbers and times as the reader's locale writes them. All times are UTC, and say so where they stand alone.

const NONE = "–";

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const thousandths = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 3 });
const share = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 0 });
const change = new Intl.NumberFormat(undefined, {
  style: "percent",
  maximumFractionDigits: 0,
  signDisplay: "exceptZero",
});
const short = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });

const utc = (options) => new Intl.DateTimeFormat(undefined, { timeZone: "UTC", ...options });
const minute = utc({ hour: "2-digit", minute: "2-digit" });
const second = utc({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = utc({ day: "numeric", month: "short" });
const dayMinute = utc({
  weekday: "short",
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
});
const dayOnly = utc({ year: "numeric", month: "numeric", day: "numeric" });
const units = Object.fromEntries(
  ["second", "minute", "hour", "day"].map((unit) => [
    unit,
    new Intl.NumberFormat(undefined, {
      style: "unit",
      unit,
      unitDisplay: "long",
      maximumFractionDigits: unit === "hour" ? 1 : 0,
    }),
  ]),
);

const isMissing = (value) => value === null || value === undefined || Number.isNaN(value);
const or = (format) => (value) => (isMissing(value) ? NONE : format(value));

/** Whole clicks or records. */
export const count = or((value) => whole.format(value));

/** Expected clicks: a tenth matters only where they are few. */
export const clicks = or((value) => (value < 10 ? tenths : whole).format(value));

const signedTenths = new Intl.NumberFormat(undefined, {
  maximumFractionDigits: 1,
  signDisplay: "exceptZero",
});
const signedHundredths = new Intl.NumberFormat(undefined, {
  maximumFractionDigits: 2,
  signDisplay: "exceptZero",
});

/** By how many clicks something moved. */
export const signedClicks = or((value) =>
  (Math.abs(value) < 10 ? signedHundredths : signedTenths).format(value),
);

/** An interval of clicks. */
export const interval = (low, high) =>
  isMissing(low) || isMissing(high) ? NONE : `${clicks(low)}–${clicks(high)}`;

/** A count on an axis, short. */
export const axisCount = or((value) => short.format(value));

/** A measure such as WQL, three digits. */
export const figure = or((value) => thousandths.format(value));

/** A share of one. */
export const percent = or((value) => share.format(value));

/** A change, with its sign. */
export const signedPercent = or((value) => change.format(value));

/** Hours and minutes. */
export const time = or((ms) => minute.format(ms));

/** Hours, minutes and seconds, with UTC said. */
export const clock = or((ms) => `${second.format(ms)} UTC`);

/** Day, hours and minutes. */
export const moment = or((ms) => dayMinute.format(ms));

/** Time with its day where it is not today's. */
export const momentUtc = or((ms) =>
  dayOnly.format(ms) === dayOnly.format(Date.now()) ? clock(ms) : `${dayMinute.format(ms)} UTC`,
);

/** Labels of a time axis: the day where it begins, else the time. */
export const axisTimes = (splits) =>
  splits.map((ms, index) =>
    index > 0 && new Date(ms).getUTCDate() !== new Date(splits[index - 1]).getUTCDate()
      ? day.format(ms)
      : minute.format(ms),
  );

/** A length of time in its largest unit. */
export const duration = or((ms) => {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 90) return units.second.format(seconds);
  if (seconds < 3600) return units.minute.format(seconds / 60);
  if (seconds < 129600) return units.hour.format(seconds / 3600);
  return units.day.format(seconds / 86400);
});

/** A text with its full stop, if it ends with none of its kind. */
export const sentence = (text) => (/[.?!]$/.test(text) ? text : `${text}.`);
