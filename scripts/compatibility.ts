/**
 * Which families, methods and formats work together, and why others are refused: from the plans of the methods and the
 * refusals of the formats, on small models whose sizes refuse nothing by themselves.
 */
import { planAdapters } from "../src/backend/compression/adapters";
import { exporters } from "../src/backend/exports/catalog";
import { methods } from "../src/backend/methods/catalog";
import { models } from "../src/backend/models/catalog";
import { createShape, dimensionsOf, type ModelShape } from "../src/backend/models/model";
import { WorkbenchError } from "../src/protocol/errors";
import { loraSchema } from "../src/schema/lora";
import { createPairOptions, generalize } from "./methodPairs";

const width = 32;

/** Settings of the smallest models that are not sizes, and that published models do not have. */
const oddSettings = ["sliding_window", "no_rope_layer_interval", "tie_word_embeddings", "rotary_pct"];

/** As many key-value heads as heads, sizes that are multiples of 32, and otherwise the defaults of the family. */
export function createRoomyShape(
  family: string,
  changes: Readonly<Record<string, unknown>> = {},
): ModelShape {
  const { tiny, sizeKeys } = models[family]!;
  const { heads } = dimensionsOf(createShape({ ...tiny }));
  const ofHeads = sizeKeys.heads && {
    [sizeKeys.heads.kvHeads]: heads,
    ...(sizeKeys.heads.headDim in tiny ? { [sizeKeys.heads.headDim]: width / heads } : {}),
    // Published models of Gemma divide scores by the root of the width of a head.
    ...("query_pre_attn_scalar" in tiny ? { query_pre_attn_scalar: width / heads } : {}),
  };
  return createShape({
    ...Object.fromEntries(Object.entries(tiny).filter(([key]) => !oddSettings.includes(key))),
    [sizeKeys.width]: width,
    [sizeKeys.intermediate]: 4 * width,
    ...ofHeads,
    ...changes,
  });
}

/** What a format is given: a model as it is, rounded to codes, or with adapters. */
export type Form = "dense" | "quantized" | "adapted";
const createForm: Readonly<Record<Form, (shape: ModelShape) => ModelShape>> = {
  dense: (shape) => shape,
  quantized: (shape) => methods["rtn"]!.plan(shape, createPairOptions(methods["rtn"]!)).shape,
  adapted: (shape) => planAdapters(shape, loraSchema.parse({ r: 2 })).during,
};

export interface Verdict {
  /** The model that is made, or the one that is refused. */
  readonly shape: ModelShape;
  /** Why the combination is refused; undefined if it works. */
  readonly refusal?: string;
}

export interface FormatVerdict extends Verdict {
  /** The first form that works; if none does, the one whose refusal counts. */
  readonly form: Form;
}

export interface MethodVerdict extends Verdict {
  /** Whether the plan knows how each matrix is stored afterwards; the weights decide otherwise. */
  readonly isExact: boolean;
}

export function planMethod(shape: ModelShape, method: string): MethodVerdict {
  try {
    const plan = methods[method]!.plan(shape, createPairOptions(methods[method]!));
    return { shape: plan.shape, isExact: plan.exact === "roles" || plan.exact === "total" };
  } catch (thrown) {
    if (!(thrown instanceof WorkbenchError)) throw thrown;
    return { shape, isExact: true, refusal: thrown.message };
  }
}

export function judgeFormat(shape: ModelShape, format: string): Verdict {
  const exporter = exporters[format]!;
  const refusal = exporter.refuses?.(shape, exporter.options.parse({}));
  return { shape, ...(refusal === undefined ? {} : { refusal }) };
}

/** A format of codes or adapters refuses a model without any, so all forms are tried. A refusal that only one gets counts. */
export function judgeFamily(family: string, format: string): FormatVerdict {
  const shape = createRoomyShape(family);
  const verdicts: FormatVerdict[] = [];
  for (const form of Object.keys(createForm) as Form[]) {
    const verdict = tryForm(shape, form, format);
    if (verdict === undefined) continue;
    if (verdict.refusal === undefined) return { form, ...verdict };
    verdicts.push({ form, ...verdict });
  }
  return verdicts.findLast(({ refusal }) => refusal !== verdicts[0]!.refusal) ?? verdicts[0]!;
}

