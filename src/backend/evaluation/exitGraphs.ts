/** The graphs of a model with exits for one token of one text: consecutive layers, and the keys and values of skipped ones. */
import type { Graph } from "../graph/graph";
import { input, type Value } from "../graph/op";
import { and, cast, lessOrEqual } from "../graph/ops/elementwise";
import { gather, pick } from "../graph/ops/indexing";
import { crossEntropy } from "../graph/ops/loss";
import { softmax } from "../graph/ops/normalization";
import { max } from "../graph/ops/reduction";
import { slice } from "../graph/ops/movement";
import { buildExitLogits, buildExitScores } from "../models/exitForward";
import { exitClasses, getExitLayers } from "../models/exits";
import type { ModelInputs } from "../models/family";
import { createInferenceSource } from "../models/inference";
import { getCacheType, KeyValueCache } from "../models/keyValueCache";
import { buildHiddenStates, dimensionsOf, forward, type ModelShape } from "../models/model";

export interface ExitGraph {
  readonly graph: Graph;
  /** Outputs that are the next values of inputs. */
  readonly state: Readonly<Record<string, string>>;
}

/** What the confidence of an exit is: the probability of its most likely token, or those of its classifier. */
export type Confidence = "probability" | "classifier";

const inference = "engine";

function createInputs(shape: ModelShape, slots: number) {
  const dimensions = dimensionsOf(shape);
  const sizes = { batch: 1, slots };
  const int = (name: string) => input(name, [1, 1], "int32");
  const positions = int("positions");
  const type = getCacheType(dimensions, sizes);
  const cache = new KeyValueCache(dimensions, sizes, positions, (name) => input(`past.${name}`, type.shape));
  const inputs: ModelInputs = { tokens: int("tokens"), positions, cache };
  return {
    inputs,
    cache,
    state: input("state", [1, dimensions.width]),
    source: createInferenceSource(shape),
  };
}

function finish(outputs: Readonly<Record<string, Value>>, cache: KeyValueCache): ExitGraph {
  const next = [...cache.next];
  return {
    graph: {
      outputs: { ...outputs, ...Object.fromEntries(next.map(([name, value]) => [`present.${name}`, value])) },
    },
    state: Object.fromEntries(next.map(([name]) => [`present.${name}`, `past.${name}`])),
  };
}

/**
 * The layers from number `from` up to the exit after `to` layers: `tokens` and `positions` int32 [1, 1], `state` [1, width]
 * unless `from` is 0, and the tables of these layers → `next` [1, width], the state there, their tables, and of the exit its `confidence`:
 * the classifier's probabilities of `exit` and of `stop` [1, 2], or [1, 1] besides the exit's `logits` [1, vocabulary].
 */
export function buildSection(
  shape: ModelShape,
  slots: number,
  { from, to, confidence }: { readonly from: number; readonly to: number; readonly confidence: Confidence },
): ExitGraph {
  const { inputs, cache, state, source } = createInputs(shape, slots);
  const section = { from, to, ...(from === 0 ? {} : { state }) };
  const next = buildHiddenStates(shape, source, inputs, { section, inference });
  if (confidence === "classifier") {
    const shares = softmax(buildExitScores(source, to, next));
    const start = exitClasses.indexOf("exit");
    return finish({ next, confidence: slice(shares, { axis: 1, start, end: exitClasses.length }) }, cache);
  }
  const logits = buildExitLogits(shape, source, inputs, to, next, { inference });
  const top = max(softmax(logits), { axes: [1], keepDims: true });
  return finish({ next, confidence: top, logits }, cache);
}

/** The last layers and the head, from number `from`: the same inputs → `logits` [1, vocabulary] and the tables of these layers. */
export function buildLastSection(shape: ModelShape, slots: number, from: number): ExitGraph {
  const { inputs, cache, state, source } = createInputs(shape, slots);
  const section = { from, ...(from === 0 ? {} : { state }) };
  return finish({ logits: forward(shape, source, inputs, { section, inference }) }, cache);
}

/** The head of the exit after `layer` layers: `state` [1, width] → `logits` [1, vocabulary]. */
export function buildExitHead(shape: ModelShape, layer: number): ExitGraph {
  const { inputs, state, source } = createInputs(shape, 1);
  const logits = buildExitLogits(shape, source, inputs, layer, state, { inference });
  return { graph: { outputs: { logits } }, state: {} };
}

/**
 * State copying: the keys and values of the layers from number `from`, as if `state` [1, width] were the input of each; the
 * tables of these layers.
 */
export function buildStateCopy(shape: ModelShape, slots: number, from: number): ExitGraph {
  const { inputs, cache, state, source } = createInputs(shape, slots);
  // Only the tables become outputs, so nothing of a layer is computed but its keys and values.
  for (let layer = from; layer < dimensionsOf(shape).layers; layer++)
    buildHiddenStates(shape, source, inputs, { section: { state, from: layer, to: layer + 1 }, inference });
  return finish({}, cache);
}

/**
 * Every exit beside the whole model on one text: `tokens` int32 [1, time], `rows` and `labels` int32 [rows] → for each number of
 * layers, those of the exits and then all, `loss.…`, `right.…` and `agreed.…`, [rows]: the cross-entropy of the label, and
 * whether the label, or the whole model's most likely token, is the most likely one.
 */
export function buildExitComparison(shape: ModelShape, time: number, count: number): ExitGraph {
  const source = createInferenceSource(shape);
  const inputs: ModelInputs = { tokens: input("tokens", [1, time], "int32") };
  const [rows, labels] = [input("rows", [count], "int32"), input("labels", [count], "int32")];
  const exits = getExitLayers(shape.config);
  const states: Value[] = [];
  const onLayer = (_: Value, state: Value) => states.push(state);
  const full = forward(shape, source, inputs, { inference, onLayer, rows });
  const all = new Map(
    exits.map((layer) => {
      const state = gather(states[layer - 1]!, rows);
      return [layer, buildExitLogits(shape, source, inputs, layer, state, { inference })] as const;
    }),
  ).set(states.length, full);
  const top = (logits: Value) => max(logits, { axes: [1], keepDims: true });
  const isTop = (logits: Value) => lessOrEqual(top(logits), logits);
  const toNumber = (flags: Value) => cast(flags, { to: "float32" });
  const outputs: Record<string, Value> = {};
  for (const [layer, logits] of all) {
    outputs[`loss.${layer}`] = crossEntropy(logits, labels);
    outputs[`right.${layer}`] = pick(toNumber(isTop(logits)), labels);
    const both = toNumber(and(isTop(logits), isTop(full)));
    outputs[`agreed.${layer}`] = max(both, { axes: [1], keepDims: false });
  }
  return { graph: { outputs }, state: {} };
}
