/** Whether a model can read the data: longer sequences than positions, or more tokens than rows of the embedding, would read outside a table. */
import { WorkbenchError } from "../../../protocol/errors";
import { dimensionsOf, type ModelShape } from "../../models/model";
import { refuseUnknownTokens } from "../../models/vocabularyFit";

export interface TextSizes {
  readonly sequenceLength: number;
  readonly vocabSize: number;
}

export function refuseMismatch(shape: ModelShape, { sequenceLength, vocabSize }: TextSizes): void {
  const { context } = dimensionsOf(shape);
  if (sequenceLength > context)
    throw new WorkbenchError(
      "invalid-input",
      `data.sequence_len is ${sequenceLength}, but the model has only ${context} positions. Lower sequence_len or raise the model's.`,
    );
  refuseUnknownTokens(shape, vocabSize);
}
