/** Quantities as short as a line over a cell wants them. */

export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** Decimal units, as disks are sold. */
export function bytes(value: number): string {
  return scaled(value, ["B", "kB", "MB", "GB", "TB", "PB"]);
}

export function flops(value: number): string {
  return scaled(value, ["FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP", "EFLOP"]);
}

export function share(part: number, whole: number): string {
  return whole === 0 ? "0 %" : `${((100 * part) / whole).toFixed(1)} %`;
}

function scaled(value: number, units: readonly string[]): string {
  const power = value < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(value) / 3));
  const number = value / 1000 ** power;
  return `${power === 0 || number >= 100 ? Math.round(number) : number.toPrecision(2)} ${units[power]!}`;
}
