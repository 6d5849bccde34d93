/** A model with only some of its layers, whose tensors and representations move with them. */
import type { Checkpoint } from "../../checkpoints/checkpoint";
import type { HostTensor } from "../../checkpoints/safetensors";
import { biasRole } from "../../models/biases";
import type { RepresentationChoice } from "../../models/family";
import {
  familyOf,
  listMatrixSlots,
  type ModelShape,
  parametersOf,
  partsOf,
  withRepresentations,
} from "../../models/model";
import { moveChoices } from "../../models/roles";
import type { MatrixSpec } from "../../representations/representation";
import { groupBy } from "../groupBy";

/** `layers` are those that are kept, counted from 0, in ascending order. */
export function keepLayers(
  { shape, tensors }: Pick<Checkpoint, "shape" | "tensors">,
  layers: readonly number[],
): Checkpoint {
  const after = createShapeWithLayers(shape, layers);
  // All layers list their tensors in the same order.
  const byLayer = groupTensorsByLayer(shape);
  const places = [...groupTensorsByLayer(after)].flatMap(([layer, names]) => {
    const from = byLayer.get(layer === undefined ? undefined : layers[layer])!;
    return names.map((name, i) => [name, tensors.get(from[i]!)!] as const);
  });
  return { shape: after, tensors: new Map<string, HostTensor>(places) };
}

export function createShapeWithLayers(shape: ModelShape, keptLayers: readonly number[]): ModelShape {
  const { family, config, representations } = shape;
  const { keys, keepLayers } = familyOf(family);
  const fewer: ModelShape = {
    family,
    config: { ...config, [keys.layers]: keptLayers.length, ...keepLayers?.(config, keptLayers) },
    representations: {},
  };
  const before = groupMatricesByLayer(shape);
  const choices: Record<string, RepresentationChoice> = {};
  for (const [layer, addresses] of groupMatricesByLayer(fewer)) {
    const from = before.get(layer === undefined ? undefined : keptLayers[layer])!;
    addresses.forEach(({ address }, i) => {
      Object.assign(choices, moveChoices(representations, from[i]!.address, address));
    });
  }
  return withRepresentations(fewer, choices);
}

interface Address {
  readonly address: string;
  readonly matrix: MatrixSpec;
}

/** The addresses that can have a representation: matrices, parts of packed matrices, biases. */
function groupMatricesByLayer(shape: ModelShape): Map<number | undefined, Address[]> {
  const all = listMatrixSlots({ ...shape, representations: {} }).flatMap(({ matrix, bias }) => [
    ...[matrix, ...partsOf(matrix)].map((each) => ({ address: each.role, matrix: each })),
    ...(bias === undefined ? [] : [{ address: biasRole(matrix), matrix }]),
  ]);
  return groupBy(all, ({ matrix }) => matrix.layer);
}

function groupTensorsByLayer(shape: ModelShape): Map<number | undefined, string[]> {
  const byLayer = groupBy(parametersOf(shape), ({ layer }) => layer);
  return new Map([...byLayer].map(([layer, specs]) => [layer, specs.map(({ name }) => name)]));
}
