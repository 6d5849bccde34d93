/** Which data an action of a run works on: that of the experiment, or what a `train` cell above it, or it itself, has changed of it. */
import { resolve } from "node:path";
import { dataSchema } from "../../../schema/experiment";
import type { RunPlan } from "../../../protocol/run";
import { dataSets } from "../../data/datasets/catalog";
import { isMap } from "../../experiment/plainMap";
import { type Labels, matchLabels } from "../../data/labels";
import {
  classifierShape,
  headOf,
  type HeadLabels,
  labelCount,
  withClassNames,
} from "../../models/classifier";
import type { ModelShape } from "../../models/model";

type Given = Readonly<Record<string, unknown>>;

/** Options of the source of the text and its rows: another source inherits none of them. */
const ofTheSource = [
  "text",
  "validation_text",
  "test_text",
  "dataset",
  "grammar",
  "fallback",
  "format",
  "header",
  "text_column",
  "text_pair_column",
  "label_column",
  "labels",
  "label_names",
  "problem_type",
  "instruction_column",
  "input_column",
  "response_column",
  "template",
  "max_bytes",
  "drop_duplicates",
];

/** The plan with the tokenizer of the base model for its data, unless the data names another. */
export function withBaseTokenizer(plan: RunPlan, tokenizerFolder: string | undefined): RunPlan {
  if (tokenizerFolder === undefined || plan.data === undefined || plan.data["tokenizer"] != null) return plan;
  return { ...plan, data: { ...plan.data, tokenizer: resolve(tokenizerFolder) } };
}

/** Whether the base model gets rows for tokens that it lacks. */
export function resizesEmbeddings({ baseModel }: RunPlan): boolean {
  return typeof baseModel === "object" && baseModel.resize_embeddings === true;
}

/** Undefined if the run has no data at the step. Changes of a step also apply to later steps. */
export function dataOptionsAt({ data, steps }: RunPlan, index: number): Given | undefined {
  return steps.slice(0, index + 1).reduce<Given | undefined>((current, { options }) => {
    const { data: changes } = options;
    if (!isMap(changes)) return current;
    const isOther = ["text", "dataset", "grammar"].some(
      (key) => changes[key] !== undefined && changes[key] !== null,
    );
    const inherited = Object.entries(current ?? {}).filter(([key]) => !isOther || !ofTheSource.includes(key));
    const merged = Object.entries({ ...Object.fromEntries(inherited), ...changes });
    return Object.fromEntries(merged.filter(([, value]) => value !== null && value !== undefined));
  }, data);
}

/** The indices of the steps that change the data. */
export function stepsWithData({ steps }: RunPlan): number[] {
  return steps.flatMap(({ index, options }) => (isMap(options["data"]) ? [index] : []));
}

/** Whether rows have labels, as far as the options determine it. */
export function hasLabels(dataOptions: Given | undefined): boolean {
  if (dataOptions === undefined) return false;
  const { dataset, label_column } = dataSchema.parse(dataOptions);
  return (label_column ?? columnsOf(dataset)?.label_column) !== undefined;
}

/** The labels if the options list them; undefined if they depend on the rows. */
function listedLabels(dataOptions: Given): HeadLabels | undefined {
  const { dataset, labels, label_names, problem_type } = dataSchema.parse(dataOptions);
  if (problem_type === "regression") return { kind: "numbers", names: [] };
  const columns = columnsOf(dataset);
  const names = label_names ?? columns?.label_names ?? labels ?? columns?.labels;
  return names && { kind: "classes", names };
}

function columnsOf(dataset: string | undefined) {
  return dataset === undefined ? undefined : dataSets[dataset]?.columns;
}

/** A head has at least two classes; the rows determine which. */
const standIn: HeadLabels = { kind: "classes", names: ["LABEL_0", "LABEL_1"] };

/**
 * The shape after training on such data, before its rows are read: with a head if rows have labels. `isSure` is false
 * if the classes depend on the rows and the head is a placeholder.
 */
export function shapeForData(
  shape: ModelShape,
  dataOptions: Given | undefined,
): { readonly shape: ModelShape; readonly isSure: boolean } {
  if (dataOptions === undefined || !hasLabels(dataOptions) || labelCount(shape.config) !== undefined)
    return { shape, isSure: true };
  const labels = listedLabels(dataOptions);
  return { shape: classifierShape(shape, labels ?? standIn), isSure: labels !== undefined };
}

/**
 * The shape after training on these labels: with a new head for them, or with the model's own, whose unnamed classes
 * get the names of the data. Throws if the model's head does not fit the labels.
 */
export function shapeForLabels(shape: ModelShape, labels: Labels | undefined): ModelShape {
  const head = headOf(shape.config);
  if (head === undefined) return labels === undefined ? shape : classifierShape(shape, labels);
  const match = matchLabels(labels, head);
  if (match === undefined || labels === undefined || head.kind === "regression" || head.isNamed) return shape;
  const names = head.names.map((_, at) => {
    const i = match.values.indexOf(at);
    return i < 0 ? `LABEL_${at}` : labels.names[i]!;
  });
  return withClassNames(shape, names);
}
