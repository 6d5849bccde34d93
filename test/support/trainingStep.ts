/** A small training step with known parts: two matrices, momentum, and optional clipping by global norm. */
import { gradients } from "../../src/backend/graph/autodiff";
import type { Graph } from "../../src/backend/graph/graph";
import { constant, input, parameter, scalar, sizeOf, type Value } from "../../src/backend/graph/op";
import { add, div, maximum, mul, sqrt, sub, tanh } from "../../src/backend/graph/ops/elementwise";
import { matmul } from "../../src/backend/graph/ops/matmul";
import { mean, sum } from "../../src/backend/graph/ops/reduction";
import type { Engine, Tensor } from "../../src/backend/engine/engine";
import { createUniform } from "./sampleValues";

const all = { axes: [0, 1], keepDims: false };

export interface TrainingStep {
  readonly graph: Graph;
  readonly state: Readonly<Record<string, string>>;
}

export function createTrainingStep({ width = 16, clipped: isClipped = true } = {}): TrainingStep {
  const x = input("x", [8, width]);
  const target = input("target", [8, 4]);
  const learningRate = input("learning_rate", []);
  const weights: Record<string, Value> = {
    up: parameter("up", [width, 2 * width]),
    down: parameter("down", [2 * width, 4]),
  };
  const error = sub(matmul(tanh(matmul(x, weights.up!)), weights.down!), target);
  const loss = mean(mul(error, error), all);
  const rawGradients = gradients(loss, Object.values(weights));
  const norm = sqrt(rawGradients.map((each) => sum(mul(each, each), all)).reduce((a, b) => add(a, b)));
  const scale = isClipped ? div(scalar(1), maximum(norm, scalar(1))) : constant(Float32Array.of(1), []);

  const outputs: Record<string, Value> = { loss };
  const state: Record<string, string> = {};
  Object.entries(weights).forEach(([name, weight], i) => {
    const momentum = input(`momentum.${name}`, weight.type.shape);
    const updatedMomentum = add(mul(momentum, scalar(0.9)), mul(rawGradients[i]!, scale));
    outputs[`momentum.${name}.next`] = updatedMomentum;
    outputs[`${name}.next`] = sub(weight, mul(updatedMomentum, learningRate));
    state[`momentum.${name}.next`] = `momentum.${name}`;
    state[`${name}.next`] = name;
  });
  return { graph: { outputs }, state };
}

/** Seeded tensors for every input of the step: small weights, no momentum, fixed data. */
export function uploadStep(engine: Engine, { width = 16 } = {}): Record<string, Tensor> {
  const random = createUniform(11);
  const upload = (shape: readonly number[], draw: () => number) =>
    engine.upload({ dtype: "float32", shape }, Float32Array.from({ length: sizeOf(shape) }, draw));
  const drawSmall = () => (random() - 0.5) * 0.5;
  return {
    x: upload([8, width], () => random() * 2 - 1),
    target: upload([8, 4], () => random()),
    learning_rate: upload([], () => 0.05),
    up: upload([width, 2 * width], drawSmall),
    down: upload([2 * width, 4], drawSmall),
    "momentum.up": upload([width, 2 * width], () => 0),
    "momentum.down": upload([2 * width, 4], () => 0),
  };
}

/** Runs `count` steps, feeding the state back; returns the losses, and the feeds after the last step. */
export async function runSteps(
  program: { run(feeds: Readonly<Record<string, Tensor>>): Promise<Readonly<Record<string, Tensor>>> },
  state: Readonly<Record<string, string>>,
  feeds: Readonly<Record<string, Tensor>>,
  count: number,
): Promise<{ losses: number[]; feeds: Record<string, Tensor> }> {
  const current = { ...feeds };
  const losses: number[] = [];
  for (let step = 0; step < count; step++) {
    const results = await program.run(current);
    for (const [output, name] of Object.entries(state)) current[name] = results[output]!;
    using loss = results.loss!;
    losses.push(((await loss.read()) as Float32Array)[0]!);
  }
  return { losses, feeds: current };
}
