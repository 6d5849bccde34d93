/** How little a model expects each token of a text. */
import { WorkbenchError } from "../../../protocol/errors";
import { refuseTokensWithoutRow } from "../../data/tokenizers/vocabularyFit";
import { dimensionsOf } from "../../models/model";
import { scoreTokens } from "../scoreTokens";
import { createWindows } from "../windows";
import type { PromptLab, PromptReader } from "./promptPolicy";

/**
 * -ln p(token | tokens before it) in nats, of each token. A text that is longer than the model's context is read in windows
 * that overlap by half. The first token, which nothing precedes, has the highest value of all.
 */
export async function measureInformation(
  reader: PromptReader,
  ids: readonly number[],
  lab: Omit<PromptLab, "seed">,
): Promise<Float64Array> {
  const { context, vocabulary } = dimensionsOf(reader.shape);
  refuseTokensWithoutRow(vocabulary, (rows) => {
    const id = ids.find((each) => each >= rows);
    return id === undefined
      ? undefined
      : { id, name: reader.tokenizer.nameOf(id), place: "the text of a prompt" };
  });
  const nats = new Float64Array(ids.length);
  for (const { start, from, to } of createWindows(ids.length, context, Math.ceil(context / 2))) {
    const parts = { context: ids.slice(start, from), ids: ids.slice(from, to) };
    const scores = await scoreTokens(reader, parts, lab, reader.weights?.());
    scores.forEach((score, i) => {
      if (score === null) throw new WorkbenchError("internal", "A window is longer than the context.");
      nats[from + i] = 0 - score;
    });
  }
  nats[0] = nats.reduce((highest, each) => Math.max(highest, each), 0);
  return nats;
}
