/** Short ways to write down the tensors of a family. */
import type { Init, MatrixSpec, ParameterSpec } from "../representations/representation";

type Sizes = Pick<MatrixSpec, "inputs" | "outputs" | "axes" | "init">;

export function embedding(role: string, name: string, sizes: Sizes): MatrixSpec {
  return { role, name, layout: "in_out", kind: "embedding", bias: false, ...sizes };
}

export function head(sizes: Sizes): MatrixSpec {
  return { role: "lm_head", name: "lm_head", layout: "out_in", kind: "head", bias: false, ...sizes };
}

/** The parts of a packed matrix, side by side in the order given: role, columns, axis label. */
export function packed(parts: readonly (readonly [string, number, string])[]): Pick<MatrixSpec, "parts"> {
  let to = 0;
  return { parts: parts.map(([role, size, axis]) => ({ role, from: to, to: (to += size), axis })) };
}

/** A norm's weight, which starts at one, or its bias, which starts at zero. */
export function norm(
  role: string,
  name: string,
  width: number,
  init: Init["kind"] & ("ones" | "zeros"),
): ParameterSpec {
  return {
    name,
    shape: [width],
    dtype: "float32",
    init: { kind: init },
    trainable: true,
    decay: false,
    role,
    embedding: false,
    axes: ["hidden"],
  };
}

/** 0, 1, …, count - 1. */
export function range(count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => i);
}
