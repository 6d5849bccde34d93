/** The bias of a matrix: a vector stored whole or, after a method has pruned it, with a 0/1 mask. */
import { WorkbenchError } from "../../protocol/errors";
import { scalar, sizeOf, type Value } from "../graph/op";
import { where } from "../graph/ops/elementwise";
import { requireFloats } from "../representations/dense";
import masked from "../representations/masked";
import {
  type MatrixCounts,
  type MatrixSpec,
  countNonZeros,
  type ParameterSpec,
  scalarBits,
  type TensorSource,
  type ValueSource,
} from "../representations/representation";
import type { RepresentationChoice } from "./family";

export interface Bias {
  /** float32 [outputs] of the whole matrix, even if the matrix is stored in parts. */
  readonly spec: ParameterSpec;
  readonly mask?: ParameterSpec;
  /** Number of scalars that the mask keeps. */
  readonly kept?: number | undefined;
}

/** Returns the address of a matrix's bias in the choices of representations. */
export const biasRole = ({ role }: Pick<MatrixSpec, "role">): string => `${role}.bias`;

/** Whether a role is that of a piece of the whole, or of a piece below it. */
export function isPieceRole(role: string, whole: string): boolean {
  return role.startsWith(`${whole}.`) && role !== biasRole({ role: whole });
}

export function createBias(matrix: MatrixSpec, choice: RepresentationChoice | undefined): Bias {
  const { name, outputs, role, layer, kind, axes } = matrix;
  const spec: ParameterSpec = {
    name: `${name}.bias`,
    shape: [outputs],
    dtype: "float32",
    init: { kind: "zeros" },
    trainable: true,
    decay: false,
    role,
    layer,
    embedding: kind !== "projection",
    axes: [axes[1]],
  };
  if (choice === undefined) return { spec };
  const parsed = masked.options.safeParse(choice.options);
  if (choice.type !== "masked" || !parsed.success || (parsed.data.kept ?? 0) > outputs)
    throw new WorkbenchError(
      "unsupported",
      `${biasRole(matrix)} cannot be stored so: a bias of ${outputs} scalars is whole, or masked with at most that many kept.`,
    );
  const mask = `${name}.bias_mask`;
  return {
    spec: { ...spec, packing: { keptBy: mask } },
    mask: {
      ...spec,
      name: mask,
      dtype: "bool",
      init: { kind: "ones" },
      trainable: false,
      packing: { integers: { bits: 1, lowest: 0 } },
    },
    kept: parsed.data.kept,
  };
}

export function listBiasParameters({ spec, mask }: Bias): ParameterSpec[] {
  return mask === undefined ? [spec] : [spec, mask];
}

/** Dropped scalars add nothing, whatever the tensor contains, and receive no gradient. */
export function buildBiasValue({ spec, mask }: Bias, values: ValueSource): Value {
  return mask === undefined ? values(spec.name) : where(values(mask.name), values(spec.name), scalar(0));
}

/** Returns float32 [outputs] as it is added. */
export function readBiasData({ spec, mask }: Bias, tensors: TensorSource): Float32Array {
  const whole = requireFloats(spec.name, tensors(spec.name));
  if (mask === undefined) return whole;
  const keeps = tensors(mask.name);
  return whole.map((each, i) => (keeps[i] ? each : 0));
}

/** A masked bias is stored as a bitmap and the kept values. */
export function countBias(bias: Bias, tensors?: TensorSource): MatrixCounts {
  const { spec, mask, kept } = bias;
  const all = sizeOf(spec.shape);
  const stored =
    mask === undefined ? all : tensors === undefined ? (kept ?? all) : countNonZeros(tensors(mask.name));
  return {
    trainable: stored,
    stored,
    nonZero: tensors === undefined ? stored : countNonZeros(readBiasData(bias, tensors)),
    bits: stored * scalarBits + (mask === undefined ? 0 : all),
  };
}
