/** Which data an action of a run works on: that of the experiment, or what a `train` cell above it, or it itself, has changed of it. */
import { type DataOptions, dataSchema } from "../../../schema/experiment";
import type { RunPlan } from "../../../protocol/run";
import { dataSets } from "../../data/datasets/catalog";
import { isMap } from "../../experiment/plainMap";
import { classifierShape, labelCount } from "../../models/classifier";
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
  "instruction_column",
  "input_column",
  "response_column",
  "template",
  "max_bytes",
  "drop_duplicates",
];

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

/** The names of the classes as far as the options say them; undefined where rows have no labels. */
export function labelsBefore(given: Given | undefined): readonly string[] | undefined {
  if (given === undefined) return undefined;
  const options: DataOptions = dataSchema.parse(given);
  const columns = options.dataset === undefined ? undefined : dataSets[options.dataset]?.columns;
  if (options.label_column === undefined && columns?.label_column === undefined) return undefined;
  // The text says which there are; of two classes a head is at least.
  return options.labels ?? columns?.labels ?? ["0", "1"];
}

/** The shape that training on such data gives: with a head for its classes where rows have labels. */
export function shapeForData(shape: ModelShape, given: Given | undefined): ModelShape {
  const labels = labelsBefore(given);
  return labels === undefined || labelCount(shape.config) !== undefined
    ? shape
    : classifierShape(shape, labels);
}
