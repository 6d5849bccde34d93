/** Prompts and the answers of all models to them: asks, follows the text, stops, and has every answer scored by every model. */
import { toWorkbenchError } from "../../src/protocol/errors";
import type { Host } from "../../src/protocol/page";
import type {
  AnswerPrompt,
  AnswerSettings,
  ChatTurn,
  FinishedAnswer,
  ServedModel,
} from "../../src/protocol/service/answers";
import type { LogProbabilities } from "../../src/statistics/tokenChanges";
import type { TriedModel } from "./triedModel";

export type ScoreResult = { readonly logProbabilities: LogProbabilities } | { readonly problem: string };

export interface Answer {
  readonly number: number;
  state: "waiting" | "generating" | "done" | "failed" | "skipped";
  context: readonly number[];
  ids: number[];
  text: string;
  /** When its first and its last tokens arrived, in milliseconds. */
  firstAt: number | undefined;
  lastAt: number;
  result: FinishedAnswer | undefined;
  problem: string | undefined;
  /** Whether the model continues the prompt as text although the others answer it as a message. */
  isPlain: boolean;
  /** The text that each token adds, once they are scored. */
  pieces: readonly string[] | undefined;
  readonly scores: Map<TriedModel, ScoreResult>;
}

export interface Turn {
  readonly prompt: string;
  readonly isChat: boolean;
  /** Models that answer at the same time share the processor. */
  readonly isShared: boolean;
  readonly answers: Map<TriedModel, Answer>;
  isStopped: boolean;
}

export interface Question {
  readonly prompt: string;
  readonly system: string;
  readonly isChat: boolean;
  readonly oneAfterTheOther: boolean;
  readonly settings: AnswerSettings;
}

const otherTokens = "its tokenizer has other tokens, so their probabilities cannot be compared";

export class Conversation {
  readonly turns: Turn[] = [];
  activity: "idle" | "answering" | "scoring" = "idle";
  private count = 0;
  private scoring: AbortController | undefined;

  constructor(
    private readonly host: Host,
    private readonly onChange: () => void,
  ) {
    host.on("answerGrew", ({ server, answer: number, context, ids, text }) => {
      const answer = this.findAnswer(server, number);
      if (answer === undefined) return;
      if (context !== undefined) answer.context = context;
      if (ids.length > 0) {
        answer.lastAt = performance.now();
        answer.firstAt ??= answer.lastAt;
      }
      answer.ids.push(...ids);
      answer.text += text;
      onChange();
    });
  }

  clear(): void {
    this.turns.length = 0;
    this.onChange();
  }

  async ask(question: Question, models: readonly TriedModel[]): Promise<void> {
    const isShared = models.length > 1 && !question.oneAfterTheOther;
    const turn: Turn = {
      prompt: question.prompt,
      isChat: question.isChat,
      isShared,
      answers: new Map(models.map((model) => [model, this.createAnswer()])),
      isStopped: false,
    };
    this.turns.push(turn);
    this.setActivity("answering");
    if (isShared) await Promise.all(models.map((model) => this.answer(turn, question, model)));
    else for (const model of models) await this.answer(turn, question, model);
    this.setActivity("scoring");
    this.scoring = new AbortController();
    await this.score(turn, models, this.scoring.signal);
    this.setActivity("idle");
  }

  /** Ends the answers that are being generated; what they have remains. */
  async stop(): Promise<void> {
    this.scoring?.abort();
    const turn = this.turns.at(-1);
    if (turn === undefined) return;
    turn.isStopped = true;
    const generating = [...turn.answers].filter(([, { state }]) => state === "generating");
    await Promise.all(generating.map(([{ server }]) => this.host.request("models.stopAnswer", { server })));
  }

  private setActivity(activity: Conversation["activity"]): void {
    this.activity = activity;
    this.onChange();
  }

  private createAnswer(): Answer {
    return {
      number: ++this.count,
      state: "waiting",
      context: [],
      ids: [],
      text: "",
      firstAt: undefined,
      lastAt: 0,
      result: undefined,
      problem: undefined,
      isPlain: false,
      pieces: undefined,
      scores: new Map(),
    };
  }

  private findAnswer(server: string, number: number): Answer | undefined {
    for (const { answers } of this.turns)
      for (const [model, answer] of answers)
        if (answer.number === number && model.server === server) return answer;
    return undefined;
  }

  private async answer(turn: Turn, question: Question, model: TriedModel): Promise<void> {
    const answer = turn.answers.get(model)!;
    // Why a model cannot be loaded is shown at the model.
    const info = await model.load().catch(() => undefined);
    if (info === undefined || turn.isStopped) {
      answer.state = "skipped";
      this.onChange();
      return;
    }
    try {
      answer.state = "generating";
      answer.isPlain = turn.isChat && !info.hasChat;
      this.onChange();
      answer.result = await this.host.request("models.answer", {
        server: model.server,
        answer: answer.number,
        prompt: this.createPrompt(turn, question, model, info),
        settings: question.settings,
      });
      answer.state = "done";
    } catch (thrown) {
      answer.state = "failed";
      answer.problem = toWorkbenchError(thrown).message;
    } finally {
      this.onChange();
    }
  }

  /** The conversation so far, with the model's own answers, or the prompt as text. */
  private createPrompt(
    turn: Turn,
    { prompt, system }: Question,
    model: TriedModel,
    { hasChat }: ServedModel,
  ): AnswerPrompt {
    if (!turn.isChat || !hasChat) return { text: prompt };
    const earlier = this.turns.slice(0, this.turns.indexOf(turn)).flatMap((each): ChatTurn[] => {
      const answer = each.answers.get(model);
      if (!each.isChat || answer?.state !== "done") return [];
      return [
        { role: "user", content: each.prompt },
        { role: "assistant", content: answer.text },
      ];
    });
    return {
      messages: [
        ...(system === "" ? [] : [{ role: "system", content: system } as const]),
        ...earlier,
        { role: "user", content: prompt },
      ],
    };
  }

  /** Each model scores its own answer and those of the others, one after the other; all models at the same time. */
  private async score(turn: Turn, models: readonly TriedModel[], signal: AbortSignal): Promise<void> {
    const scoreAll = async (scorer: TriedModel) => {
      for (const [writer, answer] of turn.answers) {
        const { state, info } = scorer;
        if (state !== "ready" || info === undefined || writer.info === undefined || answer.ids.length === 0)
          continue;
        const isSame = info.vocabulary === writer.info.vocabulary;
        answer.scores.set(
          scorer,
          isSame ? await this.scoreOne(scorer, answer, signal) : { problem: otherTokens },
        );
        this.onChange();
      }
    };
    await Promise.all(models.map(scoreAll));
  }

  private async scoreOne(scorer: TriedModel, answer: Answer, signal: AbortSignal): Promise<ScoreResult> {
    try {
      const { context, ids } = answer;
      const { server } = scorer;
      const scored = await this.host.request("models.score", { server, context, ids }, signal);
      answer.pieces ??= scored.pieces;
      return { logProbabilities: scored.logProbabilities };
    } catch (thrown) {
      const { code, message } = toWorkbenchError(thrown);
      return { problem: code === "cancelled" ? "it was stopped" : message };
    }
  }
}
