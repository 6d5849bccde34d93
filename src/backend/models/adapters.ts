/** Puts low-rank adapters beside the matrices of a model. */
import { type AdaptedOptions, baseRole } from "../representations/adapted";
import type { RepresentationChoices } from "./family";
import { listMatrixSlots, type ModelShape, withRepresentations } from "./model";
import { moveChoices } from "./roles";
import { listWithPieces, type StoredMatrix } from "./weights";

/** Lists the matrices that can have an adapter: every stored matrix, or what structured pruning has left of one. */
export function listModules(shape: ModelShape): readonly StoredMatrix[] {
  return listMatrixSlots(shape).flatMap(({ stored }) =>
    stored.map((each) => (isSliced(each) ? each.pieces[0]! : each)),
  );
}

/** Whether a matrix is what structured pruning has left, which is adapted instead of the whole. */
export const isSliced = ({ type }: StoredMatrix): boolean => type === "sliced";

/** Returns the shape with an adapter for each of these roles, whose matrices stay as they are stored. */
export function withAdapters(shape: ModelShape, adapters: ReadonlyMap<string, AdaptedOptions>): ModelShape {
  const choices: RepresentationChoices = Object.fromEntries(
    [...adapters].flatMap(([role, options]) => [
      ...Object.entries(moveChoices(shape.representations, role, baseRole(role))),
      [role, { type: "adapted", options: { ...options } }] as const,
    ]),
  );
  return withRepresentations(shape, choices);
}

export interface AdaptedMatrix extends StoredMatrix {
  readonly options: AdaptedOptions;
}

/** Lists the matrices that have an adapter. */
export function listAdapted(shape: ModelShape): readonly AdaptedMatrix[] {
  return listMatrixSlots(shape)
    .flatMap(({ stored }) => stored.flatMap(listWithPieces))
    .filter((each): each is AdaptedMatrix => each.type === "adapted");
}
