/** What the labels of rows are, and which output of a model each of them is. */
import type { DataOptions } from "../../schema/experiment";
import { WorkbenchError } from "../../protocol/errors";
import type { Split } from "./split";

export interface Labels {
  readonly kind: "classes" | "numbers";
  /** As rows have them; a token file holds their places in this list. */
  readonly values: readonly string[];
  /** What the classes are called: the values, unless the data names its numbers. */
  readonly names: readonly string[];
  /** Whether an option or the data set lists the classes in their order. */
  readonly isListed: boolean;
}

/** More values than a classifier is for, and more likely a column of text. */
export const maxClasses = 1000;
/** More whole numbers without names than this could as well be scores. */
const maxUnnamedNumbers = 20;

const numberPattern = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const isNumber = (value: string) => numberPattern.test(value);
const isWhole = (value: string) => /^[+-]?\d+$/.test(value);

export interface LabelColumn {
  readonly title: string;
  /** All different values of the training rows. */
  readonly labelValues: ReadonlySet<string>;
  /** Names of the numbers 0, 1, 2, … as the file itself lists them. */
  readonly names: readonly string[] | undefined;
}

/** Decides between classes and numbers, and in which order the classes are. */
export function describeLabels(
  column: LabelColumn,
  { problem_type: type, labels: listed, label_names: labelNames, label_column: name }: DataOptions,
): { readonly labels: Labels; readonly notices: readonly string[] } {
  const labelValues = [...column.labelValues].sort(new Intl.Collator("en", { numeric: true }).compare);
  const where = `The label column "${name}" of ${column.title}`;
  if (type === "regression") return { labels: createNumberLabels(labelValues, where), notices: [] };
  if (type === "auto" && listed === undefined && column.names === undefined) {
    if (labelValues.every(isNumber) && !labelValues.every(isWhole)) {
      if (labelValues.every((value) => Number.isInteger(Number(value))))
        throw new WorkbenchError(
          "invalid-input",
          `${where} has whole numbers with decimals (${formatShortList(labelValues)}), which could be classes or scores. ` +
            "Set data.problem_type to single_label_classification or to regression.",
        );
      return {
        labels: createNumberLabels(labelValues, where),
        notices: [
          `${where} has numbers, so this is a regression: one output, mean squared error. Set data.problem_type to choose another.`,
        ],
      };
    }
    if (labelValues.every(isWhole) && labelValues.length > maxUnnamedNumbers)
      throw new WorkbenchError(
        "invalid-input",
        `${where} has ${labelValues.length} different whole numbers without names. For scores set data.problem_type: regression; ` +
          "for classes set data.problem_type: single_label_classification, or list them as data.labels.",
      );
  }
  if (labelValues.length > maxClasses)
    throw new WorkbenchError(
      "invalid-input",
      `${where} has more than ${maxClasses} different values. Name a column of classes as data.label_column` +
        `${labelValues.every(isNumber) ? ", or set data.problem_type: regression for scores" : ""}.`,
    );
  const counted = column.names?.map((_, i) => String(i));
  const isCounted = counted !== undefined && labelValues.every((value) => counted.includes(value));
  const values = listed ?? (isCounted ? counted : labelValues);
  if (labelNames !== undefined && labelNames.length !== values.length)
    throw new WorkbenchError(
      "invalid-input",
      `data.label_names has ${labelNames.length} names for ${values.length} labels (${formatShortList(values)}). Give one name for each, in the order of data.labels.`,
    );
  const fromFile = isCounted ? values.map((value) => column.names![counted.indexOf(value)] ?? value) : values;
  return {
    labels: {
      kind: "classes",
      values,
      names: labelNames ?? fromFile,
      isListed: listed !== undefined || labelNames !== undefined || isCounted,
    },
    notices: [],
  };
}

function createNumberLabels(values: readonly string[], where: string): Labels {
  const stray = values.find((value) => !isNumber(value));
  if (stray !== undefined)
    throw new WorkbenchError(
      "invalid-input",
      `${where} has ${JSON.stringify(stray)}, which is not a number. A regression needs a number in each row; for classes set data.problem_type: single_label_classification.`,
    );
  return { kind: "numbers", values, names: [], isListed: false };
}

/** What a model predicts; undefined for a language model. */
export type ModelHead =
  | { readonly kind: "regression" }
  | { readonly kind: "classes"; readonly names: readonly string[]; readonly isNamed: boolean }
  | undefined;

export interface LabeledSplits {
  readonly train: Split;
  readonly validation: Split | undefined;
  readonly test: Split | undefined;
  readonly labels?: Labels | undefined;
}

/** What each place of `Labels.values` is for the model, and what a reader should know about it. */
export interface LabelMatch {
  /** Class numbers, or the numbers themselves. */
  readonly values: readonly number[];
  readonly notice?: string;
}

/** The same splits with the labels that the model means: its own class numbers, or numbers. */
export function matchToModel<T extends LabeledSplits>(
  data: T,
  head: ModelHead,
): T & { readonly notice: string | undefined } {
  const match = matchLabels(data.labels, head);
  if (match === undefined || head === undefined) return { ...data, notice: undefined };
  const { kind } = head;
  const mapped = (split: Split) => split.withLabels({ kind, values: match.values });
  return {
    ...data,
    train: mapped(data.train),
    validation: data.validation && mapped(data.validation),
    test: data.test && mapped(data.test),
    notice: match.notice,
  };
}

