/** Quantization of weights to integers: options, targets, and the codes and grids of a matrix. */
import * as z from "zod";
import { WorkbenchError } from "../../../protocol/errors";
import type { ModelShape } from "../../models/model";
import {
  codesName,
  countGroups,
  type QuantizedOptions,
  residualNames,
  scalesName,
  zerosName,
} from "../../representations/quantised";
import { activationsSchema } from "../../representations/activations";
import { toInOut, weightName } from "../../representations/dense";
import { type MaskedOptions, maskName } from "../../representations/masked";
import { type MatrixSpec, countNonZeros, type TensorData } from "../../representations/representation";
import type { HostTensor } from "../../checkpoints/safetensors";
import { selectDenseTargets, chooseRepresentations } from "../denseTargets";
import type { CompressedTarget } from "../layerwise";
import { type Plan, planBetween } from "../method";
import { approximate } from "../algebra/lowRank";
import type { Algebra } from "../algebra/products";
import { readFloats, extractPart } from "../unpackTargets";
import { formOption } from "../form";
import {
  chooseGrid,
  computeGrid,
  decodeValue,
  encodeValue,
  type Grid,
  type GridOptions,
  roundHalfToEven,
} from "./grid";
import { isProjection, type Target, createTargetOptions } from "../targets";

export const quantizationOptions = {
  bits: z.int().min(2).max(8).default(4).describe("Bits per weight."),
  group_size: z
    .int()
    .min(1)
    .optional()
    .describe("Number of consecutive inputs of an output that share a scale; all when left out."),
  symmetric: z
    .boolean()
    .default(true)
    .describe(
      "Center the codes on zero; otherwise each group has its own zero point and uses its whole range.",
    ),
  signed_scale: z
    .boolean()
    .optional()
    .describe(
      "Let the extreme code −2^(bits − 1) of a symmetric grid represent the weight of the largest magnitude, with a negative scale if that weight is positive. Default: true; false as published.",
    ),
  observer: z
    .enum(["minmax", "mse"])
    .optional()
    .describe(
      "Range of the grids: `minmax` covers all weights of a group, `mse` clips those that cost less clipped, by a search for the least squared error. Default: `mse`; `minmax` as published.",
    ),
  residual: z
    .int()
    .min(0)
    .default(0)
    .describe("Rank of a low-rank correction of the quantization error (LoRC); 0 for none."),
  activations: activationsSchema
    .optional()
    .describe(
      "Round the inputs of the matrices as well, each token by its own scale (W8A8, W4A4). Default: they stay as they are.",
    ),
  ...createTargetOptions("all projections"),
  ...formOption,
};

/** The options of `quantizationOptions` that the form of a method fills in. */
export const quantizationForms = {
  improved: { signed_scale: true, observer: "mse" },
  published: { signed_scale: false, observer: "minmax" },
} as const;

export interface QuantizationOptions extends QuantizedOptions {
  readonly targets?: string | string[] | undefined;
  readonly ignore?: string | string[] | undefined;
}

/** Values of `bits` in descending order. */
export const bitLevels = [8, 6, 4, 3, 2] as const;

export function selectQuantizationTargets(
  title: string,
  shape: ModelShape,
  options: QuantizationOptions,
): Target[] {
  const targets = selectDenseTargets(title, shape, options, isProjection, ["masked"]);
  const { group_size: size, residual } = options;
  const faults = targets.flatMap(({ matrix: { role, inputs }, type }) => {
    if (size !== undefined && inputs % size !== 0)
      return [
        `${role} has ${inputs} inputs, which is not a multiple of group_size ${size}. Choose another group_size`,
      ];
    return type === "masked" && residual > 0
      ? [`${role} is pruned, and a residual would fill its zeros. Set residual: 0`]
      : [];
  });
  if (faults.length === 0) return targets;
  throw new WorkbenchError(
    "unsupported",
    `${title} cannot be applied: ${faults[0]!}, or leave such roles out with ignore.`,
    { faults },
  );
}

export function planQuantization(title: string, before: ModelShape, options: QuantizationOptions): Plan {
  const targets = selectQuantizationTargets(title, before, options);
  return planBetween(
    before,
    chooseRepresentations(before, targets, (target) => chooseQuantizedRepresentation(target, options)),
    "roles",
  );
}

/** The representation that a target will have, as far as it is known from the shape. */
export function chooseQuantizedRepresentation(
  { matrix, type, options }: Target,
  quantization: QuantizedOptions,
) {
  const { kept = matrix.inputs * matrix.outputs } = options as MaskedOptions;
  return {
    type: "quantised",
    options: pickStoredOptions({ ...quantization, kept: type === "masked" ? kept : undefined }),
  };
}

