/** A loaded model that answers prompts one after the other, and scores the answers of others. */
import * as z from "zod";
import { chatRoles } from "../backend/data/tokenizers/chatTemplate";
import type { Tokenizer } from "../backend/data/tokenizers/tokenizer";
import { generationKeys, resolveGeneration } from "../backend/evaluation/generate";
import { framePrompt } from "../backend/evaluation/generatedText";
import { continuePrompts, type GenerationOptions } from "../backend/evaluation/generation";
import { scoreTokens } from "../backend/evaluation/scoreTokens";
import { splitPieces } from "../backend/evaluation/tokenPieces";
import { type GenerationConfig, resolveGenerationDefaults } from "../backend/imports/generationConfig";
import { countModel } from "../backend/models/accounting";
import { requireNextToken } from "../backend/models/classifier";
import { dimensionsOf } from "../backend/models/model";
import type { ModelShape } from "../backend/models/model";
import type { HostTensors } from "../backend/checkpoints/safetensors";
import { toWorkbenchError, WorkbenchError } from "../protocol/errors";
import type {
  AnswerGrowth,
  AnswerQuestion,
  FinishedAnswer,
  LoadedModel,
  ScoredTokens,
  TokensToScore,
} from "../protocol/service/answers";
import type { OpenLab } from "./evaluationLab";
import { hashVocabulary } from "../backend/data/tokenizers/vocabulary";

/** What the server answers with. */
export interface ServedParts {
  readonly shape: ModelShape;
  readonly tensors: HostTensors;
  readonly tokenizer: Tokenizer;
  readonly generationConfig?: GenerationConfig | undefined;
  readonly notices: readonly string[];
  readonly lab: OpenLab;
}

/** Text is sent at most this often. */
const growthMilliseconds = 40;
const maxScored = 2 ** 20;

const promptSchema = z.union([
  z.strictObject({ text: z.string() }),
  z.strictObject({
    messages: z.array(z.strictObject({ role: z.enum(chatRoles), content: z.string() })).min(1),
  }),
]);
const settingsSchema = z.strictObject({
  maxNewTokens: generationKeys.max_new_tokens,
  temperature: z.number().min(0),
  topK: z.int().min(0),
  topP: z.number().min(0).max(1),
  seed: z.int().min(0).max(0x7fffffff),
});
const idsSchema = z.array(z.int().min(0)).max(maxScored);
const scoredSchema = z.strictObject({ context: idsSchema, ids: idsSchema });

export class ModelServer implements AsyncDisposable {
  /** The last piece of work; the next one waits for it. */
  private last: Promise<unknown> = Promise.resolve();
  /** Of the answer that is being generated, and of those that wait. */
  private readonly controllers = new Set<AbortController>();

  constructor(private readonly parts: ServedParts) {
    requireNextToken(parts.shape, "it cannot answer prompts");
  }

  describe(): LoadedModel {
    const { shape, tokenizer, lab, notices } = this.parts;
    const { notice } = this.resolveOptions({ maxNewTokens: 1, temperature: 1, topK: 0, topP: 1, seed: 0 });
    return {
      family: shape.family,
      parameters: countModel(shape).total.stored,
      device: lab.engine.device.name,
      context: dimensionsOf(shape).context,
      vocabulary: hashVocabulary(tokenizer),
      hasChat: tokenizer.chat !== undefined,
      notices: [...notices, ...tokenizer.notices, ...(notice === undefined ? [] : [notice])],
    };
  }

  /** Resolves with what there is if it is stopped; throws `cancelled` if `signal` is aborted. */
  answer(
    question: AnswerQuestion,
    onGrowth: (growth: AnswerGrowth) => void,
    signal: AbortSignal,
  ): Promise<FinishedAnswer> {
    const prompt = parse("prompt", promptSchema, question.prompt);
    const settings = parse("settings", settingsSchema, question.settings);
    const controller = new AbortController();
    this.controllers.add(controller);
    return this.queue(async () => {
      try {
        return await this.generate({ prompt, settings }, onGrowth, {
          signal: AbortSignal.any([signal, controller.signal]),
          isStopped: () => controller.signal.aborted && !signal.aborted,
        });
      } finally {
        this.controllers.delete(controller);
      }
    });
  }

  stopAnswer(): void {
    for (const controller of this.controllers) controller.abort();
  }

