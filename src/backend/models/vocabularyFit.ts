/** Whether a model has a row for every token of a tokenizer: others would be read outside of its table. */
import { WorkbenchError } from "../../protocol/errors";
import { dimensionsOf, type ModelShape } from "./model";

export function refuseUnknownTokens(shape: ModelShape, tokens: number): void {
  const { vocabulary } = dimensionsOf(shape);
  if (tokens > vocabulary)
    throw new WorkbenchError(
      "invalid-input",
      `The tokenizer has ${tokens} tokens, but the model knows only ${vocabulary}. Use the tokenizer that belongs to the model.`,
    );
}
