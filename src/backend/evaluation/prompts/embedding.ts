/** Embeddings of texts: the mean of a model's last hidden states over their tokens. */
import { WorkbenchError } from "../../../protocol/errors";
import { input } from "../../graph/op";
import { buildInferenceHidden, toInferenceTensors } from "../../models/inference";
import { dimensionsOf } from "../../models/model";
import { disposeAll, pickTensors } from "../../training/evaluateLoss";
import { uploadAll } from "../../training/feeds";
import type { PromptLab, PromptReader } from "./promptPolicy";

/** Tokens of a batch, padding included. */
const maxBatchTokens = 8192;

/** One vector of the model's width for each text; zeros for a text without tokens. Texts fit into the model's context. */
export async function embedTexts(
  { shape, tensors, tokenizer, weights: shared }: PromptReader,
  texts: readonly string[],
  { engine, signal }: Omit<PromptLab, "seed">,
): Promise<Float64Array[]> {
  const { width, context } = dimensionsOf(shape);
  const encoded = await tokenizer.encodeAll(texts);
  const time = Math.max(1, ...encoded.map(({ length }) => length));
  if (time > context)
    throw new WorkbenchError(
      "invalid-input",
      `A sentence of the prompt has ${time} tokens, but the model that embeds it reads at most ${context}. Lower sentence_words.`,
    );
  const batch = Math.max(1, Math.min(texts.length, Math.floor(maxBatchTokens / time)));
  const tokens = input("tokens", [batch, time], "int32");
  const hidden = buildInferenceHidden(shape, { tokens }, "engine");
  const program = await engine.compile({ outputs: { hidden } });
  const weights = shared?.() ?? uploadAll(engine, toInferenceTensors(shape, tensors));
  const embeddings: Float64Array[] = [];
  try {
    for (let first = 0; first < texts.length; first += batch) {
      if (signal.aborted) throw new WorkbenchError("cancelled", "The evaluation was stopped.");
      const some = encoded.slice(first, first + batch);
      const ids = new Int32Array(batch * time);
      // Padding follows the text, so that no token attends to it.
      some.forEach((each, i) => ids.set(each, i * time));
      const fed = { tokens: engine.upload({ dtype: "int32", shape: [batch, time] }, ids) };
      const outputs = await program.run(pickTensors(program.inputs, { ...weights, ...fed }));
      const states = (await outputs.hidden!.read()) as Float32Array;
      for (const [i, { length }] of some.entries()) {
        const mean = new Float64Array(width);
        for (let token = 0; token < length; token++)
          for (let channel = 0; channel < width; channel++)
            mean[channel]! += states[(i * time + token) * width + channel]! / length;
        embeddings.push(mean);
      }
      disposeAll(fed);
      disposeAll(outputs);
    }
  } finally {
    if (shared === undefined) disposeAll(weights);
    await program[Symbol.asyncDispose]();
  }
  return embeddings;
}