function pickStoredOptions(options: QuantizedOptions) {
  const {
    bits,
    group_size: size,
    symmetric,
    ternary,
    float_zeros: zeros,
    residual,
    kept,
    activations,
  } = options;
  return {
    bits,
    ...(size === undefined ? {} : { group_size: size }),
    symmetric,
    ...(ternary === true ? { ternary: true } : {}),
    ...(zeros === true ? { float_zeros: true } : {}),
    residual,
    ...(kept === undefined ? {} : { kept }),
    ...(activations === undefined ? {} : { activations }),
  };
}

/** A matrix [inputs, outputs] and, if it was pruned, a mask of the same shape: 1 for kept weights, 0 for dropped ones. */
export interface Weights {
  readonly dense: Float32Array;
  readonly mask: Uint8Array | undefined;
}

/** Reads the weights of a target, whether or not it has been split from a packed matrix already. */
export function readWeights(tensors: ReadonlyMap<string, HostTensor>, target: Target): Weights {
  const { matrix, type, representation, options, packedIn } = target;
  if (packedIn !== undefined && !tensors.has(weightName(matrix)))
    return { dense: extractPart(readFloats(tensors, weightName(packedIn)), target), mask: undefined };
  const source = (name: string) => tensors.get(name)!.data as TensorData;
  return {
    dense: representation.materialize(source, matrix, options),
    mask: type === "masked" ? toInOut(source(maskName(matrix)) as Uint8Array, matrix) : undefined,
  };
}

/** How much the squared error of a weight counts when the range of its group is searched. */
export type Importance = (input: number, output: number) => number;

/** Codes and grids of a matrix, filled in step by step. */
export class QuantizedMatrix {
  readonly codes: Int8Array;
  private readonly scales: Float32Array;
  private readonly zeros: Int8Array | Float32Array;
  readonly groups: number;
  readonly groupSize: number;

  constructor(
    private readonly matrix: MatrixSpec,
    private readonly options: QuantizedOptions,
    private readonly weights: Weights,
  ) {
    this.groups = countGroups(matrix, options);
    this.groupSize = matrix.inputs / this.groups;
    this.codes = new Int8Array(matrix.inputs * matrix.outputs);
    this.scales = new Float32Array(this.groups * matrix.outputs);
    this.zeros = new (options.float_zeros === true ? Float32Array : Int8Array)(this.groups * matrix.outputs);
  }

  setGrid(group: number, output: number, { scale, zero }: Grid): void {
    const at = group * this.matrix.outputs + output;
    this.scales[at] = scale;
    this.zeros[at] = zero;
  }

  /**
   * Chooses the grid of a group from the current weights of its inputs. Weights that the mask drops count as zeros without
   * importance.
   */
  chooseGrid(
    group: number,
    output: number,
    options: GridOptions,
    weightAt: (input: number) => number,
    importanceOf?: Importance,
  ): Grid {
    const { groupSize: size } = this;
    const { mask } = this.weights;
    const values = new Float64Array(size);
    const importance =
      mask === undefined && importanceOf === undefined ? undefined : new Float64Array(size).fill(1);
    for (let i = 0; i < size; i++) {
      const input = group * size + i;
      const isKept = mask?.[input * this.matrix.outputs + output] !== 0;
      if (isKept) values[i] = weightAt(input);
      if (!isKept) importance![i] = 0;
      else if (importanceOf !== undefined) importance![i] = importanceOf(input, output);
    }
    return chooseGrid(values, importance, options);
  }

  gridAt(input: number, output: number): Grid {
    const at = Math.floor(input / this.groupSize) * this.matrix.outputs + output;
    return { scale: this.scales[at]!, zero: this.zeros[at]! };
  }

  /** Stores the code of a value and returns the quantized value: zero where the mask drops the weight. */
  set(input: number, output: number, value: number): number {
    if (this.weights.mask?.[input * this.matrix.outputs + output] === 0) return 0;
    const grid = this.gridAt(input, output);
    const code = encodeValue(value, grid, this.options.bits);
    this.codes[input * this.matrix.outputs + output] = code;
    return decodeValue(code, grid);
  }

