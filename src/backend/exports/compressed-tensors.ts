/**
 * A Hugging Face folder in the format `pack-quantized` of compressed-tensors: codes packed in 32-bit words along the inputs,
 * zero points along the outputs, scales by output. Source: compressed-tensors, `compressors/…/pack_quantized`.
 */
import * as z from "zod";
import { countWords, type WordLine, writeCode } from "../coding/packedWords";
import type { HostTensor } from "../checkpoints/safetensors";
import { listMatrixSlots, type ModelShape } from "../models/model";
import type { MatrixSpec } from "../representations/representation";
import { type CodedMatrix, type Coding, describeCoding, findCoding, isCoded } from "./codedMatrix";
import { defineQuantizedFolder, folderOptions, listDenseModules, refuseCodes } from "./quantizedFolder";

const optionsSchema = z.strictObject(folderOptions);

export default defineQuantizedFolder<z.output<typeof optionsSchema>>({
  title: "Hugging Face folder with compressed-tensors' packed codes",
  options: optionsSchema,
  samples: [{}, { dtype: "float32", max_shard_size: "8KB" }],
  formName: "packed form",
  refuses: (shape) =>
    refuseCodes(shape, (_, matrix) =>
      matrix.layout === "in_out"
        ? "this matrix is a Conv1D layer in transformers, which compressed-tensors does not quantize"
        : undefined,
    ),
  tensorsOf: packModule,
  createConfig,
  listNotices: (shape) =>
    listMatrixSlots(shape)
      .filter(isCoded)
      .every((slot) => (findCoding(slot) as Coding).symmetric)
      ? []
      : ["transformers 5.24 with compressed-tensors 0.20.1 does not load packed zero points."],
});

/** One group of modules for each coding. A single one targets all linear layers but those that are listed. */
function createConfig(shape: ModelShape): Record<string, unknown> {
  const modules = new Map<string, { readonly coding: Coding; readonly names: string[] }>();
  for (const slot of listMatrixSlots(shape).filter(isCoded)) {
    const coding = findCoding(slot) as Coding;
    const group = modules.get(describeCoding(coding)) ?? { coding, names: [] };
    group.names.push(slot.matrix.name);
    modules.set(describeCoding(coding), group);
  }
  return {
    quant_method: "compressed-tensors",
    format: "pack-quantized",
    quantization_status: "compressed",
    config_groups: Object.fromEntries(
      [...modules.values()].map(({ coding, names }, i) => [
        `group_${i}`,
        {
          targets: modules.size === 1 ? ["Linear"] : names,
          weights: {
            num_bits: coding.bits,
            type: "int",
            symmetric: coding.symmetric,
            strategy: coding.groupSize === undefined ? "channel" : "group",
            group_size: coding.groupSize ?? null,
            dynamic: false,
          },
          input_activations: null,
          output_activations: null,
        },
      ]),
    ),
    ignore: listDenseModules(shape),
    kv_cache_scheme: null,
  };
}

/** [outputs, words] codes, [outputs, groups] scales, [words, groups] zero points, and the size of the matrix. */
function packModule(
  { name, inputs, outputs }: MatrixSpec,
  { bits, codes, scales, zeros }: CodedMatrix,
): (readonly [string, HostTensor])[] {
  const groups = scales.length / outputs;
  const half = 2 ** (bits - 1);
  const width = countWords(inputs, bits);
  const packed = new Int32Array(outputs * width);
  for (let output = 0; output < outputs; output++) {
    const line: WordLine = { words: packed, at: output * width, stride: 1, bits };
    for (let input = 0; input < inputs; input++)
      writeCode(line, input, codes[output * inputs + input]! + half);
  }
  const height = countWords(outputs, bits);
  const packedZeros = new Int32Array(height * groups);
  if (zeros !== undefined)
    for (let group = 0; group < groups; group++) {
      const line: WordLine = { words: packedZeros, at: group, stride: groups, bits };
      for (let output = 0; output < outputs; output++)
        writeCode(line, output, zeros[output * groups + group]! + half);
    }
  return [
    [`${name}.weight_packed`, { shape: [outputs, width], data: packed }],
    [`${name}.weight_scale`, { shape: [outputs, groups], data: scales }],
    ...(zeros === undefined
      ? []
      : ([[`${name}.weight_zero_point`, { shape: [height, groups], data: packedZeros }]] as const)),
    [`${name}.weight_shape`, { shape: [2], data: Int32Array.of(outputs, inputs) }],
  ];
}
