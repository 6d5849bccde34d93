/**
 * Fewer layers: some are taken out whole and the others moved together, as DistilGPT2 begins (Sanh et al. 2019). Without
 * training afterwards, best with the whole model as `teacher`, little is left of what it could.
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { dimensionsOf, familyOf, type ModelShape, parametersOf, withRepresentations } from "../models/model";
import type { HostTensor } from "../checkpoints/safetensors";
import { defineMethod, planBetween, shareOption } from "../compression/method";

const title = "Layer drop";

const options = z
  .strictObject({
    rate: shareOption(0.5, "Share of the layers that goes; one at least stays."),
    choose: z
      .enum(["spread", "first", "last"])
      .default("spread")
      .describe(
        "Which layers stay: spread evenly with the first and the last among them (0, 2, 4, 7, 9 and 11 of 12, as in DistilGPT2), or as many from one end.",
      ),
    keep: z
      .array(z.int().min(0))
      .min(1)
      .optional()
      .describe("The layers that stay, from 0, in their order; instead of `rate` and `choose`."),
  })
  .superRefine(({ keep }, context) => {
    const at = keep?.findIndex((layer, i) => i > 0 && layer <= keep[i - 1]!) ?? -1;
    if (at > 0)
      context.addIssue({
        code: "custom",
        path: ["keep", at],
        message: `has to be larger than the layer before it, ${keep![at - 1]!}: layers keep their order`,
        input: keep,
      });
  });
type Options = z.output<typeof options>;

export default defineMethod<Options>({
  title,
  paper: "Sanh, Debut, Chaumond, Wolf: DistilBERT, a distilled version of BERT, 2019",
  options,
  rate: "rate",
  samples: [{ rate: 0 }, { rate: 0.5 }, { rate: 0.5, choose: "last" }, { keep: [1] }],

  plan: (before, given) => planBetween(before, shapeWith(before, keptLayers(before, given)), "roles"),

  apply: ({ shape, tensors }, given) => {
    const kept = keptLayers(shape, given);
    const after = shapeWith(shape, kept);
    const own = new Map<string, HostTensor>();
    for (const { name } of parametersOf(after))
      own.set(name, tensors.get(renumbered(name, (i) => kept[i]!))!);
    return Promise.resolve({ shape: after, tensors: own });
  },
});

function keptLayers(shape: ModelShape, { rate, choose, keep }: Options): readonly number[] {
  const { layers } = dimensionsOf(shape);
  const beyond = keep?.find((layer) => layer >= layers);
  if (beyond !== undefined)
    throw new WorkbenchError(
      "unsupported",
      `${title} cannot be applied: keep names layer ${beyond}, and the model has ${layers}, from 0 to ${layers - 1}.`,
    );
  if (keep !== undefined) return keep;
  const count = Math.max(1, layers - Math.floor(rate * layers * (1 + 1e-12)));
  return Array.from({ length: count }, (_, i) => {
    if (choose !== "spread") return choose === "first" ? i : layers - count + i;
    return count === 1 ? 0 : Math.round((i * (layers - 1)) / (count - 1));
  });
}

function shapeWith({ family, config, representations }: ModelShape, kept: readonly number[]): ModelShape {
  const places = new Map(kept.map((layer, place) => [layer, place]));
  const own = Object.entries(representations).flatMap(([role, choice]) => {
    const layer = /^layers\.(\d+)\./.exec(role)?.[1];
    if (layer === undefined) return [[role, choice] as const];
    const place = places.get(Number(layer));
    return place === undefined ? [] : [[renumbered(role, () => place), choice] as const];
  });
  const fewer = { ...config, [familyOf(family).layersKey]: kept.length };
  return withRepresentations({ family, config: fewer, representations: {} }, Object.fromEntries(own));
}

/** The name of a role or a tensor with another number for its layer. */
function renumbered(name: string, place: (layer: number) => number): string {
  return name.replace(
    /(^|\.)(layers|h)\.(\d+)\./,
    (_, before: string, layers: string, layer: string) => `${before}${layers}.${place(Number(layer))}.`,
  );
}