  /** Stores the codes of all weights, as `set` does for each. */
  setAll(): void {
    const { inputs, outputs } = this.matrix;
    const { dense, mask } = this.weights;
    const { codes, scales, zeros, groupSize } = this;
    const half = 2 ** (this.options.bits - 1);
    for (let input = 0, at = 0; input < inputs; input++)
      for (let output = 0, grid = Math.floor(input / groupSize) * outputs; output < outputs; output++, at++) {
        if (mask?.[at] === 0) continue;
        const code =
          roundHalfToEven(Math.fround(dense[at]! / scales[grid + output]!)) + zeros[grid + output]!;
        codes[at] = Math.max(-half, Math.min(half - 1, code));
      }
  }

  /** Sets the grids that cover the weights of each group; those that the mask drops count as zeros. */
  setCoveringGrids(options: GridOptions): void {
    const { outputs } = this.matrix;
    const { dense, mask } = this.weights;
    for (let group = 0; group < this.groups; group++) {
      const [low, high] = [new Float64Array(outputs), new Float64Array(outputs)];
      for (let i = 0, at = group * this.groupSize * outputs; i < this.groupSize; i++)
        for (let output = 0; output < outputs; output++, at++) {
          const value = mask?.[at] === 0 ? 0 : dense[at]!;
          if (value < low[output]!) low[output] = value;
          if (value > high[output]!) high[output] = value;
        }
      for (let output = 0; output < outputs; output++)
        this.setGrid(group, output, computeGrid(low[output]!, high[output]!, options));
    }
  }

  /** [inputs, outputs] */
  materialize(): Float32Array {
    const { inputs, outputs } = this.matrix;
    const out = new Float32Array(inputs * outputs);
    for (let input = 0; input < inputs; input++)
      for (let output = 0; output < outputs; output++) {
        const at = input * outputs + output;
        if (this.weights.mask?.[at] !== 0) out[at] = decodeValue(this.codes[at]!, this.gridAt(input, output));
      }
    return out;
  }

  /** The residual approximates the quantization error of the original matrix. */
  async toCompressedTarget(algebra: Algebra): Promise<CompressedTarget> {
    const { matrix, options, groups } = this;
    const { inputs, outputs } = matrix;
    const { mask } = this.weights;
    const scalars = [groups, outputs];
    return {
      type: "quantised",
      options: pickStoredOptions({ ...options, kept: mask && countNonZeros(mask) }),
      tensors: [
        [codesName(matrix), { shape: [inputs, outputs], data: this.codes }],
        ...(mask === undefined
          ? []
          : [[maskName(matrix), { shape: [inputs, outputs], data: mask }] as const]),
        [scalesName(matrix), { shape: scalars, data: this.scales }],
        ...(options.symmetric ? [] : [[zerosName(matrix), { shape: scalars, data: this.zeros }] as const]),
        ...(await this.computeResidual(algebra)),
      ],
    };
  }

  /** The best approximation of the error with this rank, in the Frobenius norm (Yao et al., ZeroQuant-V2, 2023). */
  private async computeResidual(algebra: Algebra): Promise<(readonly [string, HostTensor])[]> {
    const { residual: width } = this.options;
    if (width === 0) return [];
    const { inputs, outputs } = this.matrix;
    const approximation = this.materialize();
    const lost = new Float64Array(approximation.length);
    for (let i = 0; i < lost.length; i++) lost[i] = this.weights.dense[i]! - approximation[i]!;
    const { a, b } = await approximate(algebra, lost, [inputs, outputs], width);
    const [left, right] = residualNames(this.matrix);
    return [
      [left, { shape: [inputs, width], data: Float32Array.from(a) }],
      [right, { shape: [width, outputs], data: Float32Array.from(b) }],
    ];
  }
}

/**
 * Rounds every weight of a matrix to the nearest point of its group's grid. The importance of each weight [inputs, outputs]
 * counts in the search for the range; without it, all are equal.
 */
export function roundToNearest(
  matrix: MatrixSpec,
  weights: Weights,
  options: GridOptions & QuantizedOptions,
  importance?: Importance,
): QuantizedMatrix {
  const { outputs } = matrix;
  const { dense } = weights;
  const quantized = new QuantizedMatrix(matrix, options, weights);
  if (options.observer === "minmax") quantized.setCoveringGrids(options);
  else
    for (let group = 0; group < quantized.groups; group++)
      for (let output = 0; output < outputs; output++)
        quantized.setGrid(
          group,
          output,
          quantized.chooseGrid(
            group,
            output,
            options,
            (input) => dense[input * outputs + output]!,
            importance,
          ),
        );
  quantized.setAll();
  return quantized;
}
