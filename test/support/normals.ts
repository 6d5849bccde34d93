import { uniform } from "./sampleValues";

/** Standard normal numbers (Box and Muller), the same for the same seed everywhere. */
export function normals(count: number, seed: number): Float32Array {
  const next = uniform(seed);
  return Float32Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
  );
}
