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

/** Where text comes from and what its rows mean: another source has none of it. */
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

/** The plan, whose data is read with the tokenizer of the base model where it names none. */
export function withBaseTokenizer(plan: RunPlan, tokenizerFolder: string | undefined): RunPlan {
  if (tokenizerFolder === undefined || plan.data === undefined || plan.data["tokenizer"] != null) return plan;
  return { ...plan, data: { ...plan.data, tokenizer: resolve(tokenizerFolder) } };
}

/** Undefined where the run has no data at the step. What a step changes holds for the steps after it. */
export function dataOptionsAt({ data, steps }: RunPlan, index: number): Given | undefined {
  return steps.slice(0, index + 1).reduce<Given | undefined>((current, { options }) => {
    const { data: own } = options;
    if (!isMap(own)) return current;
    const isOther = ["text", "dataset", "grammar"].some((key) => own[key] !== undefined && own[key] !== null);
    const kept = Object.entries(current ?? {}).filter(([key]) => !isOther || !ofTheSource.includes(key));
    const merged = Object.entries({ ...Object.fromEntries(kept), ...own });
    return Object.fromEntries(merged.filter(([, value]) => value !== null && value !== undefined));
  }, data);
}

/** Steps that change the data, by their index. */
export function stepsWithData({ steps }: RunPlan): number[] {
  return steps.flatMap(({ index, options }) => (isMap(options["data"]) ? [index] : []));
}

/** Whether rows have labels, as far as the options say. */
export function hasLabels(given: Given | undefined): boolean {
  if (given === undefined) return false;
  const { dataset, label_column } = dataSchema.parse(given);
  return (label_column ?? columnsOf(dataset)?.label_column) !== undefined;
}

/** The labels as far as the options list them; undefined where only the rows say which there are. */
function listedLabels(given: Given): HeadLabels | undefined {
  const { dataset, labels, label_names, problem_type } = dataSchema.parse(given);
  if (problem_type === "regression") return { kind: "numbers", names: [] };
  const columns = columnsOf(dataset);
  const names = label_names ?? columns?.label_names ?? labels ?? columns?.labels;
  return names && { kind: "classes", names };
}

function columnsOf(dataset: string | undefined) {
  return dataset === undefined ? undefined : dataSets[dataset]?.columns;
}

/** Of two classes a head is at least; which ones, the rows say. */
const standIn: HeadLabels = { kind: "classes", names: ["LABEL_0", "LABEL_1"] };

/**
 * The shape that training on such data gives before its rows are read: with a head where rows have labels. `isSure` is
 * false where the head is a stand-in for one whose classes only the rows say.
 */
export function shapeForData(
  shape: ModelShape,
  given: Given | undefined,
): { readonly shape: ModelShape; readonly isSure: boolean } {
  if (given === undefined || !hasLabels(given) || labelCount(shape.config) !== undefined)
    return { shape, isSure: true };
  const labels = listedLabels(given);
  return { shape: classifierShape(shape, labels ?? standIn), isSure: labels !== undefined };
}

/**
 * The shape that training on these labels gives: with a head for them, or that of the model, whose classes get the names of
 * the data where they have none. Refuses labels that the model's head is not for.
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
