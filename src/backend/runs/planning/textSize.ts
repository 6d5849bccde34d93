/** How much text the data of a plan names, from the sizes of its files: nothing is read. */
import path from "node:path";
import type { RunPlan } from "../../../protocol/run";
import { type DataOptions, dataSchema, grammarSchema } from "../../../schema/experiment";
import { findFiles } from "../../data/files";
import { getDataOptionsAt } from "../steps/stepData";
import { resolveExperimentFolder } from "../steps/workshop";

export interface TextSize {
  /** What is read: `passkeys`, or `grammar` where no file is named or found. */
  readonly source: "files" | "grammar" | "passkeys";
  /** Paths relative to the experiment. */
  readonly files: readonly string[];
  readonly bytes: number;
  /** Undefined where the files have to be read to know: rows, compressed files. */
  readonly tokens?: TokenCount;
}

export interface TokenCount {
  /** Of all splits together. */
  readonly total: number;
  /** What remains for training. */
  readonly training: number;
  /** The number depends on the tokenizer, which has not read the text. */
  readonly isEstimate: boolean;
}

/** Of English text, for the usual vocabularies. */
const bytesPerToken = 4;

/** Of the text that the options draw at random, by default that of the grammar. */
export function countDrawnBytes({ grammar, passkeys }: Pick<DataOptions, "grammar" | "passkeys">): number {
  return passkeys === undefined
    ? (grammar ?? grammarSchema.parse({})).length
    : passkeys.documents * passkeys.length;
}

/** Undefined for a named data set and for a plan without data. */
export async function measureText(plan: RunPlan, workspace: string): Promise<TextSize | undefined> {
  const first = plan.steps.find(({ action }) => action === "train")?.index ?? 0;
  const raw = getDataOptionsAt(plan, first);
  if (raw === undefined) return undefined;
  const options = dataSchema.parse(raw);
  if (options.dataset !== undefined) return undefined;
  const folder = resolveExperimentFolder({ plan, workspace });
  const files =
    options.text === undefined ? [] : await findFiles([options.text].flat(), folder, options.format);
  const isDrawn = options.text === undefined || (files.length === 0 && options.fallback === "grammar");
  const bytes = isDrawn ? countDrawnBytes(options) : files.reduce((sum, file) => sum + file.bytes, 0);
  const limited = Math.min(bytes, options.max_bytes ?? Infinity);
  const isPlain = files.every(({ format, compression }) => format === "text" && compression === undefined);
  const isExact = options.tokenizer === "bytes" || (isDrawn && options.tokenizer === "characters");
  const total = Math.round(limited / (isExact || options.tokenizer === "characters" ? 1 : bytesPerToken));
  const held = options.validation_text === undefined ? options.val_fraction : 0;
  return {
    source: options.passkeys !== undefined ? "passkeys" : isDrawn ? "grammar" : "files",
    files: files.map((file) => path.relative(folder, file.path).replaceAll(path.sep, "/")),
    bytes: limited,
    ...(isPlain ? { tokens: { total, training: Math.round(total * (1 - held)), isEstimate: !isExact } } : {}),
  };
}
