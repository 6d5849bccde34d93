/** Numbers, sizes and times as a person reads them, the same in trees, pages and terminals; what is missing is a dash. */

export const missing = "–";

// One for all: making a format costs far more than using it, and a table uses it thousands of times.
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** 1234567 as 1,234,567, whatever the system's language. */
export function count(value: number): string {
  return minus(whole.format(value));
}

/** Three digits and a letter: 1.23M. */
export function shortCount(value: number): string {
  const { scaled, unit } = scale(value, ["", "k", "M", "B", "T"], 3);
  return minus(`${trimmed(scaled.toPrecision(3))}${unit}`);
}

/** About `digits` significant digits. */
export function figure(value: number, digits = 4): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) return minus(value.toExponential(2));
  if (size >= 1000) return count(value);
  return minus(trimmed(value.toPrecision(digits)));
}

/** The same number of digits for every number of a column, so that they align. */
export function aligned(value: number, digits = 4): string {
  const size = Math.abs(value);
  if (!Number.isFinite(value) || value === 0 || size < 1e-3 || size >= 1000) return figure(value, digits);
  return minus(value.toPrecision(digits));
}

/** Decimal units, as for disks and downloads. */
export function bytes(value: number): string {
  return withUnit(value, ["B", "kB", "MB", "GB", "TB", "PB"]);
}

export function flops(value: number): string {
  return withUnit(value, ["FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP", "EFLOP"]);
}

export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return missing;
  const rounded = Math.max(0, Math.round(seconds));
  const [days, hours] = [Math.floor(rounded / 86_400), Math.floor(rounded / 3600) % 24];
  const [minutes, rest] = [Math.floor(rounded / 60) % 60, rounded % 60];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  if (minutes > 0) return `${minutes} min ${rest} s`;
  return `${rest} s`;
}

/** A ratio as 12.3 %. */
export function percent(ratio: number): string {
  if (!Number.isFinite(ratio)) return missing;
  const size = Math.abs(ratio * 100);
  return minus(`${(ratio * 100).toFixed(size !== 0 && size < 10 ? 2 : 1)} %`);
}

/** With its sign, so that a change is seen as one: +12.3 %. */
export function change(ratio: number): string {
  return ratio > 0 ? `+${percent(ratio)}` : percent(ratio);
}

/** How far something has come, as 43 %; what is not finished never reads 100 %. */
export function reached(share: number): string {
  return `${Math.max(0, Math.min(99, Math.floor(share * 100)))} %`;
}

/** ISO 8601 as the local date and time to the minute, in an order that sorts. */
export function moment(iso: string): string {
  const date = new Date(iso);
  if (iso === "" || Number.isNaN(date.getTime())) return missing;
  const two = (part: number) => String(part).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** "1 run", "12 runs". */
export function plural(number: number, noun: string): string {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

function withUnit(value: number, units: readonly string[]): string {
  const { scaled, unit } = scale(value, units, 5);
  return minus(`${unit === units[0] ? whole.format(value) : scaled.toFixed(2)} ${unit}`);
}

/** In the largest unit that leaves at least 1, also once it is rounded: 999,999 is 1 million and not 1000 thousand. */
function scale(value: number, units: readonly string[], digits: number): { scaled: number; unit: string } {
  const size = Math.abs(Number(value.toPrecision(digits)));
  const power = size < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(size) / 3 + 1e-9));
  return { scaled: value / 1000 ** power, unit: units[power]! };
}

function trimmed(digits: string): string {
  return digits.replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

/** A real minus sign, as wide as a plus. */
function minus(text: string): string {
  return text.replaceAll("-", "−");
}
