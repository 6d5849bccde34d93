/** Logits of a model for a few tokens, computed in plain TypeScript and double precision. */
import type { Checkpoint } from "../../src/backend/checkpoints/checkpoint";
import { evaluateGraph } from "../../src/backend/graph/evaluate";
import { input } from "../../src/backend/graph/op";
import { createValue, dimensionsOf, forward, parametersOf } from "../../src/backend/models/model";

const [batch, time] = [2, 6];

/** [12 · vocabulary], or [12 · classes]. */
export function computePlainLogits({ shape, tensors }: Pick<Checkpoint, "shape" | "tensors">): Float64Array {
  const { vocabulary } = dimensionsOf(shape);
  const tokens = Array.from({ length: batch * time }, (_, i) => (i * 5 + 3) % vocabulary);
  const values = new Map(parametersOf(shape).map((spec) => [spec.name, createValue(spec)]));
  const logits = forward(shape, (name) => values.get(name)!, {
    tokens: input("tokens", [batch, time], "int32"),
  });
  const feeds = Object.fromEntries([...tensors].map(([name, { data }]) => [name, Array.from(data)]));
  return evaluateGraph({ outputs: { logits } }, { ...feeds, tokens })["logits"]!;
}
