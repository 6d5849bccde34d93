/**
 * A Hugging Face folder in the layout of AWQ (AutoAWQ, `gemm`): codes of four bits packed in 32-bit words along the outputs, in
 * the order that its kernels read. Source: AutoAWQ, `modules/linear/gemm.py`, `WQLinear_GEMM.from_linear`.
 */
import * as z from "zod";
import { awqBits, awqCodesPerWord, getAwqPlace } from "../coding/awqOrder";
import { type WordLine, writeCode } from "../coding/packedWords";
import type { HostTensor } from "../checkpoints/safetensors";
import type { ModelShape } from "../models/model";
import type { MatrixSpec } from "../representations/representation";
import type { CodedMatrix } from "./codedMatrix";
import {
  createSingleCodingRule,
  defineQuantizedFolder,
  folderOptions,
  getFirstCoding,
  listDenseModules,
  refuseCodes,
} from "./quantizedFolder";

const optionsSchema = z.strictObject({
  ...folderOptions,
  dtype: z
    .enum(["float16", "bfloat16"])
    .default("float16")
    .describe("Type of the scales and of all weights that are not quantized; readers have no others."),
});

const [bits, perWord] = [awqBits, awqCodesPerWord];
const groupSizes = [16, 32, 64, 128];

export default defineQuantizedFolder<z.output<typeof optionsSchema>>({
  title: "Hugging Face folder with AWQ's codes",
  options: optionsSchema,
  samples: [{}, { dtype: "bfloat16", max_shard_size: "8KB" }],
  formName: "form in AWQ's layout",
  refuses: refuseShape,
  tensorsOf: packModule,
  createConfig,
});

function refuseShape(shape: ModelShape): string | undefined {
  const refuseOther = createSingleCodingRule();
  return refuseCodes(shape, (coding, matrix) => {
    if (matrix.kind !== "projection") return "the format quantizes only the matrices of the layers";
    if (matrix.layout === "in_out")
      return "this matrix is a Conv1D layer in transformers, which AWQ does not quantize";
    if (coding.bits !== bits) return `the format has codes of ${bits} bits`;
    if (coding.groupSize !== undefined && !groupSizes.includes(coding.groupSize))
      return `the format has groups of ${groupSizes.join(", ")}, or one`;
    if (matrix.outputs % perWord !== 0)
      return `its ${matrix.outputs} outputs have to be a multiple of ${perWord}`;
    return refuseOther(coding, matrix);
  });
}

function createConfig(shape: ModelShape): Record<string, unknown> {
  return {
    quant_method: "awq",
    version: "gemm",
    bits,
    group_size: getFirstCoding(shape).groupSize ?? -1,
    // Every group has a zero point in the file; that of symmetric codes is half of the range.
    zero_point: true,
    modules_to_not_convert: listDenseModules(shape),
  };
}

/** [inputs, outputs / 8] codes, [groups, outputs / 8] zero points, [groups, outputs] scales. */
function packModule(
  { name, inputs, outputs }: MatrixSpec,
  { codes, scales, zeros }: CodedMatrix,
): (readonly [string, HostTensor])[] {
  const groups = scales.length / outputs;
  const [half, width] = [2 ** (bits - 1), outputs / perWord];
  const pack = (rows: number, codeAt: (row: number, output: number) => number): Int32Array => {
    const words = new Int32Array(rows * width);
    for (let row = 0; row < rows; row++) {
      const line: WordLine = { words, at: row * width, stride: 1, bits };
      for (let output = 0; output < outputs; output++)
        writeCode(line, getAwqPlace(output), codeAt(row, output) + half);
    }
    return words;
  };
  const byGroup = Float32Array.from(
    { length: scales.length },
    (_, i) => scales[(i % outputs) * groups + Math.floor(i / outputs)]!,
  );
  return [
    [
      `${name}.qweight`,
      {
        shape: [inputs, width],
        data: pack(inputs, (input, output) => codes[output * inputs + input]!),
      },
    ],
    [
      `${name}.qzeros`,
      {
        shape: [groups, width],
        data: pack(groups, (group, output) => zeros?.[output * groups + group] ?? 0),
      },
    ],
    [`${name}.scales`, { shape: [groups, outputs], data: byGroup }],
  ];
}
