/**
 * A folder for MLX (mlx-lm): config.json and model.safetensors, as in Hugging Face's folder, or with the codes of a quantized
 * model in MLX's affine form: w = scale · code + bias for each group of inputs, with codes packed in 32-bit words.
 * Source: MLX, `mlx.core.quantize`; mlx-lm, `mlx_lm/utils.py`, `load_model`.
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { narrow, type StoredDtype, widenInto } from "../checkpoints/halfPrecision";
import type { FileTensor } from "../checkpoints/safetensors";
import { countWords, type WordLine, writeCode } from "../coding/packedWords";
import { listMlxKeys, listMlxRounding, refuseMlx, renameForMlx } from "../models/mlxFamilies";
import { hasFileOrder, listMatrixSlots, type ModelShape } from "../models/model";
import type { MatrixSlot } from "../models/weights";
import type { MatrixSpec } from "../representations/representation";
import { type CodedMatrix, type Coding, describeMatrices, findCoding, isCoded } from "./codedMatrix";
import { listHeadSizes } from "./companions";
import { defineExporter } from "./exporter";
import { folderOptions, writeCodedFolder } from "./quantizedFolder";

const optionsSchema = z.strictObject({
  ...folderOptions,
  dtype: folderOptions.dtype.describe(
    "Type of all weights that are not quantized, and of the scales and biases of those that are.",
  ),
});

const groupSizes = [128, 64, 32];
const codeBits = [2, 3, 4, 5, 6, 8];

export default defineExporter<z.output<typeof optionsSchema>>({
  title: "Folder for MLX",
  library: "mlx",
  options: optionsSchema,
  samples: [{ dtype: "float32" }, { dtype: "bfloat16", max_shard_size: "8KB" }],
  form: "dense",
  keeps: ["quantised"],
  refuses: refuseMlx,
  write: async (subject, options, folder) => {
    const { shape } = subject;
    const refusal = refuseMlx(shape);
    if (refusal !== undefined)
      throw new WorkbenchError("unsupported", `After compaction, mlx-lm cannot read the model: ${refusal}.`);
    const coded = listMatrixSlots(shape).filter(isCoded);
    const written = coded.filter((slot) => findForm(shape, slot) !== undefined);
    const roles = new Set(written.map(({ matrix }) => matrix.role));
    const others = coded.filter(({ matrix }) => !roles.has(matrix.role)).map(({ matrix }) => matrix);
    const notices = writeCodedFolder(subject, options, folder, {
      writesCodes: ({ matrix }) => roles.has(matrix.role),
      tensorsOf: (matrix, codes) => packModule(matrix, codes, options.dtype),
      rename: (name) => renameForMlx(shape, name),
      transposes: true,
      config: { ...listHeadSizes(shape), ...listMlxKeys(shape), ...createQuantization(shape, written) },
    });
    return [
      ...notices,
      ...(others.length === 0
        ? []
        : [
            `${describeMatrices(others)}: quantized codes do not fit MLX as they are, so they are written as ${options.dtype}. Codes in groups of a multiple of 32 inputs fit, of any number of bits, with or without zero points.`,
          ]),
      ...listMlxRounding(shape),
    ];
  },
});

/** MLX's form of the codes of a matrix, and how many of its groups each group is divided into. */
interface Form {
  readonly bits: number;
  readonly group_size: number;
}

function findForm(shape: ModelShape, slot: MatrixSlot): Form | undefined {
  const { matrix } = slot;
  const coding = findCoding(slot);
  if (typeof coding === "string" || matrix.kind === "embedding" || hasFileOrder(shape, matrix))
    return undefined;
  return fitForm(coding, matrix.inputs);
}

/** All groups of a matrix have the same size, so a group of MLX is a group or a part of one. */
function fitForm({ bits, groupSize }: Coding, inputs: number): Form | undefined {
  const whole = groupSize ?? inputs;
  const size = groupSizes.find((each) => whole % each === 0);
  if (size === undefined || inputs % whole !== 0) return undefined;
  return { bits: codeBits.find((each) => each >= bits)!, group_size: size };
}

/** `quantization` of config.json: the form of most matrices, and of each other one by its name. */
function createQuantization(shape: ModelShape, slots: readonly MatrixSlot[]): Record<string, unknown> {
  const forms = slots.map((slot) => [slot.matrix.name, findForm(shape, slot)!] as const);
  const describe = ({ bits, group_size }: Form) => `${bits} ${group_size}`;
  const counts = new Map<string, number>();
  for (const [, form] of forms) counts.set(describe(form), (counts.get(describe(form)) ?? 0) + 1);
  const usual = forms.toSorted(([, a], [, b]) => counts.get(describe(b))! - counts.get(describe(a))!)[0]?.[1];
  if (usual === undefined) return {};
  const others = forms
    .filter(([, form]) => describe(form) !== describe(usual))
    .map(([name, form]) => [renameForMlx(shape, `${name}.weight`).replace(/\.weight$/, ""), form] as const);
  return { quantization: { ...usual, mode: "affine", ...Object.fromEntries(others) } };
}

/** [outputs, words] codes, [outputs, groups] scales and biases. */
function packModule(
  { name, inputs, outputs }: MatrixSpec,
  { bits: codedBits, groupSize, symmetric, codes, scales, zeros }: CodedMatrix,
  dtype: StoredDtype,
): (readonly [string, FileTensor])[] {
  const { bits, group_size: size } = fitForm({ bits: codedBits, groupSize, symmetric }, inputs)!;
  const [groups, parts] = [scales.length / outputs, inputs / size];
  const half = 2 ** (codedBits - 1);
  const width = countWords(inputs, bits);
  const packed = new Int32Array(outputs * width);
  const [repeated, biases] = [new Float32Array(outputs * parts), new Float32Array(outputs * parts)];
  const rounded = roundTo(dtype, scales);
  for (let output = 0; output < outputs; output++) {
    const line: WordLine = { words: packed, at: output * width, stride: 1, bits };
    for (let input = 0; input < inputs; input++)
      writeCode(line, input, codes[output * inputs + input]! + half);
    for (let part = 0; part < parts; part++) {
      const from = output * groups + Math.floor((part * groups) / parts);
      repeated[output * parts + part] = rounded[from]!;
      // Of the rounded scale, so that a code at the zero point is as near to 0 as the type allows.
      biases[output * parts + part] = -(half + (zeros?.[from] ?? 0)) * rounded[from]!;
    }
  }
  return [
    [`${name}.weight`, { shape: [outputs, width], data: new Uint32Array(packed.buffer) }],
    [`${name}.scales`, { shape: [outputs, parts], data: repeated }],
    [`${name}.biases`, { shape: [outputs, parts], data: biases }],
  ];
}

function roundTo(dtype: StoredDtype, values: Float32Array): Float32Array {
  if (dtype === "float32") return values;
  const rounded = new Float32Array(values.length);
  widenInto(rounded, 0, narrow(values, dtype), dtype);
  return rounded;
}
