/**
 * Removes whole layers: those whose removal changes the loss least, those that change their input least (block influence of
 * ShortGPT, Men et al. 2024), or evenly spaced ones, as in the initialization of DistilGPT2 (Sanh et al. 2019). Training
 * afterwards, preferably with the original model as `teacher`, recovers most of what is lost.
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { fillForm, formOption } from "../compression/form";
import { countModel } from "../models/accounting";
import { dimensionsOf, type ModelShape } from "../models/model";
import { calibrationSchema } from "../compression/calibration/batches";
import { defineMethod, type Plan, planBetween, createShareOption } from "../compression/method";
import { createShapeWithLayers, keepLayers } from "../compression/pruning/keepLayers";
import { chooseByInfluence, chooseByLoss } from "../compression/pruning/layerChoice";

const title = "Layer drop";

const optionsSchema = z
  .strictObject({
    rate: createShareOption(0.5, "Share of the layers to remove. At least one is kept."),
    choose: z
      .enum(["spread", "first", "last", "influence", "loss"])
      .optional()
      .describe(
        "Layers to keep: evenly spaced, including the first and the last (0, 2, 4, 7, 9 and 11 of 12, as in DistilGPT2), consecutive from one end, those that change their input most on real text, or all but those whose removal, one after the other, raises the loss on real text least. Default: `loss`, and `spread` in the published form.",
      ),
    keep: z
      .array(z.int().min(0))
      .min(1)
      .optional()
      .describe("Layers to keep, counted from 0, in ascending order. Replaces `rate` and `choose`."),
    calibration: calibrationSchema,
    ...formOption,
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

const forms = { improved: { choose: "loss" }, published: { choose: "spread" } } as const;
const calibration = { samples: 4, batch_size: 2 };

export default defineMethod<Options>({
  title,
  paper: "Sanh, Debut, Chaumond, Wolf: DistilBERT, a distilled version of BERT, 2019",
  options: optionsSchema,
  rate: "rate",
  needs: (options) => (readsText(options) ? ["text"] : []),
  samples: [
    { rate: 0, calibration },
    { rate: 0.5, calibration },
    { rate: 0.5, choose: "influence", calibration },
    { rate: 0.5, as: "published" },
    { rate: 0.5, choose: "last" },
    { keep: [1] },
  ],

  plan(before, options) {
    const layers = selectWithoutText(before, options);
    if (layers !== undefined) return planBetween(before, createShapeWithLayers(before, layers), "roles");
    return planAnyLayers(before, countKept(before, options));
  },

  async apply({ shape, tensors }, options, lab) {
    const before = { shape, tensors };
    const layers = selectWithoutText(shape, options);
    if (layers !== undefined) return keepLayers(before, layers);
    const choose = fillForm(options, forms).choose === "loss" ? chooseByLoss : chooseByInfluence;
    const kept = await choose(before, countKept(shape, options), options.calibration, lab);
    lab.log(`Kept layers ${kept.join(", ")} of ${dimensionsOf(shape).layers}.`);
    return keepLayers(before, kept);
  },
});

function readsText(options: Options): boolean {
  const { choose, keep, rate } = fillForm(options, forms);
  return keep === undefined && rate > 0 && (choose === "loss" || choose === "influence");
}

/** Returns the layers to keep, or undefined if that depends on text. */
function selectWithoutText(shape: ModelShape, options: Options): readonly number[] | undefined {
  const { choose, keep } = fillForm(options, forms);
  const { layers } = dimensionsOf(shape);
  const beyond = keep?.find((layer) => layer >= layers);
  if (beyond !== undefined)
    throw new WorkbenchError(
      "unsupported",
      `${title} cannot be applied: keep includes layer ${beyond}, but the model has ${layers} layers, 0 to ${layers - 1}.`,
    );
  if (keep !== undefined) return keep;
  const count = countKept(shape, options);
  const isText = choose === "loss" || choose === "influence";
  if (isText && count < layers) return undefined;
  return Array.from({ length: count }, (_, i) => {
    if (choose === "first") return i;
    if (choose === "last" || isText) return layers - count + i;
    return count === 1 ? 0 : Math.round((i * (layers - 1)) / (count - 1));
  });
}

function countKept(shape: ModelShape, { rate }: Options): number {
  const { layers } = dimensionsOf(shape);
  return Math.max(1, layers - Math.floor(rate * layers * (1 + 1e-12)));
}

/** Exact where layers have the same size; otherwise the largest are assumed to be kept. */
function planAnyLayers(before: ModelShape, count: number): Plan {
  const sizes = new Map<number, number>();
  for (const { layer, bits } of countModel(before).roles)
    if (layer !== undefined) sizes.set(layer, (sizes.get(layer) ?? 0) + bits);
  const largest = [...sizes].sort(([a, x], [b, y]) => y - x || a - b).slice(0, count);
  const kept = largest.map(([layer]) => layer).sort((a, b) => a - b);
  const isEqual = new Set([...sizes.keys()].map((layer) => describeLayer(before, layer))).size === 1;
  return planBetween(before, createShapeWithLayers(before, kept), isEqual ? "roles" : "most");
}

/** The counts of each role of a layer. */
function describeLayer(shape: ModelShape, layer: number): string {
  return JSON.stringify(
    countModel(createShapeWithLayers(shape, [layer])).roles.filter((role) => role.layer === 0),
  );
}
