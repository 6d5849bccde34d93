/** A single matrix, for tests of representations and methods. */
import type { MatrixSpec } from "../../src/backend/representations/representation";

/** An up projection of the first layer, from the residual stream to its channels, unless `changes` overrides this. */
export function createMatrixSpec(
  inputs: number,
  outputs: number,
  changes: Partial<Omit<MatrixSpec, "inputs" | "outputs" | "axes">> = {},
): MatrixSpec {
  return {
    role: "layers.0.mlp.up_proj",
    name: "up",
    purpose: "up",
    layer: 0,
    layout: "out_in",
    kind: "projection",
    bias: false,
    init: { kind: "normal", std: 0.02 },
    ...changes,
    inputs,
    outputs,
    axes: [
      { kind: "hidden", units: inputs, unit: 1 },
      { kind: "channels", layer: 0, units: outputs, unit: 1 },
    ],
  };
}
