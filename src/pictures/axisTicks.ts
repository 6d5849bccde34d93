/**
 * Round numbers along an axis: multiples of 1, 2 or 5 times a power of ten, or powers of ten if it is logarithmic.
 */
export function computeLinearTicks(from: number, to: number, maxTicks: number): number[] {
  const range = to - from;
  if (!(range > 0)) return [from];
  const minStep = range / Math.max(1, maxTicks);
  const power = 10 ** Math.floor(Math.log10(minStep));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= minStep) ?? 10);
  const first = Math.ceil(from / step - 1e-9);
  const last = Math.floor(to / step + 1e-9);
  // Multiplied, since sums of steps would drift away from round numbers; also avoids negative zero.
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => (first + i) * step + 0);
}

export function computePowerTicks(to: number): number[] {
  const powers = Math.max(1, Math.ceil(Math.log10(Math.max(1, to))));
  const interval = Math.ceil(powers / 5);
  return Array.from({ length: Math.floor(powers / interval) + 1 }, (_, i) => 10 ** (i * interval));
}
