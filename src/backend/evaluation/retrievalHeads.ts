/**
 * Finds the heads of a model that retrieve: in a text of random tokens that repeats four times, echo heads attend to earlier
 * copies of a token, and induction heads to the tokens after them (RazorAttention, arXiv 2407.15891). As in the authors'
 * code, a score is the sum of these weights, averaged over all tokens after their first copy, and one more random
 * token is in front, which takes the attention that the start of a text gets.
 */
import { WorkbenchError } from "../../protocol/errors";
import type { HeadScores } from "../caches/policy";
import type { Engine } from "../engine/engine";
import { constant, input, scalar, type Value } from "../graph/op";
import { mul } from "../graph/ops/elementwise";
import { sum } from "../graph/ops/reduction";
import { buildInferenceForward, toInferenceTensors } from "../models/inference";
import { dimensionsOf, type ModelShape } from "../models/model";
import { createRandomOrder } from "../representations/randomStream";
import { disposeAll, pickTensors } from "../training/evaluateLoss";
import { uploadAll } from "../training/feeds";
import type { ChosenCache, Inference } from "./inference";
import type { Subject } from "./metric";

const copies = 4;
/** The same for every run, so that a model has the same heads wherever it is measured. */
const seed = 0;

/** Completes the cache of an inference with the heads that keep all tokens, which its policy may need. */
export async function findRetrievalHeads(
  engine: Engine,
  subject: Pick<Subject, "shape" | "tensors">,
  inference: Inference,
  signal: AbortSignal,
): Promise<Inference> {
  const { cache } = inference;
  const retrieval = cache?.policy.retrieval;
  if (cache === undefined || retrieval === undefined || cache.heads !== undefined) return inference;
  if (signal.aborted) throw new WorkbenchError("cancelled", "The evaluation was stopped.");
  const { kvHeads } = dimensionsOf(subject.shape);
  const headScores = await scoreHeads(engine, subject, retrieval.countTokens(cache.options));
  const heads = retrieval.choose(headScores, kvHeads, cache.options);
  return { ...inference, cache: { ...cache, heads, headScores } };
}

/** One line: which heads keep all tokens. */
export function describeRetrievalHeads({ name, heads, headScores }: ChosenCache): string | undefined {
  if (heads === undefined) return undefined;
  const count = heads.reduce((total, { length }) => total + length, 0);
  const lists = heads.flatMap((each, layer) =>
    each.length === 0 ? [] : [`layer ${layer}: ${each.join(", ")}`],
  );
  const where = lists.length === 0 ? "" : ` (${lists.join("; ")})`;
  return `cache ${name}: ${count} key-value ${count === 1 ? "head keeps" : "heads keep"} all tokens${where}${headScores === undefined ? ", as given" : ", found by their attention to repeated tokens"}`;
}

/** Number of different tokens in the text that finds heads. Refuses a model that is too small for such a text. */
export function countProbeTokens(shape: ModelShape, most: number): number {
  const { context, vocabulary } = dimensionsOf(shape);
  const count = Math.min(most, Math.floor((context - 1) / copies), vocabulary - 1);
  if (count >= 2) return count;
  throw new WorkbenchError(
    "unsupported",
    `Retrieval heads are found by two or more tokens that repeat four times, but the model has a context of ${context} tokens and a vocabulary of ${vocabulary}. List the heads in inference.cache.razor.heads.`,
  );
}

/** Scores the query heads by a text of `most` different tokens, or fewer if the context is too short for four copies. */
export async function scoreHeads(
  engine: Engine,
  { shape, tensors }: Pick<Subject, "shape" | "tensors">,
  most: number,
): Promise<HeadScores> {
  const { vocabulary, layers } = dimensionsOf(shape);
  const count = countProbeTokens(shape, most);
  const [first, ...repeated] = createRandomOrder(vocabulary, "retrieval heads", seed).subarray(0, count + 1);
  const tokens = Int32Array.from([first!, ...Array.from({ length: copies }, () => repeated).flat()]);
  const outputs: Record<string, Value> = {};
  const rows = input("rows", [1], "int32");
  buildInferenceForward(
    shape,
    { tokens: input("tokens", [1, tokens.length], "int32") },
    {
      rows,
      onAttention: (weights) => {
        const layer = Object.keys(outputs).length / 2;
        outputs[`${layer}.echo`] = scoreWeights(weights, count, "echo");
        outputs[`${layer}.induction`] = scoreWeights(weights, count, "induction");
      },
    },
  );
  await using program = await engine.compile({ outputs });
  const weights = uploadAll(engine, toInferenceTensors(shape, tensors));
  const fed = {
    tokens: engine.upload({ dtype: "int32", shape: [1, tokens.length] }, tokens),
    rows: engine.upload({ dtype: "int32", shape: [1] }, new Int32Array(1)),
  };
  const results = await program.run(pickTensors(program.inputs, { ...weights, ...fed }));
  const read = (kind: "echo" | "induction") =>
    Promise.all(
      Array.from({ length: layers }, async (_, layer) => [
        ...((await results[`${layer}.${kind}`]!.read()) as Float32Array),
      ]),
    );
  const scores = { echo: await read("echo"), induction: await read("induction") };
  for (const each of [weights, fed, results]) disposeAll(each);
  return scores;
}

/** The score of each head [heads] by its weights [1, heads, time, time] in the text of `scoreHeads`. */
export function scoreWeights(weights: Value, count: number, kind: "echo" | "induction"): Value {
  const time = weights.type.shape[3]!;
  const counted = new Float32Array(time * time);
  const offset = kind === "echo" ? 0 : 1;
  for (let query = count + 1; query < time; query++)
    for (let copy = query - count; copy >= 1; copy -= count) counted[query * time + copy + offset] = 1;
  const total = sum(mul(weights, constant(counted, [1, 1, time, time])), {
    axes: [0, 2, 3],
    keepDims: false,
  });
  return mul(total, scalar(1 / (time - 1 - count)));
}
