/** Provides a forward function with tensors by role, and applies the representation of each matrix. */
import type { Value } from "../graph/op";
import { gather } from "../graph/ops/indexing";
import { addBias } from "../graph/ops/matmul";
import { concat, slice } from "../graph/ops/movement";
import type {
  AnyRepresentation,
  DropInputs,
  FileOperators,
  Inference,
  MatrixSpec,
  ValueSource,
} from "../representations/representation";
import { type Bias, buildBiasValue } from "./biases";
import type { ForwardOptions, Weights } from "./family";

/** A matrix with its representation. */
export interface StoredMatrix {
  readonly matrix: MatrixSpec;
  readonly type: string;
  /** How it is stored, with the representations of its pieces. */
  readonly representation: AnyRepresentation;
  readonly options: unknown;
  /** The smaller matrices that it stores, such as two factors; empty if it stores itself. */
  readonly pieces: readonly StoredMatrix[];
}

/** Returns the matrices that are stored in the end: the pieces of pieces, or the matrix itself. */
export function listLeaves(stored: StoredMatrix): readonly StoredMatrix[] {
  return stored.pieces.length === 0 ? [stored] : stored.pieces.flatMap(listLeaves);
}

/** Returns the matrix and all pieces below it. */
export function listWithPieces(stored: StoredMatrix): readonly StoredMatrix[] {
  return [stored, ...stored.pieces.flatMap(listWithPieces)];
}

/** Names a representation, with those of its pieces unless they are dense: `sliced of masked`. */
export function describeStorage({ type, pieces }: StoredMatrix): string {
  const kinds = [...new Set(pieces.map(describeStorage))];
  return kinds.every((kind) => kind === "dense") ? type : `${type} of ${kinds.join(" and ")}`;
}

/** A matrix of the family, stored as one or, if it is packed, possibly as separate parts. */
export interface MatrixSlot {
  readonly matrix: MatrixSpec;
  readonly bias?: Bias;
  readonly stored: readonly StoredMatrix[];
  readonly split: boolean;
}

/** The runtime of inference: the engine, or one that reads a file with these operators. */
export type InferenceTarget = "engine" | FileOperators;

/** The engine uses an inference format only for projections: it reads embeddings by row, and a head may be tied to one. */
export function getInference(
  { matrix, representation, options }: StoredMatrix,
  target: InferenceTarget,
): Inference | undefined {
  if (target !== "engine") return representation.inFile?.(matrix, options, target);
  return matrix.kind === "projection" ? representation.inference?.(matrix, options) : undefined;
}

export function bindWeights(
  slots: readonly MatrixSlot[],
  source: ValueSource,
  { onMatrix, onPiece, inference }: ForwardOptions,
  drop?: DropInputs,
): Weights {
  const byRole = new Map(slots.map((slot) => [slot.matrix.role, slot]));
  const values = new Map<string, Value>();
  // Each tensor is one value, however often it is used, so that its gradient is the sum over all uses.
  const tensor = (name: string): Value => {
    const value = values.get(name) ?? source(name);
    values.set(name, value);
    return value;
  };
  const find = (role: string): MatrixSlot => {
    const slot = byRole.get(role);
    if (slot === undefined) throw new Error(`There is no matrix ${role}.`);
    return slot;
  };

  const columns = (x: Value, from: number, to: number) =>
    slice(x, { axis: x.type.shape.length - 1, start: from, end: to });

  /** Applies each stored matrix with its columns of the bias, which remains one tensor as in the checkpoint. */
  function apply({ matrix: { parts }, bias, stored, split }: MatrixSlot, x: Value): Value[] {
    return stored.map((each, i) => {
      const { matrix, representation, options } = each;
      const better = inference === undefined ? undefined : getInference(each, inference);
      const product =
        better?.apply(x, tensor) ?? representation.apply(x, tensor, matrix, options, onPiece, drop);
      const whole = bias === undefined ? undefined : buildBiasValue(bias, tensor);
      const partValue = whole !== undefined && split ? columns(whole, parts![i]!.from, parts![i]!.to) : whole;
      const y = partValue === undefined ? product : addBias(product, partValue);
      onMatrix?.(matrix.role, x, y);
      return y;
    });
  }

  function table(role: string): Value {
    const [stored] = find(role).stored as readonly [StoredMatrix];
    const { matrix, representation, options } = stored;
    const better = inference === undefined ? undefined : getInference(stored, inference);
    if (better?.dense !== undefined) return better.dense(tensor);
    if (representation.dense === undefined)
      throw new Error(
        `${role} is read by row, which is not possible where it is stored as ${representation.title}.`,
      );
    return representation.dense(tensor, matrix, options);
  }

  return {
    linear: (role, x) => {
      const ys = apply(find(role), x);
      return ys.length === 1 ? ys[0]! : concat(...ys, { axis: 1 });
    },
    parts: (role, x) => {
      const slot = find(role);
      const ys = apply(slot, x);
      return slot.split ? ys : slot.matrix.parts!.map(({ from, to }) => columns(ys[0]!, from, to));
    },
    lookup: (role, ids) => {
      const [{ matrix, representation, options }] = find(role).stored as readonly [StoredMatrix];
      return representation.lookup?.(ids, tensor, matrix, options) ?? gather(table(role), ids);
    },
    table,
    tensor,
  };
}
