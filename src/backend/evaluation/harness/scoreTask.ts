/** Results of a task, document by document, by the rules of lm-evaluation-harness. */
import { WorkbenchError } from "../../../protocol/errors";
import { countCharacters } from "../../data/spaces";
import { refuseTokensWithoutRow } from "../../data/tokenizers/vocabularyFit";
import { findExtremes } from "../../../statistics/extremes";
import { dimensionsOf } from "../../models/model";
import type { EvaluationLab, Subject } from "../metric";
import { getTokenizer } from "../metric";
import { answerQuestions } from "./answerQuestions";
import type { TaskDocument } from "./document";
import { type EncodedPair, HarnessEncoder } from "./harnessEncoder";
import { type LogLikelihood, scoreContinuations } from "./logLikelihoods";
import { createChoiceRequests, createContextRequests, ExampleSampler, type Request } from "./prompts";
import { createRollingWindows } from "./rollingWindows";
import type { Task, TaskOf, TaskPart } from "./task";

/** What is kept of a document, under the names of the harness's own logs. */
export interface DocumentResult {
  /** Part of the task, such as a subject of MMLU. */
  readonly task: string;
  /** Its row in the split. */
  readonly doc_id: number;
  readonly doc_hash: string;
  /** The right answer: its place, or its text. */
  readonly target: number | string;
  /** Log-likelihood of each request and whether the model would generate it; or the generated text. */
  readonly resps: readonly (readonly [logLikelihood: number, isGreedy: boolean] | string)[];
  /** Numbers of this document: `acc`, `acc_norm`, `perplexity` (its log-likelihood), … */
  readonly values: Readonly<Record<string, number>>;
  /** Words and bytes of a whole text. */
  readonly sizes?: { readonly words: number; readonly bytes: number };
}

export interface TaskScoring {
  readonly count: number;
  readonly seed: number;
  readonly maxLength: number;
  readonly batchSize: number | undefined;
  readonly addBos: boolean | undefined;
}

export interface PartDocuments {
  readonly documents: readonly TaskDocument[];
  /** Where examples are drawn from. */
  readonly pool: readonly TaskDocument[];
}

export async function scorePart(
  task: Task,
  part: TaskPart,
  { documents, pool }: PartDocuments,
  subject: Subject,
  scoring: TaskScoring,
  lab: EvaluationLab,
): Promise<DocumentResult[]> {
  const scorer = new Scorer(part, subject, scoring, lab);
  const sampler = new ExampleSampler(task, part, pool, scoring);
  const before = documents.map((document) => (task.kind === "text" ? "" : sampler.draw(document)));
  const describe = (i: number) => ({
    task: part.name,
    doc_id: i,
    doc_hash: documents[i]!.hash,
  });
  switch (task.kind) {
    case "choices": {
      const questions = documents.map((document) => task.read(document));
      const scores = await scorer.score(questions.map((each, i) => createChoiceRequests(before[i]!, each)));
      return questions.map((question, i) => ({
        ...describe(i),
        target: question.gold,
        resps: toResponses(scores[i]!),
        values: judgeChoices(task, question, scores[i]!),
      }));
    }
    case "contexts": {
      const questions = documents.map((document) => task.read(document));
      const scores = await scorer.score(questions.map((each, i) => createContextRequests(before[i]!, each)));
      return questions.map(({ gold }, i) => ({
        ...describe(i),
        target: gold,
        resps: toResponses(scores[i]!),
        values: { acc: Number(findFirstLargest(scores[i]!.map(({ value }) => value)) === gold) },
      }));
    }
    case "cloze": {
      const passages = documents.map((document) => task.read(document));
      const scores = await scorer.score(
        passages.map(({ context, continuation }, i) => [{ context: before[i]! + context, continuation }]),
      );
      return passages.map(({ continuation }, i) => {
        const [score] = scores[i] as [LogLikelihood];
        return {
          ...describe(i),
          target: continuation,
          resps: toResponses([score]),
          values: { perplexity: score.value, acc: Number(score.isGreedy) },
        };
      });
    }
    case "text": {
      const texts = documents.map((document) => task.read(document));
      const sums = await scorer.scoreTexts(texts.map(({ text }) => text));
      return texts.map(({ words, bytes }, i) => ({
        ...describe(i),
        target: "",
        resps: [[sums[i]!, false] as const],
        values: { log_likelihood: sums[i]! },
        sizes: { words, bytes },
      }));
    }
    case "generation":
      return scoreAnswers(task, part, documents, before, subject, scoring, lab, describe);
  }
}

function toResponses(scores: readonly LogLikelihood[]): DocumentResult["resps"] {
  return scores.map(({ value, isGreedy }) => [value, isGreedy] as const);
}

