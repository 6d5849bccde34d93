/** Where the layouts of quantized files have the codes, scales and zero points of a matrix. */
import { awqCodesPerWord, getAwqPlace } from "../coding/awqOrder";
import { countWords } from "../coding/packedWords";
import type { Shape } from "../graph/op";

export type CodeLayoutName = "gptq" | "gptq_v2" | "pack-quantized" | "awq";

export interface PackedSizes {
  readonly inputs: number;
  readonly outputs: number;
  readonly groups: number;
  readonly bits: number;
}

/** Where a line of codes starts among the words, the step from word to word, and the place of a code in the line. */
export interface CodePlace {
  readonly at: number;
  readonly stride: number;
  readonly index: number;
}

export interface CodeLayout {
  /** Names of the tensors after that of the module. */
  readonly names: {
    readonly codes: string;
    readonly scales: string;
    readonly zeros: string;
    /** The group of each input [inputs]. */
    readonly order?: string;
    /** [2]: outputs and inputs. */
    readonly size?: string;
  };
  /** Whether symmetric matrices have zero points too, all of them half of the range. */
  readonly alwaysHasZeros: boolean;
  /** Added to a zero point of the file. */
  readonly zeroOffset: number;
  codesShape(sizes: PackedSizes): Shape;
  zerosShape(sizes: PackedSizes): Shape;
  /** Whether scales are [outputs, groups], not [groups, outputs]. */
  readonly scalesByOutput: boolean;
  placeCode(sizes: PackedSizes, input: number, output: number): CodePlace;
  placeZero(sizes: PackedSizes, group: number, output: number): CodePlace;
}

const gptq: CodeLayout = {
  names: { codes: "qweight", scales: "scales", zeros: "qzeros", order: "g_idx" },
  alwaysHasZeros: true,
  zeroOffset: 1,
  codesShape: ({ inputs, outputs, bits }) => [countWords(inputs, bits), outputs],
  zerosShape: ({ outputs, groups, bits }) => [groups, countWords(outputs, bits)],
  scalesByOutput: false,
  placeCode: ({ outputs }, input, output) => ({ at: output, stride: outputs, index: input }),
  placeZero: ({ outputs, bits }, group, output) => ({
    at: group * countWords(outputs, bits),
    stride: 1,
    index: output,
  }),
};

export const codeLayouts: Readonly<Record<CodeLayoutName, CodeLayout>> = {
  gptq,
  gptq_v2: { ...gptq, zeroOffset: 0 },
  awq: {
    names: { codes: "qweight", scales: "scales", zeros: "qzeros" },
    alwaysHasZeros: true,
    zeroOffset: 0,
    codesShape: ({ inputs, outputs }) => [inputs, outputs / awqCodesPerWord],
    zerosShape: ({ outputs, groups }) => [groups, outputs / awqCodesPerWord],
    scalesByOutput: false,
    placeCode: ({ outputs }, input, output) => placeInRow(outputs, input, output),
    placeZero: ({ outputs }, group, output) => placeInRow(outputs, group, output),
  },
  "pack-quantized": {
    names: {
      codes: "weight_packed",
      scales: "weight_scale",
      zeros: "weight_zero_point",
      order: "weight_g_idx",
      size: "weight_shape",
    },
    alwaysHasZeros: false,
    zeroOffset: 0,
    codesShape: ({ inputs, outputs, bits }) => [outputs, countWords(inputs, bits)],
    zerosShape: ({ outputs, groups, bits }) => [countWords(outputs, bits), groups],
    scalesByOutput: true,
    placeCode: ({ inputs, bits }, input, output) => ({
      at: output * countWords(inputs, bits),
      stride: 1,
      index: input,
    }),
    placeZero: ({ groups }, group, output) => ({ at: group, stride: groups, index: output }),
  },
};

function placeInRow(outputs: number, row: number, output: number): CodePlace {
  return { at: row * (outputs / awqCodesPerWord), stride: 1, index: getAwqPlace(output) };
}
