/** The results of the steps of a run as tables, samples and files. */
import * as z from "zod";
import type { Block, CellValue } from "../../../protocol/blocks";
import type { Counts } from "../../../protocol/counts";
import { formatPercent } from "../../../protocol/quantities";
import type { RunRecord } from "../../../protocol/run";
import { formatProtocol, perplexityProtocols } from "../../evaluation/perplexityProtocol";
import { arrangeCells, parseRetrieval, type RetrievalCell } from "../../evaluation/retrievalCells";
import { createMeasuredFigures } from "../../report/evaluationFigures";
import type { StepFiles } from "./stepFiles";

/** Longer text is read in the file. */
const maxTextLength = 100_000;
const maxSamples = 200;
const maxRows = 2000;

const countsSchema = z.object({
  trainable: z.number(),
  stored: z.number(),
  nonZero: z.number(),
  bits: z.number(),
  bytes: z.number(),
});
const modelCountsSchema = z.object({
  roles: z.array(countsSchema.extend({ role: z.string(), representation: z.string() })),
  nonEmbedding: countsSchema,
  total: countsSchema,
});
type ModelCounts = z.output<typeof modelCountsSchema>;

const compressionSchema = z.object({
  method: z.string(),
  before: modelCountsSchema,
  after: modelCountsSchema,
});

export function createCompressBlocks(files: StepFiles): readonly Block[] {
  return files.blocks("plan.json", () => {
    const { method, before, after } = files.json("plan.json", compressionSchema);
    const summary: Block = {
      kind: "table",
      title: `${truncate(method, 80)}: what remains`,
      columns: ["", "parameters before", "after", "left", "bytes before", "after"],
      rows: [
        ["non-embedding", ...formatChange(before.nonEmbedding, after.nonEmbedding)],
        ["whole model", ...formatChange(before.total, after.total)],
      ],
    };
    const changed = listRoleChanges(before, after);
    if (changed.length === 0) return [summary];
    const columns = ["role", "stored as", ...summary.columns.slice(1)];
    return [summary, { kind: "table", title: "By role", columns, rows: changed.slice(0, maxRows) }];
  });
}

/** Roles that were not changed are not listed. */
function listRoleChanges(before: ModelCounts, after: ModelCounts): CellValue[][] {
  const earlier = new Map(before.roles.map((role) => [role.role, role]));
  return after.roles.flatMap((role) => {
    const was = earlier.get(role.role);
    if (was !== undefined && was.bits === role.bits && was.stored === role.stored) return [];
    const stored =
      was === undefined || was.representation === role.representation
        ? role.representation
        : `${was.representation} → ${role.representation}`;
    return [
      [
        truncate(role.role, 120),
        truncate(stored, 80),
        ...(was === undefined ? [null, role.stored, null, null, role.bytes] : formatChange(was, role)),
      ],
    ];
  });
}

function formatChange(before: Counts, after: Counts): CellValue[] {
  const left = before.stored === 0 ? null : formatPercent(after.stored / before.stored);
  return [before.stored, after.stored, left, before.bytes, after.bytes];
}

const evaluationSchema = z.record(
  z.string(),
  z.object({ values: z.record(z.string(), z.number().nullable()), details: z.unknown() }),
);

const protocolSchema = z.object({
  protocol: z.enum(perplexityProtocols).default("strided"),
  add_bos: z.boolean().nullable().default(null),
  data: z.string(),
  split: z.string(),
  hash: z.string(),
  tokenizer: z.string(),
  tokenizer_hash: z.string(),
  context: z.number(),
  stride: z.number(),
  tokens: z.number(),
  scored_tokens: z.number(),
  words: z.number(),
  bytes: z.number(),
  line_ends_as_words: z.boolean(),
});
const perplexitySchema = z.object({
  loss: z.number(),
  perplexity: z.number(),
  word_perplexity: z.number().nullable(),
  bits_per_byte: z.number().nullable(),
  protocol: protocolSchema,
});
const mergeSchema = z.object({ title: z.string(), models: z.array(z.string()).min(1).max(100) });

export function createMergeBlocks(files: StepFiles): readonly Block[] {
  return files.blocks("merge.json", () => {
    const { title, models } = files.json("merge.json", mergeSchema);
    return [{ kind: "text", text: truncate(`${title} of the current model and ${models.join(", ")}`, 2000) }];
  });
}

const generationSchema = z.object({ samples: z.array(z.object({ prompt: z.string(), text: z.string() })) });

