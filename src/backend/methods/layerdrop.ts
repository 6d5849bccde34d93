/**
 * Removes whole layers, as in the initialization of DistilGPT2 (Sanh et al. 2019). The result is of little use without
 * training afterwards, preferably with the original model as `teacher`.
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { biasRole } from "../models/biases";
import type { RepresentationChoice } from "../models/family";
import {
  dimensionsOf,
  familyOf,
  listMatrixSlots,
  type ModelShape,
  parametersOf,
  partsOf,
  withRepresentations,
} from "../models/model";
import { representations as catalog } from "../representations/catalog";
import type { MatrixSpec } from "../representations/representation";
import type { HostTensor } from "../checkpoints/safetensors";
import { defineMethod, planBetween, createShareOption } from "../compression/method";

const title = "Layer drop";

const optionsSchema = z
  .strictObject({
    rate: createShareOption(0.5, "Share of the layers to remove. At least one is kept."),
    choose: z
      .enum(["spread", "first", "last"])
      .default("spread")
      .describe(
        "Layers to keep: evenly spaced, including the first and the last (0, 2, 4, 7, 9 and 11 of 12, as in DistilGPT2), or consecutive from one end.",
      ),
    keep: z
      .array(z.int().min(0))
      .min(1)
      .optional()
      .describe("Layers to keep, counted from 0, in ascending order. Replaces `rate` and `choose`."),
  })
  .superRefine(({ keep }, context) => {
    const at = keep?.findIndex((layer, i) => i > 0 && layer <= keep[i - 1]!) ?? -1;
    if (at > 0)
      context.addIssue({
        code: "custom",
        path: ["keep", at],
        message: `must be larger than the previous layer, ${keep![at - 1]!}, because layers keep their order`,
        input: keep,
      });
  });
type Options = z.output<typeof optionsSchema>;

export default defineMethod<Options>({
  title,
  paper: "Sanh, Debut, Chaumond, Wolf: DistilBERT, a distilled version of BERT, 2019",
  options: optionsSchema,
  rate: "rate",
  samples: [{ rate: 0 }, { rate: 0.5 }, { rate: 0.5, choose: "last" }, { keep: [1] }],

  plan: (before, options) =>
    planBetween(before, createShapeWithLayers(before, selectKeptLayers(before, options)), "roles"),

  apply: ({ shape, tensors }, options) => {
    const layers = selectKeptLayers(shape, options);
    const after = createShapeWithLayers(shape, layers);
    // All layers list their tensors in the same order.
    const byLayer = groupTensorsByLayer(shape);
    const places = [...groupTensorsByLayer(after)].flatMap(([layer, names]) => {
      const from = byLayer.get(layer === undefined ? undefined : layers[layer])!;
      return names.map((name, i) => [name, tensors.get(from[i]!)!] as const);
    });
    return Promise.resolve({ shape: after, tensors: new Map<string, HostTensor>(places) });
  },
});

function selectKeptLayers(shape: ModelShape, { rate, choose, keep }: Options): readonly number[] {
  const { layers } = dimensionsOf(shape);
  const beyond = keep?.find((layer) => layer >= layers);
  if (beyond !== undefined)
    throw new WorkbenchError(
      "unsupported",
      `${title} cannot be applied: keep includes layer ${beyond}, but the model has ${layers} layers, 0 to ${layers - 1}.`,
    );
  if (keep !== undefined) return keep;
  const count = Math.max(1, layers - Math.floor(rate * layers * (1 + 1e-12)));
  return Array.from({ length: count }, (_, i) => {
    if (choose !== "spread") return choose === "first" ? i : layers - count + i;
    return count === 1 ? 0 : Math.round((i * (layers - 1)) / (count - 1));
  });
}

function createShapeWithLayers(shape: ModelShape, keptLayers: readonly number[]): ModelShape {
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
      const choice = representations[from[i]!.address];
      if (choice !== undefined) choices[address] = moveChoice(choice, from[i]!);
    });
  }
  return withRepresentations(fewer, choices);
}

/** Converts a choice for the same values in another layer. */
function moveChoice(choice: RepresentationChoice, { matrix }: Address): RepresentationChoice {
  const representation = catalog[choice.type]!;
  if (representation.convertOptions === undefined) return choice;
  const options: unknown = representation.options.parse(choice.options);
  return {
    ...choice,
    options: representation.convertOptions(options, matrix) as RepresentationChoice["options"],
  };
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
  return groupByLayer(all, ({ matrix }) => matrix.layer);
}

function groupTensorsByLayer(shape: ModelShape): Map<number | undefined, string[]> {
  const byLayer = groupByLayer(parametersOf(shape), ({ layer }) => layer);
  return new Map([...byLayer].map(([layer, specs]) => [layer, specs.map(({ name }) => name)]));
}

function groupByLayer<T>(
  all: readonly T[],
  layerOf: (each: T) => number | undefined,
): Map<number | undefined, T[]> {
  const groups = new Map<number | undefined, T[]>();
  for (const each of all) groups.set(layerOf(each), [...(groups.get(layerOf(each)) ?? []), each]);
  return groups;
}
