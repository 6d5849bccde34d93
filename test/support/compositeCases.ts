/** Graphs that contain calls of composites: their own samples, and the gradients of operations. */
import { gradients } from "../../src/backend/graph/autodiff";
import { bodyOf, isCall, outputOf } from "../../src/backend/graph/composite";
import { composites } from "../../src/backend/graph/composites/catalog";
import { type Graph, sortTopologically } from "../../src/backend/graph/graph";
import type { AnyComposite, AnyOp, Value } from "../../src/backend/graph/op";
import { mul } from "../../src/backend/graph/ops/elementwise";
import { sum } from "../../src/backend/graph/ops/reduction";
import { catalogOps, getSamples } from "./catalogOps";
import type { GraphCase } from "./runGraph";
import { applyOp, drawInputs } from "./sampleValues";

const isComposite = (candidate: unknown): candidate is AnyComposite =>
  typeof candidate === "function" && "body" in candidate && "samples" in candidate;

export const catalogComposites: readonly AnyComposite[] = Object.values(composites).flatMap((file) =>
  Object.values(file).filter(isComposite),
);

export const listCalls = ({ outputs }: Graph) => sortTopologically(Object.values(outputs)).filter(isCall);

/** Every output of a sample, and the gradients of the first one in each float32 input. */
function createCases(op: AnyOp): GraphCase[] {
  return getSamples(op).map((sample, number) => {
    const drawn = drawInputs(sample, 100 + number);
    const inputs = drawn.map(({ value }) => value);
    const y = applyOp(op, inputs, sample.attrs);
    const outputs: Record<string, Value> = { y };
    if (isCall(y)) bodyOf(y).outputs.forEach((_, i) => (outputs[`output ${i}`] = outputOf(y, i)));
    if (typeof op.gradient !== "string" && y.type.dtype === "float32") {
      const loss = sum(mul(y, y), { axes: y.type.shape.map((_, axis) => axis), keepDims: false });
      // An attention whose bias is trained has only the gradient of its body.
      const wrt = inputs.filter(({ kind }, i) => kind === "parameter" && !(isCall(y) && i === 3));
      gradients(loss, wrt).forEach((gradient, i) => (outputs[`gradient ${i}`] = gradient));
    }
    return { title: `${op.name}, sample ${number}`, graph: { outputs }, drawn };
  });
}

export const compositeCases: readonly GraphCase[] = [...catalogComposites, ...catalogOps]
  .flatMap(createCases)
  .filter(({ graph }) => listCalls(graph).length > 0);
