/**
 * Sequence classification: a family's configuration with `num_labels`, whose head over the vocabulary is replaced by a matrix
 * `score` over the hidden state of one token of a text, as in Hugging Face's `…ForSequenceClassification`.
 * One output is a regression; several are classes, whose names and order are in the configuration.
 */
import { WorkbenchError } from "../../protocol/errors";
import { isPieceRole } from "./biases";
import { models } from "./catalog";
import type { RepresentationChoices } from "./family";

type Config = Readonly<Record<string, unknown>>;

/** Same as `ModelShape`, which cannot be imported here because it depends on this file. */
interface Shape {
  readonly family: string;
  readonly config: Config;
  readonly representations: RepresentationChoices;
}

/** What a head predicts. */
export type Head =
  | { readonly kind: "regression" }
  | {
      readonly kind: "classes";
      /** In the order of the outputs. */
      readonly names: readonly string[];
      /** False if the names are only numbered: `LABEL_0`, `LABEL_1`, … or missing. */
      readonly isNamed: boolean;
    };

/** Returns the number of outputs of the head, or undefined for a language model. */
export function getLabelCount(config: Config): number | undefined {
  const { num_labels: count } = config;
  return typeof count === "number" ? count : undefined;
}

/** Returns undefined for a language model. Throws for heads that are not implemented and for contradictory names. */
export function getHead(config: Config): Head | undefined {
  const count = getLabelCount(config);
  if (count === undefined) return undefined;
  const { problem_type: type } = config;
  if (type === "multi_label_classification")
    throw new WorkbenchError(
      "unsupported",
      "problem_type multi_label_classification is not implemented. Supported: single_label_classification, and regression with num_labels 1.",
    );
  if (type === "regression" && count > 1)
    throw new WorkbenchError(
      "unsupported",
      `A regression with ${count} outputs is not implemented. Set num_labels to 1.`,
    );
  if (count === 1 && type === "single_label_classification")
    throw new WorkbenchError(
      "invalid-input",
      "A single_label_classification needs at least 2 classes, but num_labels is 1. For a regression set problem_type: regression.",
    );
  if (count === 1) return { kind: "regression" };
  const names = getClassNames(config, count);
  return {
    kind: "classes",
    names: names ?? Array.from({ length: count }, (_, i) => String(i)),
    isNamed: names !== undefined,
  };
}

/** A name that transformers generates for an unnamed class. */
export function isPlaceholder(name: string): boolean {
  return /^LABEL_\d+$/i.test(name);
}

/** Returns undefined if neither map contains more than generated names. */
function getClassNames(config: Config, count: number): readonly string[] | undefined {
  const byNumber = Object.entries((config["id2label"] ?? {}) as Config).map(
    ([number, name]) => [Number(number), String(name)] as const,
  );
  const byName = Object.entries((config["label2id"] ?? {}) as Config).map(
    ([name, number]) => [Number(number), name] as const,
  );
  const [fromIds, fromNames] = [byNumber, byName].map((entries) => completeNames(entries, count));
  if (fromIds !== undefined && fromNames !== undefined && fromIds.join("\n") !== fromNames.join("\n"))
    throw new WorkbenchError(
      "invalid-input",
      `id2label names the classes ${fromIds.join(", ")}, but label2id gives the order ${fromNames.join(", ")}. Correct one of them in the model's configuration.`,
    );
  return fromIds ?? fromNames;
}

function completeNames(
  entries: readonly (readonly [number, string])[],
  count: number,
): readonly string[] | undefined {
  const names = new Map(entries);
  const listed = Array.from({ length: count }, (_, i) => names.get(i));
  if (listed.every((name) => name === undefined || isPlaceholder(name))) return undefined;
  if (names.size !== count || listed.includes(undefined))
    throw new WorkbenchError(
      "invalid-input",
      `The model has ${count} classes (num_labels), but its configuration names ${names.size}: ${[...names.values()].join(", ")}. Name each class from 0 to ${count - 1} in id2label.`,
    );
  return listed as string[];
}

/** Throws if a model does not predict the next token: an encoder, classifier or regression model. */
export function requireNextToken(shape: Pick<Shape, "family" | "config">, what: string): void {
  refuseClassifier(shape, what);
  const { title, heads } = models[shape.family]!;
  if (heads.language.task === "causal-lm") return;
  throw new WorkbenchError(
    "unsupported",
    `${title} is an encoder, which predicts masked tokens, not the next one, so ${what}. Evaluate it with masked.`,
  );
}

/** Throws if a model does not predict tokens. */
export function refuseClassifier({ config }: Pick<Shape, "config">, what: string): void {
  const head = getHead(config);
  if (head === undefined) return;
  throw new WorkbenchError(
    "unsupported",
    head.kind === "regression"
      ? `This is a regression model, which predicts a number, not tokens, so ${what}. Evaluate it with regression.`
      : `This is a ${head.names.length}-class classifier, which predicts no tokens, so ${what}. Evaluate it with classification.`,
  );
}

/** The labels for which a new head is created. */
export interface HeadLabels {
  readonly kind: "classes" | "numbers";
  /** Names of the classes, in order. */
  readonly names: readonly string[];
}

/** Returns the configuration of the same model with a head for these labels. */
export function createClassifierShape(shape: Shape, labels: HeadLabels): Shape {
  const { matrices } = models[shape.family]!.heads.language;
  const replaced = matrices(shape.config).map(({ role }) => role);
  const keptRepresentations = Object.fromEntries(
    Object.entries(shape.representations).filter(
      ([role]) => !replaced.some((whole) => role === whole || isPieceRole(role, whole)),
    ),
  );
  if (labels.kind === "classes")
    return setClassNames({ ...shape, representations: keptRepresentations }, labels.names);
  const config = { ...shape.config, ...createLabelKeys(["LABEL_0"]), problem_type: "regression" };
  return { family: shape.family, config, representations: keptRepresentations };
}

/** Returns the same model with these names of its classes. */
export function setClassNames<S extends Shape>(shape: S, names: readonly string[]): S {
  const config = { ...shape.config, ...createLabelKeys(names), problem_type: "single_label_classification" };
  return { ...shape, config };
}

function createLabelKeys(names: readonly string[]) {
  return {
    num_labels: names.length,
    id2label: Object.fromEntries(names.map((name, i) => [String(i), name])),
    label2id: Object.fromEntries(names.map((name, i) => [name, i])),
  };
}
