/**
 * QuaRot (Ashkboos et al. 2024), the part that is folded into weights: a random Hadamard rotation of the residual stream and
 * of the values of each head. The function stays the same, and no channel is an outlier any more, so that a method that
 * rounds weights or activations afterwards loses less. The rotations of the paper that would run at inference, of queries
 * and keys and of the inputs of the down projection, are not included.
 */
import * as z from "zod";
import { createRotation } from "../compression/algebra/orthogonal";
import { defineMethod, planBetween } from "../compression/method";
import {
  createRotatedShape,
  foldNorms,
  hasLayerNorms,
  rotateStream,
  rotateValues,
} from "../compression/rotation";
import { dimensionsOf } from "../models/model";
import { createRandomStream } from "../representations/randomStream";

const title = "QuaRot";

const optionsSchema = z.strictObject({
  rotation: z
    .enum(["hadamard", "random"])
    .default("hadamard")
    .describe(
      "Rotate with a randomized Hadamard matrix, where one of the width is known, or with a random orthogonal matrix.",
    ),
  values: z.boolean().default(true).describe("Rotate the values of each attention head too."),
});
type Options = z.output<typeof optionsSchema>;

export default defineMethod<Options>({
  title,
  paper: "Ashkboos et al.: QuaRot: Outlier-Free 4-Bit Inference in Rotated LLMs, 2024",
  options: optionsSchema,
  samples: [{}, { rotation: "random", values: false }],

  plan: (before) => planBetween(before, createRotatedShape(title, before), "roles"),

  async apply(before, { rotation: kind, values }, lab) {
    const after = createRotatedShape(title, before.shape);
    const { width, headDim } = dimensionsOf(after);
    if (after !== before.shape)
      lab.log(
        "The head, which was the token embedding, becomes a matrix of its own: the norm before it moves into it.",
      );
    const draw = (name: string, size: number, keepsMean: boolean) => {
      const rotation = createRotation(size, { kind, keepsMean }, createRandomStream(name, lab.seed));
      lab.log(
        `Rotated ${name} of ${size} channels by a random ${rotation.kind === "hadamard" ? "Hadamard" : "orthogonal"} matrix` +
          (rotation.kind === kind ? "." : `: no Hadamard matrix of ${size} is known.`),
      );
      return rotation.q;
    };
    const folded = foldNorms(before, after);
    const q = draw("the residual stream", width, hasLayerNorms(after));
    const rotated = await rotateStream(folded, after, q, lab.algebra);
    if (!values) return rotated;
    return rotateValues(rotated, draw("the values", headDim, false), lab.algebra);
  },
});
