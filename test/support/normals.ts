import { draw } from "../../src/backend/models/initialize";

/** Standard normal numbers, the same for the same seed everywhere. */
export function drawNormals(count: number, seed: number): Float32Array {
  const init = { kind: "normal", std: 1 } as const;
  return draw({ name: "normals", shape: [count], dtype: "float32", init }, seed) as Float32Array;
}
