/** Numbers, sizes and times as a person reads them, the same in trees, pages and terminals; what is missing is a dash. */

export const missingText = "–";

// One for all: making a format costs far more than using it, and a table uses it thousands of times.
const integerFormat = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** 1234567 as 1,234,567, whatever the system's language. */
export function formatCount(value: number): string {
  return replaceMinus(integerFormat.format(value));
}

/** Three digits and a letter: 1.23M. */
export function formatShortCount(value: number): string {
  const { scaled, unit } = scaleToUnit(value, ["", "k", "M", "B", "T"], 3);
  return replaceMinus(`${trimZeros(scaled.toPrecision(3))}${unit}`);
}

/** About `digits` significant digits. */
export function formatNumber(value: number, digits = 4): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude < 1e-3 || magnitude >= 1e7)) return replaceMinus(value.toExponential(2));
  if (magnitude >= 1000) return formatCount(value);
  return replaceMinus(trimZeros(value.toPrecision(digits)));
}

/** The same number of digits for every number of a column, so that they align. */
export function formatAligned(value: number, digits = 4): string {
  const magnitude = Math.abs(value);
  if (!Number.isFinite(value) || value === 0 || magnitude < 1e-3 || magnitude >= 1000)
    return formatNumber(value, digits);
  return replaceMinus(value.toPrecision(digits));
}

/** Decimal units, as for disks and downloads. */
export function formatBytes(value: number): string {
  return formatWithUnit(value, ["B", "kB", "MB", "GB", "TB", "PB"]);
}

export function formatFlops(value: number): string {
  return formatWithUnit(value, ["FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP", "EFLOP"]);
}

export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return missingText;
  const rounded = Math.max(0, Math.round(seconds));
  const [days, hours] = [Math.floor(rounded / 86_400), Math.floor(rounded / 3600) % 24];
  const [minutes, remainingSeconds] = [Math.floor(rounded / 60) % 60, rounded % 60];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  if (minutes > 0) return `${minutes} min ${remainingSeconds} s`;
  return `${remainingSeconds} s`;
}

/** A ratio as 12.3 %. */
export function formatPercent(ratio: number): string {
  if (!Number.isFinite(ratio)) return missingText;
  const magnitude = Math.abs(ratio * 100);
  return replaceMinus(`${(ratio * 100).toFixed(magnitude !== 0 && magnitude < 10 ? 2 : 1)} %`);
}

/** With its sign, so that a change is seen as one: +12.3 %. */
export function formatChange(ratio: number): string {
  return ratio > 0 ? `+${formatPercent(ratio)}` : formatPercent(ratio);
}

/** How far something has come, as 43 %; what is not finished never reads 100 %. */
export function formatProgress(share: number): string {
  return `${Math.max(0, Math.min(99, Math.floor(share * 100)))} %`;
}

/** ISO 8601 as the local date and time to the minute, in an order that sorts. */
export function formatDateTime(iso: string): string {
  const date = new Date(iso);
  if (iso === "" || Number.isNaN(date.getTime())) return missingText;
  const padTwo = (part: number) => String(part).padStart(2, "0");
  const day = `${date.getFullYear()}-${padTwo(date.getMonth() + 1)}-${padTwo(date.getDate())}`;
  return `${day} ${padTwo(date.getHours())}:${padTwo(date.getMinutes())}`;
}

/** "1 run", "12 runs". */
export function pluralize(number: number, noun: string): string {
  return `${formatCount(number)} ${noun}${number === 1 ? "" : "s"}`;
}

function formatWithUnit(value: number, units: readonly string[]): string {
  const { scaled, unit } = scaleToUnit(value, units, 5);
  return replaceMinus(`${unit === units[0] ? integerFormat.format(value) : scaled.toFixed(2)} ${unit}`);
}

/** In the largest unit that leaves at least 1, also once it is rounded: 999,999 is 1 million and not 1000 thousand. */
function scaleToUnit(
  value: number,
  units: readonly string[],
  digits: number,
): { scaled: number; unit: string } {
  const magnitude = Math.abs(Number(value.toPrecision(digits)));
  const power =
    magnitude < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(magnitude) / 3 + 1e-9));
  return { scaled: value / 1000 ** power, unit: units[power]! };
}

function trimZeros(digits: string): string {
  return digits.replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

/** A real minus sign, as wide as a plus. */
function replaceMinus(text: string): string {
  return text.replaceAll("-", "−");
}
