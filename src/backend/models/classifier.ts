/**
 * A model that tells classes apart: the configuration of its family with `num_labels`, and in place of the head over the
 * vocabulary a matrix `score` that reads the last token of a text, as Hugging Face's `…ForSequenceClassification` do.
 */
import { WorkbenchError } from "../../protocol/errors";
import type { Init, MatrixSpec } from "../representations/representation";
import type { RepresentationChoices } from "./family";

/** What a `ModelShape` is, which knows of classifiers itself. */
interface Shape {
  readonly family: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly representations: RepresentationChoices;
}

export const scoreRole = "score";

/** Undefined for a language model. */
export function labelCount(config: Readonly<Record<string, unknown>>): number | undefined {
  const { num_labels: count } = config;
  return typeof count === "number" ? count : undefined;
}

/** Refuses a model without a vocabulary to choose from. */
export function refuseClassifier({ config }: Pick<Shape, "config">, what: string): void {
  const classes = labelCount(config);
  if (classes === undefined) return;
  throw new WorkbenchError(
    "unsupported",
    `The model tells ${classes} classes apart and predicts no tokens, so ${what}. Evaluate it with classification.`,
  );
}

/** Names of the classes in their order; numbers where the configuration has no names. */
export function labelNames(config: Readonly<Record<string, unknown>>): readonly string[] {
  const names = (config["id2label"] ?? {}) as Readonly<Record<string, string>>;
  return Array.from({ length: labelCount(config) ?? 0 }, (_, i) => names[String(i)] ?? String(i));
}

/** Classes in place of the vocabulary. */
export function asClassifier(matrices: readonly MatrixSpec[], width: number, classes: number): MatrixSpec[] {
  // As the family begins its own matrices; a head over the vocabulary begins like an embedding.
  const { init } = matrices.find(({ kind }) => kind === "embedding") ?? { init: usual };
  return [
    ...matrices.filter(({ kind }) => kind !== "head"),
    {
      role: scoreRole,
      name: "score",
      inputs: width,
      outputs: classes,
      layout: "out_in",
      kind: "head",
      bias: false,
      init,
      axes: ["hidden", "classes"],
    },
  ];
}

const usual: Init = { kind: "normal", std: 0.02 };

/** The configuration of the same model with a head over these classes. */
export function classifierShape(
  { family, config, representations }: Shape,
  labels: readonly string[],
): Shape {
  const { lm_head: _, ...kept } = representations;
  return {
    family,
    config: {
      ...config,
      num_labels: labels.length,
      id2label: Object.fromEntries(labels.map((label, i) => [String(i), label])),
      label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
      problem_type: "single_label_classification",
    },
    representations: kept,
  };
}
