/** The forward pass as one ONNX file with its weights inside and standard operators only, for any runtime. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import type { Graph } from "../graph/graph";
import { encodeOnnx } from "../graph/onnx";
import { input, sizeOf } from "../graph/op";
import { cast } from "../graph/ops/elementwise";
import { reshape } from "../graph/ops/movement";
import { dimensionsOf, forward, type ModelShape, parametersOf, valueOf } from "../models/model";
import { writeConfig, writeTokenizer } from "./companions";
import { defineExporter } from "./exporter";
import { plainShape, plainTensors } from "./plainTensors";

const options = z.strictObject({
  sequence_len: z
    .int()
    .positive()
    .optional()
    .describe("Tokens that the graph takes; the model's context, but at most 1024, when left out."),
  batch_size: z.int().positive().default(1).describe("Rows of tokens that the graph takes."),
  input_type: z
    .enum(["int64", "int32"])
    .default("int64")
    .describe("Type of the token ids; int64 is what most programs feed."),
});
type Options = z.output<typeof options>;

/** A protobuf message ends at 2 GiB; the graph itself needs a little of it. */
const mostBytes = 2 ** 31 - 2 ** 24;

export default defineExporter<Options>({
  title: "ONNX file of the forward pass",
  options,
  samples: [{}, { sequence_len: 5, batch_size: 2, input_type: "int32" }],
  write: async (subject, given, folder) => {
    const shape = plainShape(subject.shape);
    refuseLarge(shape);
    const graph = forwardGraph(shape, given);
    const weights = new Map(
      [...plainTensors(subject)].map(([name, { data }]) => [name, data as Float32Array]),
    );
    writeFileSync(join(folder, "model.onnx"), encodeOnnx(graph, { portable: true, weights }));
    writeConfig(subject, folder);
    writeTokenizer(subject, folder);
    return [];
  },
});

/** `input_ids` [batch, time] → `logits` [batch, time, vocabulary]. */
function forwardGraph(shape: ModelShape, { sequence_len, batch_size: batch, input_type }: Options): Graph {
  const { context, vocabulary } = dimensionsOf(shape);
  const time = sequence_len ?? Math.min(context, 1024);
  const values = new Map(parametersOf(shape).map((spec) => [spec.name, valueOf(spec)]));
  const ids = input("input_ids", [batch, time], input_type);
  const tokens = input_type === "int32" ? ids : cast(ids, { to: "int32" });
  const logits = forward(shape, (name) => values.get(name)!, { tokens });
  return { outputs: { logits: reshape(logits, { shape: [batch, time, vocabulary] }) } };
}

function refuseLarge(shape: ModelShape): void {
  const bytes = parametersOf(shape).reduce((total, spec) => total + 4 * sizeOf(spec.shape), 0);
  if (bytes <= mostBytes) return;
  throw new WorkbenchError(
    "unsupported",
    `The weights take ${(bytes / 2 ** 30).toFixed(1)} GiB, and an ONNX file holds at most 2. Export as safetensors.`,
  );
}