export function createEvaluateBlocks(files: StepFiles): readonly Block[] {
  return files.blocks("eval.json", () =>
    Object.entries(files.json("eval.json", evaluationSchema)).flatMap(([name, result]) => [
      ...createMetricBlocks(name, result, files),
      ...createMeasuredFigures(name, result.details),
    ]),
  );
}

function createMetricBlocks(
  name: string,
  { values, details }: z.output<typeof evaluationSchema>[string],
  files: StepFiles,
): readonly Block[] {
  if (name === "perplexity") {
    const perplexityResult = perplexitySchema.safeParse(details);
    if (perplexityResult.success) return createPerplexityBlocks(perplexityResult.data);
  }
  if (name === "retrieval") {
    const cells = parseRetrieval(details);
    if (cells !== undefined) return [createRetrievalBlock(cells)];
  }
  if (name === "counts") {
    const countsResult = modelCountsSchema.safeParse(details);
    if (countsResult.success) return [createCountsBlock(countsResult.data)];
  }
  if (name === "generate" && (files.has("samples.json") || generationSchema.safeParse(details).success))
    return createSampleBlocks(files, details);
  const rows = Object.entries(values).map(([metric, value]) => [truncate(metric, 120), roundFigure(value)]);
  if (rows.length === 0) return [];
  return [
    {
      kind: "table",
      title: truncate(name, 80),
      columns: ["metric", "value"],
      rows: rows.slice(0, maxRows),
    },
  ];
}

function createPerplexityBlocks({
  loss,
  perplexity: token,
  word_perplexity: word,
  bits_per_byte: bits,
  protocol: how,
}: z.output<typeof perplexitySchema>): Block[] {
  return [
    {
      kind: "table",
      title: "Perplexity",
      columns: ["per token", "per word", "loss, nats a token", "bits a byte"],
      rows: [[roundFigure(token), roundFigure(word), roundFigure(loss), roundFigure(bits)]],
    },
    { kind: "text", text: truncate(formatProtocol(how), 1000) },
  ];
}

/** Right answers by depth and length. */
function createRetrievalBlock(cells: readonly RetrievalCell[]): Block {
  const { lengths, depths, find } = arrangeCells(cells);
  const format = (cell: RetrievalCell | undefined) =>
    cell === undefined ? null : `${cell.correct} of ${cell.samples}`;
  return {
    kind: "table",
    title: "Retrieval",
    columns: ["depth", ...lengths.map((length) => `${length} tokens`)],
    rows: depths.map((depth) => [String(depth), ...lengths.map((length) => format(find(length, depth)))]),
  };
}

function createCountsBlock({ nonEmbedding, total }: Pick<ModelCounts, "nonEmbedding" | "total">): Block {
  const row = (name: string, each: Counts) => [
    name,
    each.trainable,
    each.stored,
    each.nonZero,
    each.bits,
    each.bytes,
  ];
  return {
    kind: "table",
    title: "Parameters",
    columns: ["", "trainable", "stored", "non-zero", "stored bits", "bytes"],
    rows: [row("non-embedding", nonEmbedding), row("whole model", total)],
  };
}

function createSampleBlocks(files: StepFiles, details: unknown): readonly Block[] {
  return files.blocks("samples.json", () => {
    const { samples } = files.has("samples.json")
      ? files.json("samples.json", generationSchema)
      : generationSchema.parse(details);
    const rows = samples
      .slice(0, maxSamples)
      .map(({ prompt, text }) => ({ prompt: truncate(prompt, 2000), text: truncate(text, 8000) }));
    return [{ kind: "samples", title: "Samples", samples: rows }];
  });
}

export function createExportBlocks(files: StepFiles): readonly Block[] {
  return files.blocks("model", () => {
    const links = files.fileLinks("model");
    return links.length > 0 ? links : [{ kind: "text", text: `${files.name}/model holds no file.` }];
  });
}

/** With a paper the card of all runs is the report, and the page of a single run is opened on request. */
export function createReportBlocks(files: StepFiles, { plan }: Pick<RunRecord, "plan">): readonly Block[] {
  return files.blocks("report.md", () => {
    if (plan.paper !== undefined) return files.has("report.md") ? [files.link("report.md")] : [];
    const text = files.text("report.md");
    return [{ kind: "text", text: truncate(text, maxTextLength) }, files.link("report.md")];
  });
}

/** Tables that were written as figures. */
export function createFigureBlocks(files: StepFiles): readonly Block[] {
  return files.blocks("figures", () => files.fileLinks("figures"));
}

/** Rounds to six significant digits, more than anyone compares. */
export function roundFigure(value: number | null | undefined): number | null {
  return value === null || value === undefined || !Number.isFinite(value)
    ? null
    : Number(value.toPrecision(6));
}

function truncate(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}