/**
 * The choice of the largest log-likelihood: as it is (`acc`), per character (`acc_norm`), per byte (`acc_bytes`) and per
 * token (`acc_tokens`, which the harness does not have). The leading space does not count as a character or byte.
 */
function judgeChoices(
  task: TaskOf<"choices">,
  { choices, gold }: { readonly choices: readonly string[]; readonly gold: number },
  scores: readonly LogLikelihood[],
): Record<string, number> {
  const judge = (size: (i: number) => number) =>
    Number(findFirstLargest(scores.map(({ value }, i) => value / size(i))) === gold);
  const acc = judge(() => 1);
  if (!task.normalized) return { acc };
  return {
    acc,
    acc_norm: judge((i) => countCharacters(choices[i]!)),
    acc_bytes: judge((i) => Buffer.byteLength(choices[i]!)),
    acc_tokens: judge((i) => scores[i]!.tokens),
  };
}

function findFirstLargest(values: readonly number[]): number {
  return values.indexOf(findExtremes(values).max);
}

async function scoreAnswers(
  task: TaskOf<"generation">,
  part: TaskPart,
  documents: readonly TaskDocument[],
  before: readonly string[],
  subject: Subject,
  scoring: TaskScoring,
  lab: EvaluationLab,
  describe: (i: number) => Pick<DocumentResult, "task" | "doc_id" | "doc_hash">,
): Promise<DocumentResult[]> {
  const questions = documents.map((document) => task.read(document));
  const prompts = questions.map(({ context }, i) => before[i]! + context);
  const answers = await answerQuestions(task, part, prompts, subject, scoring, lab);
  return questions.map(({ answer: right }, i) => {
    const judged = task.filters.map((filter) => {
      const { name } = filter;
      const isRight = task.normalize(filter.extract(answers[i]!)) === task.normalize(right);
      return [`exact_match_${name}`, Number(isRight)] as const;
    });
    return {
      ...describe(i),
      target: right,
      resps: [answers[i]!],
      values: Object.fromEntries(judged),
    };
  });
}

/** Scores requests and texts of one part of a task. */
class Scorer {
  readonly #encoder: HarnessEncoder;

  constructor(
    private readonly part: TaskPart,
    private readonly subject: Subject,
    private readonly scoring: TaskScoring,
    private readonly lab: EvaluationLab,
  ) {
    this.#encoder = new HarnessEncoder(getTokenizer(subject), scoring.addBos);
  }

  /** The scores of the requests of each document. */
  async score(requests: readonly (readonly Request[])[]): Promise<LogLikelihood[][]> {
    const pairs = await this.#encoder.encodePairs(requests.flat());
    requests
      .flatMap((some, document) => some.map(() => document))
      .forEach((document, i) => this.#refuseEmpty(pairs[i]!, document));
    const scores = await this.#run(pairs, "requests");
    let at = 0;
    return requests.map(({ length }) => scores.slice(at, (at += length)));
  }

  /** Log-likelihoods of whole texts. */
  async scoreTexts(texts: readonly string[]): Promise<number[]> {
    const prefix = this.#encoder.requirePrefix(this.part.name);
    const ids = await this.#encoder.encodeAll(texts);
    const windows = ids.map((each) => createRollingWindows(each, prefix, this.scoring.maxLength));
    const scores = await this.#run(windows.flat(), "windows");
    let at = 0;
    return windows.map(({ length }) =>
      scores.slice(at, (at += length)).reduce((total, { value }) => total + value, 0),
    );
  }

  #refuseEmpty({ context, continuation }: EncodedPair, document: number): void {
    if (context.length > 0 && continuation.length > 0) return;
    throw new WorkbenchError(
      "unsupported",
      `Row ${document + 1} of ${this.part.name} has a ${context.length === 0 ? "context" : "continuation"} without tokens of its own with this tokenizer, which cannot be scored. Leave the row out, or use another tokenizer.`,
    );
  }

  async #run(pairs: readonly EncodedPair[], what: string): Promise<LogLikelihood[]> {
    refuseTokensWithoutRow(dimensionsOf(this.subject.shape).vocabulary, (rows) => {
      for (const { context, continuation } of pairs)
        for (const id of [...context, ...continuation])
          if (id >= rows)
            return { id, name: getTokenizer(this.subject).nameOf(id), place: `a row of ${this.part.name}` };
      return undefined;
    });
    return scoreContinuations(this.subject, pairs, this.scoring, this.lab, (done) =>
      this.lab.progress(done, pairs.length, `${this.part.name}: ${what}`),
    );
  }
}
