/** The forward pass as one ONNX file with its weights inside and standard operators only, for any runtime. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import type { Graph } from "../graph/graph";
import { encodeOnnx } from "../graph/onnx";
import { input, type Shape, sizeOf, type Value } from "../graph/op";
import { cast } from "../graph/ops/elementwise";
import { reshape } from "../graph/ops/movement";
import { cacheType, KeyValueCache } from "../models/keyValueCache";
import { refuseClassifier } from "../models/classifier";
import { dimensionsOf, forward, type ModelShape, parametersOf, valueOf } from "../models/model";
import { writeConfig, writeTokenizer } from "./companions";
import { defineExporter } from "./exporter";
import { plainShape, plainTensors } from "./plainTensors";

const options = z.strictObject({
  sequence_len: z
    .int()
    .positive()
    .optional()
    .describe(
      "Tokens that the graph takes, and places for those of the past; the model's context, but at most 1024, when left out.",
    ),
  batch_size: z.int().positive().default(1).describe("Rows of tokens that the graph takes."),
  input_type: z
    .enum(["int64", "int32"])
    .default("int64")
    .describe("Type of the token ids; int64 is what most programs feed."),
  with_past: z
    .boolean()
    .default(false)
    .describe(
      "Also write decoder_with_past_model.onnx: one token at a time, with the keys and values of those before.",
    ),
});
type Options = z.output<typeof options>;

/** A protobuf message ends at 2 GiB; the graph itself needs a little of it. */
const mostBytes = 2 ** 31 - 2 ** 24;

export default defineExporter<Options>({
  title: "ONNX file of the forward pass",
  options,
  samples: [{}, { sequence_len: 5, batch_size: 2, input_type: "int32", with_past: true }],
  form: "graph",
  write: async (subject, given, folder) => {
    const shape = plainShape(subject.shape);
    refuseClassifier(shape, "this export has no graph for it; safetensors has");
    refuseLarge(shape);
    const weights = new Map(
      [...plainTensors(subject)].map(([name, { data }]) => [name, data as Float32Array]),
    );
    const write = (name: string, graph: Graph) =>
      writeFileSync(join(folder, name), encodeOnnx(graph, { portable: true, weights }));
    write("model.onnx", forwardGraph(shape, given));
    if (given.with_past) write("decoder_with_past_model.onnx", stepGraph(shape, given));
    writeConfig(subject, folder);
    writeTokenizer(subject, folder);
    return [];
  },
});

/** `input_ids` [batch, time] → `logits` [batch, time, vocabulary]. */
function forwardGraph(shape: ModelShape, given: Options): Graph {
  const { vocabulary } = dimensionsOf(shape);
  const [batch, time] = sizesOf(shape, given);
  const tokens = ids("input_ids", [batch, time], given);
  const logits = forward(shape, weightsOf(shape), { tokens });
  return { outputs: { logits: reshape(logits, { shape: [batch, time, vocabulary] }) } };
}

/**
 * `input_ids` and `position_ids` [batch, 1], `past_key_values.<layer>.key` and `.value` [batch, kvHeads, slots, headDim] →
 * `logits` [batch, 1, vocabulary] and `present.<layer>.…`, the past with the token at its position. Slots after the
 * position are not read, so a past begins as zeros.
 */
function stepGraph(shape: ModelShape, given: Options): Graph {
  const dimensions = dimensionsOf(shape);
  const { vocabulary, kvHeads, headDim } = dimensions;
  const [batch, slots] = sizesOf(shape, given);
  const positions = ids("position_ids", [batch, 1], given);
  const table = [batch, kvHeads, slots, headDim];
  const cache = new KeyValueCache(dimensions, { batch, slots }, positions, (name) =>
    reshape(input(`past_key_values.${name}`, table), {
      shape: cacheType(dimensions, { batch, slots }).shape,
    }),
  );
  const tokens = ids("input_ids", [batch, 1], given);
  const logits = forward(shape, weightsOf(shape), { tokens, positions, cache });
  const present = [...cache.next].map(([name, next]) => [`present.${name}`, reshape(next, { shape: table })]);
  return {
    outputs: {
      logits: reshape(logits, { shape: [batch, 1, vocabulary] }),
      ...(Object.fromEntries(present) as Graph["outputs"]),
    },
  };
}

function sizesOf(shape: ModelShape, { sequence_len, batch_size }: Options): [batch: number, time: number] {
  return [batch_size, sequence_len ?? Math.min(dimensionsOf(shape).context, 1024)];
}

function ids(name: string, size: Shape, { input_type }: Options): Value {
  const given = input(name, size, input_type);
  return input_type === "int32" ? given : cast(given, { to: "int32" });
}

function weightsOf(shape: ModelShape): (name: string) => Value {
  const values = new Map(parametersOf(shape).map((spec) => [spec.name, valueOf(spec)]));
  return (name) => values.get(name)!;
}

function refuseLarge(shape: ModelShape): void {
  const bytes = parametersOf(shape).reduce((total, spec) => total + 4 * sizeOf(spec.shape), 0);
  if (bytes <= mostBytes) return;
  throw new WorkbenchError(
    "unsupported",
    `The weights take ${(bytes / 2 ** 30).toFixed(1)} GiB, and an ONNX file holds at most 2. Export as safetensors.`,
  );
}
