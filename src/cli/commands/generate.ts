/** `lathe generate MODEL`: writes on from prompts, shown as they are written. */
import { continuePrompts } from "../../backend/evaluation/generation";
import type { GenerationTimes } from "../../backend/evaluation/generatedText";
import type { ChatMessage } from "../../backend/data/tokenizers/chatTemplate";
import { generationKeys, resolveGeneration } from "../../backend/evaluation/generate";
import { resolveGenerationDefaults } from "../../backend/imports/generationConfig";
import * as z from "zod";
import { findRetrievalHeads } from "../../backend/evaluation/retrievalHeads";
import { WorkbenchError } from "../../protocol/errors";
import { defineCommand } from "../command";
import { inferenceOption, parseInferenceOption } from "../inferenceOption";
import { deviceOption, openLab } from "../evaluationLab";
import { validateOptions, collect, parseNumber, parseNumbers } from "../optionParsing";
import {
  checkpointOption,
  loadModel,
  modelArgument,
  type ModelOptions,
  openModelTokenizer,
  tokenizerOption,
  readingOptions,
  omitModelOptions,
} from "../modelArgument";
import { formatNumber } from "../../protocol/quantities";
import { toPlainText } from "../terminal";

interface Options extends ModelOptions {
  readonly prompt?: readonly string[];
  readonly chat?: boolean;
  readonly system?: string;
  readonly maxNewTokens?: number;
  readonly sample?: boolean;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly repetitionPenalty?: number;
  readonly stop?: readonly string[];
  readonly stopTokenIds?: readonly number[];
  readonly cache?: boolean;
  readonly inference?: readonly string[];
  readonly seed?: number;
  readonly device?: string;
}

export default defineCommand<readonly [string], Options>({
  summary: "generate text from prompts",
  arguments: [modelArgument],
  options: [
    ["--prompt <text>", "text to continue; repeatable; default: start a new text", collect],
    ["--chat", "send each prompt as a user message, formatted with the tokenizer's chat template"],
    ["--system <text>", "system message; implies --chat"],
    ["--max-new-tokens <tokens>", "tokens to generate; default 64", parseNumber],
    ["--sample", "sample tokens by probability; default: always the most likely one"],
    [
      "--no-sample",
      "take the most likely token each time, whatever the model's generation_config.json specifies",
    ],
    ["--temperature <number>", "divisor of the logits; implies sampling", parseNumber],
    ["--top-k <tokens>", "sample from this many most likely tokens; default 50, 0 for all", parseNumber],
    [
      "--top-p <probability>",
      "sample from the smallest set of tokens with this total probability",
      parseNumber,
    ],
    ["--repetition-penalty <number>", "penalty for tokens that have occurred already", parseNumber],
    ["--stop <text>", "stop when the model generates this text; repeatable", collect],
    ["--stop-token-ids <ids>", "stop at one of these token ids, separated by commas", parseNumbers],
    ["--no-cache", "recompute the whole text for each token, for comparison"],
    inferenceOption,
    ["--seed <number>", "sampling seed; default 0", parseNumber],
    tokenizerOption,
    checkpointOption,
    ...readingOptions,
    deviceOption,
  ],
  async run({ args: [text], options, terminal }) {
    const {
      prompt = [""],
      chat,
      system,
      sample,
      cache,
      device,
      inference: settings,
      ...generationOptions
    } = omitModelOptions(options);
    const requested = {
      ...generationOptions,
      ...(sample === undefined ? {} : { doSample: sample }),
      ...(cache === false ? { useCache: false } : {}),
    };
    validateOptions(z.strictObject(generationKeys), requested);
    const inference = parseInferenceOption(settings);
    if (cache === false && (inference.cache ?? inference.exits) !== undefined)
      throw new WorkbenchError(
        "invalid-input",
        "With --no-cache, --inference has no effect on keys and values. Omit one of them.",
      );
    const isChat = chat === true || system !== undefined;
    const prompts = isChat ? prompt.map((content) => createConversation(content, system)) : prompt;
    const model = await loadModel(text, options, terminal);
    const defaults = resolveGenerationDefaults(model.generationConfig, requested);
    if (defaults.notice !== undefined) terminal.log(defaults.notice);
    const validated = validateOptions(z.strictObject(generationKeys), { ...requested, ...defaults.options });
    const resolved = resolveGeneration(validated, 0);
    const tokenizer = await openModelTokenizer(model, options);
    await using lab = await openLab({ device, seed: resolved.seed }, terminal);
    // The first text is shown as it is written, once the prompts are known to be good; the others wait for their turn.
    let prefix = terminal.json || isChat ? "" : prompt[0]!;
    const write = (piece: string) => {
      if (!terminal.json) terminal.stream(toPlainText(prefix + piece));
      prefix = "";
    };
    const quietLab = terminal.json ? lab : { ...lab, progress: () => undefined };
    const times: GenerationTimes[] = [];
    const openReader = async (name: string) => {
      const reader = await loadModel(name, {}, terminal);
      return { ...reader, tokenizer: await openModelTokenizer(reader, {}) };
    };
    const complete = await findRetrievalHeads(lab.engine, model, inference, lab.signal);
    const subject = { ...model, tokenizer, inference: complete };
    const readingLab = { ...quietLab, openModel: openReader };
    const samples = await continuePrompts(subject, prompts, resolved, readingLab, {
      onText: (sampleIndex, piece) => {
        if (sampleIndex === 0) write(piece);
      },
      onTimed: (each) => times.push(each),
    });
    write("\n");
    const speed = computeSpeed(times);
    terminal.log(formatSpeed(speed));
    return {
      document: { model: model.source, device: lab.engine.device.name, options: resolved, speed, samples },
      text: samples
        .slice(1)
        .map((each, i) => `\n${toPlainText((isChat ? `${prompt[i + 1]!}\n` : each.prompt) + each.text)}\n`)
        .join(""),
    };
  },
});

function createConversation(content: string, system: string | undefined): ChatMessage[] {
  const question = { role: "user", content } as const;
  return system === undefined ? [question] : [{ role: "system", content: system }, question];
}

/** Tokens a second; null where there were none to time. */
function computeSpeed(times: readonly GenerationTimes[]) {
  const computeRate = (tokens: "prompt_tokens" | "new_tokens", seconds: "prompt_seconds" | "new_seconds") => {
    const [count, elapsed] = [tokens, seconds].map((key) => times.reduce((sum, each) => sum + each[key], 0));
    return count === 0 || elapsed === 0 ? null : count! / elapsed!;
  };
  return {
    prompt_tokens_per_second: computeRate("prompt_tokens", "prompt_seconds"),
    new_tokens_per_second: computeRate("new_tokens", "new_seconds"),
  };
}

function formatSpeed({
  prompt_tokens_per_second,
  new_tokens_per_second,
}: ReturnType<typeof computeSpeed>): string {
  const formatRate = (rate: number | null) => (rate === null ? "none" : `${formatNumber(rate)} a second`);
  return `Tokens of prompts: ${formatRate(prompt_tokens_per_second)}; new tokens: ${formatRate(new_tokens_per_second)}.`;
}
