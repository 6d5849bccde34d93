/** Checks that a model can read the data: sequences longer than its positions would read outside a table. */
import { WorkbenchError } from "../../../protocol/errors";
import { dimensionsOf, type ModelShape } from "../../models/model";
import { refuseTokensWithoutRow } from "../../data/tokenizers/vocabularyFit";
import type { DataSet } from "../../data/dataSet";

export function refuseMismatch(
  shape: ModelShape,
  sequenceLength: number,
  data: Pick<DataSet, "findToken"> | undefined,
): void {
  const { context, vocabulary } = dimensionsOf(shape);
  if (sequenceLength > context)
    throw new WorkbenchError(
      "invalid-input",
      `data.sequence_len is ${sequenceLength}, but the model has only ${context} positions. Lower sequence_len or raise the model's.`,
    );
  if (data !== undefined) refuseTokensWithoutRow(vocabulary, (rows) => data.findToken(rows));
}
