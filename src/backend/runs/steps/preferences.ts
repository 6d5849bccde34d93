/** Preference optimization in a train step: what it needs, and the reference that DPO compares with. */
import { WorkbenchError } from "../../../protocol/errors";
import { dataSchema, type TrainOptions } from "../../../schema/experiment";
import { getReferenceName, type PreferenceOptions, startReference } from "../../../schema/preference";
import { hasPairs } from "../../data/preferencePairs";
import { requireNextToken } from "../../models/classifier";
import { dimensionsOf, type ModelShape } from "../../models/model";
import type { Teachers } from "./teachers";

/** Whether the options of data make its rows preference pairs. */
function readsPairs(dataOptions: Readonly<Record<string, unknown>> | undefined): boolean {
  return dataOptions !== undefined && hasPairs(dataSchema.parse(dataOptions));
}

/** Throws, with the reason, if a train step with these options cannot learn from the data, or the model cannot learn so. */
export function refusePreference(
  shape: ModelShape,
  { preference }: Pick<TrainOptions, "preference">,
  isPaired: boolean,
): void {
  const refuse = (message: string) => {
    throw new WorkbenchError("invalid-input", message);
  };
  if (preference === undefined) {
    if (isPaired)
      refuse(
        "data.chosen_column makes rows preference pairs, and this train cell has no preference to learn from them. Set train.preference, such as {loss: dpo}, or read the rows as text with data.text_column or as instruction pairs.",
      );
    return;
  }
  requireNextToken(
    shape,
    "train.preference, which compares the probabilities of two answers, cannot train it",
  );
  if (!isPaired)
    refuse(
      "train.preference learns from pairs of answers, and the data has none. Name data.chosen_column and data.rejected_column (and data.prompt_column), or remove train.preference.",
    );
}

/** The model that a preference compares with; undefined for a loss without a reference. */
export function pickReference<T>(
  preference: PreferenceOptions | undefined,
  start: T,
  teachers: Teachers<T>,
): T | undefined {
  const name = preference && getReferenceName(preference);
  if (name === undefined) return undefined;
  return name === startReference ? start : teachers.of({ model: name });
}

/** Throws, with the reason, if the probabilities of a reference cannot be compared with those of the model. */
export function refuseReference(
  student: ModelShape,
  reference: ModelShape,
  sequenceLength: number | undefined,
): void {
  const what = "train.preference.reference cannot be compared with the model";
  const refuse = (message: string) => {
    throw new WorkbenchError("invalid-input", `${what}: ${message}.`);
  };
  requireNextToken(reference, what);
  const { vocabulary, context } = dimensionsOf(reference);
  const own = dimensionsOf(student).vocabulary;
  if (vocabulary !== own)
    refuse(
      `its vocabulary has ${vocabulary} tokens, and the model's has ${own}. Use a reference with the same tokenizer`,
    );
  if (sequenceLength !== undefined && sequenceLength > context)
    refuse(
      `it has only ${context} positions, and data.sequence_len is ${sequenceLength}. Lower data.sequence_len`,
    );
}

/** What a plan can refuse of a train step with a preference, or of pairs without one, before data is read. */
export function refuseUnsuitedPreference(
  shape: ModelShape,
  options: Pick<TrainOptions, "preference">,
  dataOptions: Readonly<Record<string, unknown>> | undefined,
  teachers: Teachers<ModelShape>,
): void {
  refusePreference(shape, options, readsPairs(dataOptions));
  const reference = pickReference(options.preference, shape, teachers);
  if (reference !== undefined)
    refuseReference(shape, reference, dataOptions && dataSchema.parse(dataOptions).sequence_len);
}