/** Undefined where neither the model nor the data has anything to do with labels; refuses labels that the model does not have. */
export function matchLabels(labels: Labels | undefined, head: ModelHead): LabelMatch | undefined {
  if (head === undefined) return undefined;
  if (labels === undefined)
    throw new WorkbenchError(
      "invalid-input",
      `This is ${describeHead(head)}, but the data has no labels. Name data.label_column, or use the language model that it was made from.`,
    );
  if (head.kind === "regression") {
    if (labels.kind === "numbers" || labels.values.every(isNumber))
      return { values: labels.values.map(Number) };
    throw new WorkbenchError(
      "invalid-input",
      `This is a regression model, but the labels of the data are not numbers: ${formatShortList(labels.values)}. Name a column of numbers as data.label_column.`,
    );
  }
  if (labels.kind === "numbers")
    throw new WorkbenchError(
      "invalid-input",
      `This is ${describeHead(head)}, but the labels of the data are numbers (${formatShortList(labels.values)}). Name a column of classes as data.label_column, or use a model with num_labels 1.`,
    );
  return matchClasses(labels, head);
}

type Classes = Extract<NonNullable<ModelHead>, { kind: "classes" }>;

/** By name; by number only where one side has no names. */
function matchClasses(labels: Labels, head: Classes): LabelMatch {
  const { values, names, isListed } = labels;
  if (head.isNamed) {
    for (const candidates of [names, values]) {
      const indices = candidates.map((name) => findClass(name, head.names));
      if (indices.every((at) => at !== undefined)) return requireDistinct(indices, labels, head);
    }
  }
  const count = head.names.length;
  const inOrder = values.map((_, i) => i);
  const numbers = isListed ? inOrder : values.map(parseLabelNumber);
  const pairs = (classes: readonly string[]) =>
    values.map((value, i) => `${value} = ${classes[numbers[i]!]!}`).join(", ");
  if (numbers.every((at) => at !== undefined && at < count)) {
    if (!head.isNamed) return { values: numbers as number[] };
    if (names.every((name) => parseLabelNumber(name) !== undefined))
      return {
        values: numbers as number[],
        notice:
          `The labels of the data are numbers without names, so they are read as the model's class numbers: ${pairs(head.names)}. ` +
          "If this is wrong, name them in data.label_names.",
      };
  }
  if (!head.isNamed && values.length === count && !values.every(isWhole))
    return {
      values: inOrder,
      notice:
        `The model does not name its classes, so the labels of the data are taken in alphabetical order: ${names.map((name, i) => `${i} = ${name}`).join(", ")}. ` +
        "To change the order, list them in data.labels.",
    };
  throw mismatchError(labels, head);
}

/** The number that a label is by itself: "2", or "LABEL_2" as transformers makes names up. */
function parseLabelNumber(label: string): number | undefined {
  const digits = /^(?:LABEL_)?(\d{1,6})$/i.exec(label)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

const simplifyName = (name: string) =>
  name
    .toLowerCase()
    .replace(/[\s_-]+/g, " ")
    .trim();

/** The exact name before one that differs in case, spaces, hyphens or underscores; undefined where several differ so. */
export function findClass(name: string, classes: readonly string[]): number | undefined {
  const exact = classes.indexOf(name);
  if (exact >= 0) return exact;
  const near = classes.flatMap((each, at) => (simplifyName(each) === simplifyName(name) ? [at] : []));
  return near.length === 1 ? near[0] : undefined;
}

function requireDistinct(
  indices: readonly (number | undefined)[],
  labels: Labels,
  head: Classes,
): LabelMatch {
  if (new Set(indices).size < indices.length) throw mismatchError(labels, head);
  return { values: indices as number[] };
}

function mismatchError({ names, values }: Labels, { names: classes }: Classes): WorkbenchError {
  const rowsNote = names.join() === values.join() ? "" : ` (${formatShortList(values)} in the rows)`;
  const stray = names.filter((name) => findClass(name, classes) === undefined);
  return new WorkbenchError(
    "invalid-input",
    `The labels of the data do not match the classes of the model. Data: ${formatShortList(names)}${rowsNote}; model: ${formatShortList(classes)}` +
      `${stray.length === 0 || stray.length === names.length ? "" : `; not in the model: ${formatShortList(stray)}`}. ` +
      "Give the model's name for each label in data.label_names, in the order of data.labels, or train a new head from the model without one.",
    { allowed: classes },
  );
}

export function describeHead(head: NonNullable<ModelHead>): string {
  return head.kind === "regression" ? "a regression model" : `a ${head.names.length}-class classifier`;
}

/** The first few values, quoted. */
export function formatShortList(values: readonly string[]): string {
  const quoted = values.slice(0, 12).map((value) => JSON.stringify(value));
  return `${quoted.join(", ")}${values.length > 12 ? ", …" : ""}`;
}
