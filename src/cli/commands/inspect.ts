/** `lathe inspect MODEL`: what a model is made of, matrix by matrix, and what it weighs. */
import { countModel } from "../../backend/models/accounting";
import { dimensionsOf } from "../../backend/models/model";
import { countNonZeros } from "../../backend/representations/representation";
import { dtypeOf, type HostTensor, type HostTensors } from "../../backend/checkpoints/safetensors";
import type { FileTensor } from "../../backend/imports/tensorFiles";
import { defineCommand } from "../command";
import { formatCountsTable } from "../countsTable";
import {
  checkpointOption,
  loadModel,
  modelArgument,
  type ModelOptions,
  readingOptions,
} from "../modelArgument";
import { formatCount, formatNumber } from "../../protocol/quantities";
import { formatTable } from "../table";
import { toPlainLine, type Terminal } from "../terminal";

export default defineCommand<readonly [string], ModelOptions & { readonly tensors?: boolean }>({
  summary: "show the parts of a model: roles, representations, counts",
  arguments: [modelArgument],
  options: [
    ["--tensors", "also a line for each tensor of the model, and for each in its files"],
    checkpointOption,
    ...readingOptions,
  ],
  async run({ args: [text], options, terminal }) {
    const { shape, tensors, source, file, run, fileTensors = [] } = await loadModel(text, options, terminal);
    const counts = countModel(shape, {
      tensors: (name) => tensors.get(name)!.data as Float32Array | Uint8Array,
      ...(file === undefined ? {} : { file }),
    });
    const sizes = dimensionsOf(shape);
    const tensorSummaries = summarizeTensors(tensors);
    const head = [
      `${shape.family}: ${sizes.layers} layers, width ${sizes.width}, ${sizes.heads} heads` +
        `${sizes.kvHeads === sizes.heads ? "" : ` (${sizes.kvHeads} for keys and values)`}, ` +
        `vocabulary ${formatCount(sizes.vocabulary)}, context ${formatCount(sizes.context)}`,
      toPlainLine(source),
    ].join("\n");
    return {
      document: {
        model: source,
        ...(run === undefined ? {} : { run }),
        model_type: shape.family,
        config: shape.config,
        dimensions: sizes,
        non_embedding: counts.nonEmbedding,
        total: counts.total,
        roles: counts.roles,
        tensors: tensorSummaries,
        file_tensors: fileTensors,
      },
      text: [
        head,
        formatCountsTable(undefined, counts, terminal, true),
        ...(options.tensors === true ? [formatTensorTable(tensorSummaries, terminal)] : []),
        ...(options.tensors === true && fileTensors.length > 0
          ? [formatFileTable(fileTensors, terminal)]
          : []),
      ].join("\n\n"),
    };
  },
});

interface TensorSummary {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly number[];
  readonly non_zero: number;
  readonly mean: number;
  readonly deviation: number;
  readonly lowest: number;
  readonly highest: number;
}

function summarizeTensors(tensors: HostTensors): TensorSummary[] {
  return [...tensors].map(([name, tensor]) => ({ name, ...computeStatistics(tensor) }));
}

function computeStatistics(tensor: HostTensor): Omit<TensorSummary, "name"> {
  const { shape, data } = tensor;
  let [sum, squares, lowest, highest] = [0, 0, Infinity, -Infinity];
  for (const each of data) {
    sum += each;
    squares += each * each;
    lowest = Math.min(lowest, each);
    highest = Math.max(highest, each);
  }
  const mean = sum / data.length;
  return {
    type: dtypeOf(tensor),
    shape,
    non_zero: data instanceof Int32Array ? data.filter((each) => each !== 0).length : countNonZeros(data),
    mean,
    deviation: Math.sqrt(Math.max(0, squares / data.length - mean * mean)),
    lowest,
    highest,
  };
}

function formatTensorTable(tensors: readonly TensorSummary[], terminal: Terminal): string {
  return formatTable(
    ["tensor", "type", "shape", "non-zero", "mean", "deviation", "lowest", "highest"],
    tensors.map(({ name, type, shape, non_zero, mean, deviation, lowest, highest }) => [
      toPlainLine(name),
      type,
      shape.join("×"),
      formatCount(non_zero),
      ...[mean, deviation, lowest, highest].map((value) => formatNumber(value)),
    ]),
    terminal,
  );
}

function formatFileTable(tensors: readonly FileTensor[], terminal: Terminal): string {
  return formatTable(
    ["in the file", "stored as", "shape", "bytes", "used"],
    tensors.map(({ name, dtype, shape, bytes, used }) => [
      toPlainLine(name),
      dtype,
      shape.join("×"),
      formatCount(bytes),
      used ? "yes" : "no",
    ]),
    terminal,
  );
}
