/**
 * A number of a merge that may differ between tensors: one number, numbers that are interpolated over the layers, or a list of
 * conditions on the name of the tensor. The grammar is that of mergekit's configuration.
 */
import * as z from "zod";

const overLayers = z.union([z.number(), z.array(z.number()).min(1)]);

export const settingSchema = z.union([
  overLayers,
  z
    .array(
      z.strictObject({
        filter: z
          .string()
          .min(1)
          .optional()
          .describe("Part of the name of a tensor, such as self_attn. Without it, or as *, every tensor."),
        value: overLayers.describe("A number, or numbers from the first layer to the last."),
      }),
    )
    .min(1),
]);
export type Setting = z.output<typeof settingSchema>;

/** A tensor of the merged model. */
export interface TensorPlace {
  readonly name: string;
  /** From 0 in the first layer to 1 in the last; 0 outside the layers. */
  readonly depth: number;
}

/** The value of a setting for a tensor: the first condition that holds decides. Undefined if none does. */
export function evaluateSetting(setting: Setting, place: TensorPlace): number | undefined {
  if (typeof setting === "number") return setting;
  if (isGradient(setting)) return interpolate(setting, place.depth);
  const condition = setting.find(
    ({ filter }) => filter === undefined || filter === "*" || place.name.includes(filter),
  );
  return condition && evaluateSetting(condition.value, place);
}

function isGradient(setting: Exclude<Setting, number>): setting is number[] {
  return typeof setting[0] === "number";
}

/** Linear between the numbers, which are spread evenly over the layers. */
function interpolate(values: readonly number[], depth: number): number {
  const at = depth * (values.length - 1);
  const below = Math.floor(at);
  const above = Math.min(values.length - 1, below + 1);
  const share = at - below;
  return (1 - share) * values[below]! + share * values[above]!;
}

/** The numbers that a setting can come to. */
export function listValues(setting: Setting): readonly number[] {
  if (typeof setting === "number") return [setting];
  return isGradient(setting) ? setting : setting.flatMap(({ value }) => value);
}
