/** Whether a model has a row of its embedding for every token of a text. A tokenizer may have more tokens than rows. */
import { WorkbenchError } from "../../../protocol/errors";

/** An occurrence of a token in a text. */
export interface PlacedToken {
  readonly id: number;
  /** As the vocabulary writes it. */
  readonly name: string | undefined;
  /** Such as `document 2 of a.txt, from byte 17`. */
  readonly place: string;
}

/** `find` returns the first token whose id is at least its argument. */
export function refuseTokensWithoutRow(rows: number, find: (least: number) => PlacedToken | undefined): void {
  const token = find(rows);
  if (token === undefined) return;
  throw new WorkbenchError(
    "invalid-input",
    `The token ${token.name ?? "without a name"} (id ${token.id}) occurs in ${token.place}, but the model has only ${rows} rows (ids 0 to ${rows - 1}). ` +
      "Use the tokenizer that belongs to the model, leave the token out of the text, or train with resize_embeddings: true in base_model, which adds rows.",
  );
}
