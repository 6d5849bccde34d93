/** Which data an action of a run works on: that of the experiment, or what a `train` cell above it, or it itself, has changed of it. */
import { resolve } from "node:path";
import { dataSchema } from "../../../schema/experiment";
import type { RunPlan } from "../../../protocol/run";
import { dataSets } from "../../data/datasets/catalog";
import { isMap } from "../../experiment/plainMap";
import { type Labels, matchLabels } from "../../data/labels";
import {
  createClassifierShape,
  getHead,
  type HeadLabels,
  getLabelCount,
  setClassNames,
} from "../../models/classifier";
import type { ModelShape } from "../../models/model";

type RawDataOptions = Readonly<Record<string, unknown>>;

/** Options of the source of the text and its rows: another source inherits none of them. */
const sourceKeys = [
  "text",
  "validation_text",
  "test_text",
  "dataset",
  "grammar",
  "passkeys",
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
  "conversation_column",
  "prompt_column",
  "chosen_column",
  "rejected_column",
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
export function getDataOptionsAt({ data, steps }: RunPlan, index: number): RawDataOptions | undefined {
  return steps.slice(0, index + 1).reduce<RawDataOptions | undefined>((current, { options }) => {
    const { data: changes } = options;
    if (!isMap(changes)) return current;
    const isOtherSource = ["text", "dataset", "grammar", "passkeys"].some(
      (key) => changes[key] !== undefined && changes[key] !== null,
    );
    const inherited = Object.entries(current ?? {}).filter(
      ([key]) => !isOtherSource || !sourceKeys.includes(key),
    );
    const merged = Object.entries({ ...Object.fromEntries(inherited), ...changes });
    return Object.fromEntries(merged.filter(([, value]) => value !== null && value !== undefined));
  }, data);
}

/** The indices of the steps that change the data. */
export function listStepsWithData({ steps }: RunPlan): number[] {
  return steps.flatMap(({ index, options }) => (isMap(options["data"]) ? [index] : []));
}

/** Whether rows have labels, as far as the options determine it. */
export function hasLabels(dataOptions: RawDataOptions | undefined): boolean {
  if (dataOptions === undefined) return false;
  const { dataset, label_column } = dataSchema.parse(dataOptions);
  return (label_column ?? getColumns(dataset)?.label_column) !== undefined;
}

/** The labels if the options list them; undefined if they depend on the rows. */
function getListedLabels(dataOptions: RawDataOptions): HeadLabels | undefined {
  const { dataset, labels, label_names, problem_type } = dataSchema.parse(dataOptions);
  if (problem_type === "regression") return { kind: "numbers", names: [] };
  const columns = getColumns(dataset);
  const names = label_names ?? columns?.label_names ?? labels ?? columns?.labels;
  return names && { kind: "classes", names };
}

function getColumns(dataset: string | undefined) {
  return dataset === undefined ? undefined : dataSets[dataset]?.columns;
}

/** A head has at least two classes; the rows determine which. */
const placeholderLabels: HeadLabels = { kind: "classes", names: ["LABEL_0", "LABEL_1"] };

/**
 * The shape after training on such data, before its rows are read: with a head if rows have labels. `isSure` is false
 * if the classes depend on the rows and the head is a placeholder.
 */
export function createShapeForData(
  shape: ModelShape,
  dataOptions: RawDataOptions | undefined,
): { readonly shape: ModelShape; readonly isSure: boolean } {
  if (dataOptions === undefined || !hasLabels(dataOptions) || getLabelCount(shape.config) !== undefined)
    return { shape, isSure: true };
  const labels = getListedLabels(dataOptions);
  return { shape: createClassifierShape(shape, labels ?? placeholderLabels), isSure: labels !== undefined };
}

/**
 * The shape after training on these labels: with a new head for them, or with the model's own, whose unnamed classes
 * get the names of the data. Throws if the model's head does not fit the labels.
 */
export function createShapeForLabels(shape: ModelShape, labels: Labels | undefined): ModelShape {
  const head = getHead(shape.config);
  if (head === undefined) return labels === undefined ? shape : createClassifierShape(shape, labels);
  const match = matchLabels(labels, head);
  if (match === undefined || labels === undefined || head.kind === "regression" || head.isNamed) return shape;
  const names = head.names.map((_, at) => {
    const i = match.values.indexOf(at);
    return i < 0 ? `LABEL_${at}` : labels.names[i]!;
  });
  return setClassNames(shape, names);
}