/** Undefined if a model of this family has no such form. */
function tryForm(shape: ModelShape, form: Form, format: string): Verdict | undefined {
  try {
    return judgeFormat(createForm[form](shape), format);
  } catch (thrown) {
    if (!(thrown instanceof WorkbenchError)) throw thrown;
    return undefined;
  }
}

export const familyNames = Object.keys(models);
export const methodNames = Object.keys(methods);
export const formatNames = Object.keys(exporters);

const marks: Readonly<Record<Form, string>> = { dense: "✓", quantized: "codes", adapted: "adapters" };

export function createCompatibilityPage(): string {
  const ofMethods = tabulate("family", familyNames, methodNames, (family, method) => {
    const { refusal } = planMethod(createRoomyShape(family), method);
    return refusal === undefined ? marks.dense : { reason: nameNoFamily(generalize(refusal), family) };
  });
  const ofFormats = tabulate("family", familyNames, formatNames, (family, format) => {
    const { form, refusal } = judgeFamily(family, format);
    return refusal === undefined ? marks[form] : { reason: nameNoFamily(generalize(refusal), family) };
  });
  const ofBoth = tabulate("method", methodNames, formatNames, (method, format) => {
    const { shape, isExact, refusal: refusedMethod } = planMethod(createRoomyShape("llama"), method);
    const refusal = refusedMethod ?? judgeFormat(shape, format).refusal;
    if (refusal !== undefined) return { reason: generalize(refusal) };
    return isExact || exporters[format]!.refuses === undefined ? marks.dense : "(✓)";
  });
  return `# What works together

<!-- Written by \`npm run generate\`. -->

Every family of models with every [method](methods.md) and every [format](models.md#what-is-written), as \`lathe plan\` judges them: ✓ works, and a number names the reason below the table for which it is refused. Methods and formats have their default options, methods at half of their rate; other options can allow more or less. [One method after another](methods.md#one-method-after-another) is a table of its own.

Models have the defaults of their family, and sizes that refuse nothing by themselves: as many key-value heads as heads, and every size a multiple of 32.

## Families and methods

${ofMethods}

## Families and formats

*codes*: for a model that a method has quantized. *adapters*: for a model with adapters that [\`train.lora\`](methods.md#healing-with-adapters) has trained.

${ofFormats}

## Methods and formats

For a \`llama\` after the method. (✓): the weights decide how the method stores each matrix, and the format can refuse the result, for example codes of different numbers of bits. What a format has no form for is written as the dense matrices that it represents, and a smaller model with its smaller configuration, [where the format can have it](models.md#what-is-written).

${ofBoth}
`;
}

/** A Markdown table, with numbered reasons below it. */
function tabulate(
  corner: string,
  rows: readonly string[],
  columns: readonly string[],
  judge: (row: string, column: string) => string | { readonly reason: string },
): string {
  const reasons: string[] = [];
  const cell = (row: string, column: string): string => {
    const verdict = judge(row, column);
    if (typeof verdict === "string") return verdict;
    if (!reasons.includes(verdict.reason)) reasons.push(verdict.reason);
    return String(reasons.indexOf(verdict.reason) + 1);
  };
  const lines = [
    [corner, ...columns.map((each) => `\`${each}\``)],
    ["---", ...columns.map(() => ":-:")],
    ...rows.map((row) => [`\`${row}\``, ...columns.map((column) => cell(row, column))]),
  ];
  return [
    ...lines.map((line) => `| ${line.join(" | ")} |`),
    "",
    ...reasons.map((reason, i) => `${i + 1}. ${/[.!?]$/.test(reason) ? reason : `${reason}.`}`),
  ].join("\n");
}

/** A reason that holds for several families. */
const nameNoFamily = (reason: string, family: string): string =>
  reason
    .replaceAll(new RegExp(`\\b(?:this )?${family} (models?)\\b`, "g"), (_, word: string) =>
      word === "models" ? "such models" : "this model",
    )
    .replaceAll(/times \d+/g, "times their width")
    .replace("the second method", "the method")
    .replace(/^\w+_\w+(?= is )/, (key) => `\`${key.toLowerCase()}\``);
