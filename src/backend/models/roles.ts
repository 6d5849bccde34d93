/** The syntax of roles. Roles are addresses for users and their patterns; only this file composes or parses them. */
import { biasRole, isPieceRole } from "./biases";
import { representations } from "../representations/catalog";
import type { RepresentationChoice, RepresentationChoices } from "./family";
import { listMatrixSlots, type ModelShape, tensorsOf } from "./model";
import { listWithPieces } from "./weights";

/** `layers.3` */
export const layerRole = (layer: number): string => `layers.${layer}`;

/** Returns a role without its layer, `mlp.up_proj`; roles outside layers are unchanged. */
export function stripLayer(role: string, layer: number | undefined): string {
  return layer === undefined ? role : role.slice(layerRole(layer).length + 1);
}

/** Returns a role with a placeholder for its layer, `layers.*.mlp.up_proj`; roles outside layers are unchanged. */
export function generalizeRole(role: string, layer: number | undefined, open = "*"): string {
  return layer === undefined ? role : `layers.${open}.${stripLayer(role, layer)}`;
}

/**
 * Returns the choices of a matrix and of its pieces under another role, `to` instead of `from`, with the same values: options
 * that depend on the role are converted.
 */
export function moveChoices(choices: RepresentationChoices, from: string, to: string): RepresentationChoices {
  return Object.fromEntries(
    Object.entries(choices).flatMap(([role, choice]) =>
      role === from || isPieceRole(role, from)
        ? [[`${to}${role.slice(from.length)}`, convertChoice(choice, role)]]
        : [],
    ),
  );
}

function convertChoice(choice: RepresentationChoice, role: string): RepresentationChoice {
  const representation = representations[choice.type]!;
  if (representation.convertOptions === undefined) return choice;
  const options: unknown = representation.options.parse(choice.options);
  return {
    ...choice,
    options: representation.convertOptions(options, role) as RepresentationChoice["options"],
  };
}

/** Returns the layer of every address of a model: matrices, parts of packed ones, pieces, biases and norms. */
export function layersOf(shape: ModelShape): Map<string, number | undefined> {
  const layers = new Map<string, number | undefined>();
  for (const { matrix, bias, stored } of listMatrixSlots(shape)) {
    const pieces = stored.flatMap(listWithPieces).map((each) => each.matrix);
    for (const { role } of [matrix, ...(matrix.parts ?? []), ...pieces]) layers.set(role, matrix.layer);
    if (bias !== undefined) layers.set(biasRole(matrix), matrix.layer);
  }
  for (const { role, layer } of tensorsOf(shape)) layers.set(role, layer);
  return layers;
}

/** Returns the layer of a role, or undefined outside the layers. */
export function findLayer(shape: ModelShape, role: string): number | undefined {
  const layers = layersOf(shape);
  if (!layers.has(role)) throw new Error(`The model has no role ${role}.`);
  return layers.get(role);
}