  score(tokens: TokensToScore, signal: AbortSignal): Promise<ScoredTokens> {
    const scored = parse("tokens", scoredSchema, tokens);
    return this.queue(async () => ({
      logProbabilities: await scoreTokens(this.parts, scored, { ...this.parts.lab, signal }),
      pieces: splitPieces(this.parts.tokenizer, scored),
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.last.catch(() => undefined);
    await this.parts.lab[Symbol.asyncDispose]();
  }

  private queue<T>(work: () => Promise<T>): Promise<T> {
    const next = this.last.then(work, work);
    this.last = next.catch(() => undefined);
    return next;
  }

  private async generate(
    { prompt, settings }: AnswerQuestion,
    onGrowth: (growth: AnswerGrowth) => void,
    { signal, isStopped }: { readonly signal: AbortSignal; readonly isStopped: () => boolean },
  ): Promise<FinishedAnswer> {
    const { tokenizer, lab } = this.parts;
    const { options } = this.resolveOptions(settings);
    const framed = await framePrompt("text" in prompt ? prompt.text : prompt.messages, tokenizer, options);
    onGrowth({ context: framed.ids, ids: [], text: "" });
    const growth = new Growth(onGrowth);
    let finish: FinishedAnswer["finish"] = "stopped";
    const startedAt = performance.now();
    try {
      const [continuation] = await continuePrompts(
        this.parts,
        [framed],
        options,
        { ...lab, seed: settings.seed, signal, progress: () => undefined },
        { onToken: (_, id) => growth.addToken(id), onText: (_, text) => growth.addText(text) },
      );
      finish = continuation!.finish;
    } catch (thrown) {
      if (!isStopped() || toWorkbenchError(thrown).code !== "cancelled") throw thrown;
    } finally {
      growth.flush();
    }
    const { tokens, firstAt, lastAt } = growth;
    const seconds = (from: number, to: number) => (to - from) / 1000;
    return {
      finish,
      tokens,
      promptTokens: framed.ids.length,
      promptSeconds: firstAt === undefined ? null : seconds(startedAt, firstAt),
      seconds: firstAt === undefined || tokens < 2 ? null : seconds(firstAt, lastAt),
    };
  }

  /** What the model's own `generation_config.json` adds, such as a penalty for repetition, applies here too. */
  private resolveOptions({ maxNewTokens, temperature, topK, topP, seed }: AnswerQuestion["settings"]): {
    readonly options: GenerationOptions;
    readonly notice: string | undefined;
  } {
    const explicit = { doSample: temperature > 0, temperature, topK, topP, maxNewTokens };
    const { options, notice } = resolveGenerationDefaults(this.parts.generationConfig, explicit);
    const resolved = resolveGeneration(
      z.strictObject(generationKeys).parse({
        max_new_tokens: maxNewTokens,
        do_sample: temperature > 0,
        temperature,
        top_k: topK,
        top_p: topP,
        ...(options.repetitionPenalty === undefined ? {} : { repetition_penalty: options.repetitionPenalty }),
        ...(options.stopTokenIds === undefined ? {} : { stop_token_ids: options.stopTokenIds }),
        seed,
      }),
      seed,
    );
    return { options: resolved, notice };
  }
}

/** Collects tokens and text, and sends them a few times a second. */
class Growth {
  tokens = 0;
  firstAt: number | undefined;
  lastAt = 0;
  private ids: number[] = [];
  private text = "";
  private sentAt = 0;

  constructor(private readonly send: (growth: AnswerGrowth) => void) {}

  addToken(id: number): void {
    // The text of the tokens before it is complete.
    this.lastAt = performance.now();
    if (this.lastAt - this.sentAt >= growthMilliseconds) this.flush();
    this.firstAt ??= this.lastAt;
    this.tokens++;
    this.ids.push(id);
  }

  addText(text: string): void {
    this.text += text;
  }

  flush(): void {
    this.sentAt = performance.now();
    if (this.ids.length === 0 && this.text === "") return;
    this.send({ ids: this.ids, text: this.text });
    [this.ids, this.text] = [[], ""];
  }
}

function parse<T>(what: string, schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new WorkbenchError(
    "invalid-input",
    `The ${what} cannot be used: ${z.prettifyError(parsed.error).replaceAll("\n", " ")}.`,
  );
}
