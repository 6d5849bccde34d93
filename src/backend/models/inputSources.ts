/** Resolves what computes the inputs of the matrices of a model, for methods that move factors or rotations there. */
import type { InputSource } from "./family";
import { familyOf, listMatrixSlots, type ModelShape } from "./model";
import type { MatrixSlot } from "./weights";

export interface ResolvedSource extends Omit<InputSource, "readers" | "producer"> {
  /** All matrices that read these inputs. For a tied head, the token embedding, whose outputs are the inputs of the head. */
  readonly readers: readonly MatrixSlot[];
  /** Whether the reader is a tied embedding, which has another use too. */
  readonly isTied: boolean;
  /** The matrix whose outputs `from` to `to` are the source. */
  readonly producer?: {
    readonly slot: MatrixSlot;
    readonly from: number;
    readonly to: number;
    readonly unit: number;
    readonly copies: number;
  };
}

/** In forward order. */
export function listInputSources(shape: ModelShape): ResolvedSource[] {
  const slots = listMatrixSlots(shape);
  const heads = slots.filter(({ matrix: { kind, axes } }) => kind === "head" && axes[0].kind === "hidden");
  const sources = familyOf(shape.family).inputSources(shape.config);
  return sources.map(({ readers: roles, producer, ...source }) => {
    const isHead = roles.length === 0;
    const isTied = isHead && heads.length === 0;
    const own = slots.filter(({ matrix }) => roles.includes(matrix.role));
    const tied = slots.filter(({ matrix }) => matrix.purpose === "token embedding");
    return {
      ...source,
      readers: isTied ? tied : isHead ? heads : own,
      isTied,
      ...(producer === undefined ? {} : { producer: resolveProducer(slots, producer) }),
    };
  });
}

function resolveProducer(
  slots: readonly MatrixSlot[],
  { role, unit, copies }: NonNullable<InputSource["producer"]>,
): NonNullable<ResolvedSource["producer"]> {
  for (const slot of slots) {
    const { matrix } = slot;
    if (matrix.role === role) return { slot, from: 0, to: matrix.outputs, unit, copies };
    const part = matrix.parts?.find((each) => each.role === role);
    if (part !== undefined) return { slot, from: part.from, to: part.to, unit, copies };
  }
  throw new Error(`The model has no matrix ${role}.`);
}
