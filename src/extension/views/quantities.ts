/** Numbers as a row of a tree has room for them. */

/** As on a stopwatch: 0:12, 3:05, 1:02:03; days in words. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(Number.isFinite(seconds) ? seconds : 0));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (part: number) => String(part).padStart(2, "0");
  if (hours >= 48) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Three digits that say something. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "not a number" : value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(2).replace("-", "−");
  return value.toPrecision(Math.max(3, Math.floor(Math.log10(size || 1)) + 1)).replace("-", "−");
}

/** 1234567 as 1,234,567, whatever the system's language. */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** "1 run", "12 runs". */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** Decimal units, as disks are sold. */
export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = value < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(value) / 3));
  return `${power === 0 ? value : (value / 1000 ** power).toPrecision(3)} ${units[power]!}`;
}

/** A share as 43 %; what is not finished never reads 100 %. */
export function percent(share: number): string {
  return `${Math.max(0, Math.min(99, Math.floor(share * 100)))} %`;
}

/** Date and time to the minute, here and now, in an order that sorts. */
export function moment(iso: string): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return "–";
  const two = (part: number) => String(part).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}
