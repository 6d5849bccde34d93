/**
 * A Hugging Face folder in the layout of GPTQ (AutoGPTQ, GPTQModel): codes packed in 32-bit words along the inputs, zero
 * points along the outputs, scales by group. Source: AutoGPTQ, `qlinear_cuda.py`, `QuantLinear.pack`.
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { countWords, type WordLine, writeCode } from "../coding/packedWords";
import type { HostTensor } from "../checkpoints/safetensors";
import { listMatrixSlots, type ModelShape } from "../models/model";
import type { MatrixSpec } from "../representations/representation";
import type { CodedMatrix } from "./codedMatrix";
import {
  createSingleCodingRule,
  defineQuantizedFolder,
  folderOptions,
  getFirstCoding,
  refuseCodes,
} from "./quantizedFolder";

const optionsSchema = z.strictObject({
  ...folderOptions,
  checkpoint_format: z
    .enum(["gptq", "gptq_v2"])
    .default("gptq")
    .describe(
      "gptq stores each zero point less one, which cannot express a zero point of 0; gptq_v2 stores it as it is.",
    ),
});
type Options = z.output<typeof optionsSchema>;

const supportedBits = [2, 3, 4, 8];

export default defineQuantizedFolder<Options>({
  title: "Hugging Face folder with GPTQ's codes",
  options: optionsSchema,
  samples: [{}, { dtype: "float32", checkpoint_format: "gptq_v2" }],
  formName: "form in GPTQ's layout",
  refuses: refuseShape,
  tensorsOf: packModule,
  createConfig,
});

function refuseShape(shape: ModelShape): string | undefined {
  const refuseOther = createSingleCodingRule();
  const refusal = refuseCodes(shape, (coding, matrix) => {
    if (matrix.kind !== "projection") return "the format quantizes only the matrices of the layers";
    if (matrix.layout === "in_out")
      return "this matrix is a Conv1D layer in transformers, which its GPTQ kernels do not read";
    if (!supportedBits.includes(coding.bits))
      return `the format has codes of ${supportedBits.join(", ")} bits`;
    if (matrix.inputs % 32 !== 0 || matrix.outputs % 32 !== 0)
      return `its ${matrix.inputs} inputs and ${matrix.outputs} outputs have to be multiples of 32`;
    return refuseOther(coding, matrix);
  });
  if (refusal !== undefined) return refusal;
  const dense = listMatrixSlots(shape).find(
    (slot) =>
      slot.matrix.kind === "projection" &&
      !slot.stored.some(({ type }) => type === "quantised" || type === "sliced"),
  );
  return dense === undefined
    ? undefined
    : `${dense.matrix.role} is not quantized, and the format quantizes all matrices of the layers`;
}

function createConfig(shape: ModelShape, { checkpoint_format: format }: Options): Record<string, unknown> {
  const coding = getFirstCoding(shape);
  return {
    quant_method: "gptq",
    bits: coding.bits,
    group_size: coding.groupSize ?? -1,
    sym: coding.symmetric,
    desc_act: false,
    static_groups: false,
    true_sequential: true,
    lm_head: false,
    checkpoint_format: format,
    pack_dtype: "int32",
  };
}

/** [inputs · bits / 32, outputs] codes, [groups, outputs · bits / 32] zero points, [groups, outputs] scales, [inputs] groups. */
function packModule(
  { name, inputs, outputs }: MatrixSpec,
  { bits, codes, scales, zeros }: CodedMatrix,
  { checkpoint_format: format }: Options,
): (readonly [string, HostTensor])[] {
  const groups = scales.length / outputs;
  const half = 2 ** (bits - 1);
  const [codeWords, zeroWords] = [countWords(inputs, bits), countWords(outputs, bits)];
  const qweight = new Int32Array(codeWords * outputs);
  const qzeros = new Int32Array(groups * zeroWords);
  const byGroup = new Float32Array(scales.length);
  for (let output = 0; output < outputs; output++) {
    const line: WordLine = { words: qweight, at: output, stride: outputs, bits };
    for (let input = 0; input < inputs; input++)
      writeCode(line, input, codes[output * inputs + input]! + half);
  }
  for (let group = 0; group < groups; group++) {
    const line: WordLine = { words: qzeros, at: group * zeroWords, stride: 1, bits };
    for (let output = 0; output < outputs; output++) {
      byGroup[group * outputs + output] = scales[output * groups + group]!;
      const zero = (zeros?.[output * groups + group] ?? 0) + half;
      if (format === "gptq" && zero === 0)
        throw new WorkbenchError(
          "unsupported",
          `${name} has a zero point at the lowest code, which this layout cannot express. Set checkpoint_format: gptq_v2.`,
        );
      writeCode(line, output, format === "gptq" ? zero - 1 : zero);
    }
  }
  return [
    [`${name}.qweight`, { shape: [codeWords, outputs], data: qweight }],
    [`${name}.qzeros`, { shape: [groups, zeroWords], data: qzeros }],
    [`${name}.scales`, { shape: [groups, outputs], data: byGroup }],
    [
      `${name}.g_idx`,
      {
        shape: [inputs],
        data: Int32Array.from({ length: inputs }, (_, i) => Math.floor((i * groups) / inputs)),
      },
    ],
  ];
}
