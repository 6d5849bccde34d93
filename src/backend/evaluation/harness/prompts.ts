/** The context of a document's requests: description, solved examples and question, as lm-evaluation-harness joins them. */
import { WorkbenchError } from "../../../protocol/errors";
import type { TaskDocument } from "./document";
import { PythonRandom } from "./pythonRandom";
import type { Task, TaskPart } from "./task";

const targetDelimiter = " ";
const exampleDelimiter = "\n\n";

/** Name of the split that examples are taken from. */
export function getExampleSplit({ splits }: Pick<Task, "splits">): string {
  return (splits.fewshot ?? splits.training ?? splits.validation ?? splits.test)!;
}

export interface ExampleOptions {
  readonly count: number;
  readonly seed: number;
}

/** Draws the examples of one document after the other; the order of the documents decides which. */
export class ExampleSampler {
  readonly #random: PythonRandom;
  /** The harness draws one more and leaves the document itself out where it knows no other split for examples than for tests. */
  readonly #excludes: boolean;

  constructor(
    private readonly task: Task,
    private readonly part: TaskPart,
    private readonly pool: readonly TaskDocument[],
    private readonly options: ExampleOptions,
  ) {
    this.#random = new PythonRandom(options.seed);
    this.#excludes = task.splits.fewshot === task.splits.test;
    const needed = options.count + (this.#excludes ? 1 : 0);
    if (options.count > 0 && pool.length < needed)
      throw new WorkbenchError(
        "invalid-input",
        `num_fewshot ${options.count} of ${part.name} needs ${needed} rows in the split ${getExampleSplit(task)}, which has ${pool.length}. Lower num_fewshot, or provide more rows.`,
      );
  }

  /** Text before the question of the document. */
  draw(document: TaskDocument): string {
    const examples = this.#drawExamples(document).map((example) => formatExample(this.task, example));
    return [this.part.description ?? "", ...examples].join("");
  }

  #drawExamples(document: TaskDocument): readonly TaskDocument[] {
    const { count } = this.options;
    if (count === 0) return [];
    if (this.task.firstExamples === true) return this.pool.slice(0, count);
    if (!this.#excludes) return this.#random.sample(this.pool, count);
    const drawn = this.#random.sample(this.pool, count + 1);
    return drawn.filter(({ key }) => key !== document.key).slice(0, count);
  }
}

function formatExample(task: Task, document: TaskDocument): string {
  switch (task.kind) {
    case "choices": {
      const { context, choices, gold } = task.read(document);
      return joinExample(context, choices[gold]!);
    }
    case "contexts": {
      const { contexts, continuation, gold } = task.read(document);
      return joinExample(contexts[gold]!, continuation);
    }
    case "cloze": {
      const { context, continuation } = task.read(document);
      return joinExample(context, continuation);
    }
    case "generation": {
      const { context, answer } = task.read(document);
      return joinExample(context, answer);
    }
    case "text":
      return "";
  }
}

function joinExample(question: string, answer: string): string {
  return answer === "" ? question : `${question}${targetDelimiter}${answer}${exampleDelimiter}`;
}

/** A request for the log-likelihood of a continuation. */
export interface Request {
  readonly context: string;
  readonly continuation: string;
}

export function createChoiceRequests(
  before: string,
  { context, choices }: { readonly context: string; readonly choices: readonly string[] },
): Request[] {
  return choices.map((choice) => ({
    context: before + context,
    continuation: `${targetDelimiter}${choice}`,
  }));
}

export function createContextRequests(
  before: string,
  { contexts, continuation }: { readonly contexts: readonly string[]; readonly continuation: string },
): Request[] {
  return contexts.map((context) => ({
    context: before + context,
    continuation: `${targetDelimiter}${continuation}`,
  }));
}
