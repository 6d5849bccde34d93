/** Magnitude pruning (Han et al. 2015): the weights nearest to zero become zero, and stay zero when training goes on. */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import type { RepresentationChoices } from "../models/family";
import { type ModelShape, withRepresentations } from "../models/model";
import { denseShape, weightName } from "../representations/dense";
import { maskName, type MaskedOptions } from "../representations/masked";
import { nonZeros } from "../representations/representation";
import { defineMethod, planBetween } from "./method";
import { dropCount, maskSmallest, patternFault, patternOf, share, type Within } from "./smallest";
import { floatsOf, takenApart } from "./takenApart";
import { selectTargets, type Target, targetOptions } from "./targets";

const structure = /^(unstructured|[1-9]\d{0,3}:[1-9]\d{0,3})$/;

const options = z
  .strictObject({
    sparsity: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe("Share of weights set to zero; 0.5 when left out, or what `mask_structure` gives."),
    ...targetOptions("all projections"),
    scope: z
      .enum(["layer", "row", "global"])
      .optional()
      .describe(
        "Compare weights within a matrix (the default), within each output of it, or over all targets.",
      ),
    mask_structure: z
      .string()
      .regex(structure, { error: "is unstructured, or kept:of, such as 2:4" })
      .default("unstructured")
      .describe("`unstructured`, or how many of each group of consecutive inputs are kept, such as `2:4`."),
  })
  .superRefine(({ mask_structure, sparsity, scope }, context) => {
    const pattern = structure.test(mask_structure) ? patternOf(mask_structure) : undefined;
    if (pattern === undefined) return;
    const fault = (path: string, message: string) =>
      context.addIssue({ code: "custom", path: [path], message, input: mask_structure });
    const { kept, of } = pattern;
    const own = 1 - kept / of;
    if (kept > of) fault("mask_structure", `${mask_structure} would keep more weights than there are`);
    else if (sparsity !== undefined && Math.abs(sparsity - own) > 1e-9)
      fault("sparsity", `${mask_structure} is a sparsity of ${own}; leave sparsity out`);
    if (scope !== undefined)
      fault("scope", `${mask_structure} compares weights within each group; leave scope out`);
  });
type Options = z.output<typeof options>;

export default defineMethod<Options>({
  title: "Magnitude pruning",
  paper: "Han, Pool, Tran, Dally: Learning both Weights and Connections for Efficient Neural Networks, 2015",
  options,
  rate: "sparsity",
  samples: [
    { sparsity: 0.3 },
    { sparsity: 0.75, scope: "row" },
    { sparsity: 0.6, scope: "global", ignore: ["layers.0.*"] },
    { mask_structure: "2:4", targets: ["layers.*.mlp.down_proj"] },
    { sparsity: 0.5, targets: "embed_tokens" },
  ],

  plan(before, given) {
    const { targets, within, sparsity } = decide(before, given);
    const sizes = targets.map(({ matrix }) => matrix.inputs * matrix.outputs);
    const kept = targets.map((target, i) =>
      Math.min(keptNow(target), sizes[i]! - dropCount(target.matrix, within, sparsity)),
    );
    // Over the whole model only the sum is known; the remainder of each share goes to the first matrices that have room.
    if (within === "global") {
      const all = sizes.reduce((total, each) => total + each, 0);
      const now = targets.reduce((total, each) => total + keptNow(each), 0);
      let excess = kept.reduce((total, each) => total + each, 0) - Math.min(now, all - share(all, sparsity));
      kept.forEach((each, i) => {
        const change = excess > 0 ? -Math.min(excess, each) : Math.min(-excess, keptNow(targets[i]!) - each);
        kept[i] = each + change;
        excess += change;
      });
    }
    const isPrunedAlready = targets.some(({ type }) => type === "masked");
    const exact = within === "global" ? "total" : within === "layer" || !isPrunedAlready ? "roles" : "most";
    return planBetween(before, maskedShape(before, targets, kept), exact);
  },

  async apply(before, given, lab) {
    const { targets, within, sparsity } = decide(before.shape, given);
    const tensors = takenApart(before, targets);
    const scored = targets.map(({ matrix, type }) => {
      const scores = floatsOf(tensors, weightName(matrix)).map(Math.abs);
      const mask = type === "masked" ? tensors.get(maskName(matrix))!.data : undefined;
      // What is dropped stays dropped: it goes before every weight that is still there.
      mask?.forEach((isKept, i) => {
        if (isKept === 0) scores[i] = -1;
      });
      return { matrix, scores };
    });
    const masks = maskSmallest(scored, within, sparsity);
    const kept = targets.map(({ matrix }, i) => {
      const mask = masks[i]!.map((isKept, at) => (scored[i]!.scores[at]! < 0 ? 0 : isKept));
      const weight = floatsOf(tensors, weightName(matrix)).map((each, at) => (mask[at] === 1 ? each : 0));
      tensors.set(weightName(matrix), { shape: denseShape(matrix), data: weight });
      tensors.set(maskName(matrix), { shape: denseShape(matrix), data: mask });
      lab.progress(i + 1, targets.length, "matrices");
      return nonZeros(mask);
    });
    return { shape: maskedShape(before.shape, targets, kept), tensors };
  },
});

/** What the options mean for this model; refuses what cannot be. */
function decide(shape: ModelShape, { sparsity, scope, mask_structure, ...patterns }: Options) {
  const targets = selectTargets(shape, patterns);
  const pattern = patternOf(mask_structure);
  const faults = targets.flatMap(({ matrix, type }) => {
    if (type !== "dense" && type !== "masked")
      return `${matrix.role} is stored ${type}, and weights are dropped from dense or masked matrices`;
    return (pattern && patternFault(matrix, pattern)) ?? [];
  });
  if (faults.length > 0)
    throw new WorkbenchError(
      "unsupported",
      `Magnitude pruning cannot be applied: ${faults[0]!}` +
        `${faults.length > 1 ? ` (and so for ${faults.length - 1} more)` : ""}. Leave such roles out with ignore.`,
      { faults },
    );
  const within: Within = pattern ?? scope ?? "layer";
  return { targets, within, sparsity: pattern ? 1 - pattern.kept / pattern.of : (sparsity ?? 0.5) };
}

function keptNow({ matrix, type, options: own }: Target): number {
  const kept = type === "masked" ? (own as MaskedOptions).kept : undefined;
  return kept ?? matrix.inputs * matrix.outputs;
}

function maskedShape(before: ModelShape, targets: readonly Target[], kept: readonly number[]): ModelShape {
  const choices: RepresentationChoices = Object.fromEntries(
    targets.map(({ matrix }, i) => [matrix.role, { type: "masked", options: { kept: kept[i] } }]),
  );
  return withRepresentations(before, choices);
}
