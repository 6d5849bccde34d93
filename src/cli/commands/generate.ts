/** `lathe generate MODEL`: writes on from prompts, shown as they are written. */
import { continuePrompts } from "../../backend/evaluation/generation";
import { generationKeys, resolveGeneration } from "../../backend/evaluation/generate";
import * as z from "zod";
import { defineCommand } from "../command";
import { deviceOption, openLab } from "../evaluationLab";
import { checkedOptions, collect, number } from "../givenOptions";
import {
  checkpointOption,
  loadModel,
  modelArgument,
  type ModelOptions,
  openModelTokenizer,
  tokenizerOption,
} from "../modelArgument";
import { plain } from "../terminal";

interface Options extends ModelOptions {
  readonly prompt?: readonly string[];
  readonly maxNewTokens?: number;
  readonly sample?: boolean;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly repetitionPenalty?: number;
  readonly seed?: number;
  readonly device?: string;
}

export default defineCommand<readonly [string], Options>({
  summary: "let a model write on from prompts",
  arguments: [modelArgument],
  options: [
    ["--prompt <text>", "where to write on from; may be repeated; a new text when left out", collect],
    ["--max-new-tokens <tokens>", "tokens to write; 64 when left out", number],
    ["--sample", "draw tokens by their probability; the most likely one each time when left out"],
    ["--temperature <number>", "divides the logits; samples", number],
    ["--top-k <tokens>", "sample from the most likely tokens; 50 when left out, 0 for all", number],
    ["--top-p <probability>", "sample from the fewest tokens that have this probability together", number],
    ["--repetition-penalty <number>", "make tokens that have occurred less likely", number],
    ["--seed <number>", "seed of the draws; 0 when left out", number],
    tokenizerOption,
    checkpointOption,
    deviceOption,
  ],
  async run({ args: [text], options, terminal }) {
    const { prompt, sample, tokenizer: _tokenizer, checkpoint: _checkpoint, device, ...given } = options;
    const chosen = checkedOptions(z.strictObject(generationKeys), {
      ...given,
      ...(sample === true ? { doSample: true } : {}),
    });
    const resolved = resolveGeneration(chosen, 0);
    const prompts = prompt ?? [""];
    const model = await loadModel(text, options);
    const tokenizer = await openModelTokenizer(model, options);
    await using lab = await openLab({ device, seed: resolved.seed }, terminal);
    // The first text is shown as it is written, once the prompts are known to be good; the others wait for their turn.
    let shown = terminal.json ? "" : prompts[0]!;
    const write = (piece: string) => {
      if (!terminal.json) process.stdout.write(plain(shown + piece));
      shown = "";
    };
    const quiet = terminal.json ? lab : { ...lab, progress: () => undefined };
    const samples = await continuePrompts(
      { ...model, tokenizer },
      prompts,
      resolved,
      quiet,
      (which, piece) => {
        if (which === 0) write(piece);
      },
    );
    write("\n");
    return {
      document: { model: model.source, device: lab.engine.device.name, options: resolved, samples },
      text: samples
        .slice(1)
        .map((each) => `\n${plain(each.prompt + each.text)}\n`)
        .join(""),
    };
  },
});
