/** The results of the steps of a run as tables, samples and files. */
import * as z from "zod";
import type { Block, CellValue } from "../../../protocol/blocks";
import type { Counts } from "../../../protocol/counts";
import { formatPercent } from "../../../protocol/quantities";
import type { RunRecord } from "../../../protocol/run";
import { protocolLine } from "../../evaluation/perplexity";
import type { StepFiles } from "./stepFiles";

/** Longer text is read in the file. */
const mostText = 100_000;
const mostSamples = 200;
const mostRows = 2000;

const counts = z.object({
  trainable: z.number(),
  stored: z.number(),
  nonZero: z.number(),
  bits: z.number(),
  bytes: z.number(),
});
const modelCounts = z.object({
  roles: z.array(counts.extend({ role: z.string(), representation: z.string() })),
  nonEmbedding: counts,
  total: counts,
});
type ModelCounts = z.output<typeof modelCounts>;

const compressed = z.object({ method: z.string(), before: modelCounts, after: modelCounts });

export function compressBlocks(files: StepFiles): readonly Block[] {
  return files.blocks("plan.json", () => {
    const { method, before, after } = files.json("plan.json", compressed);
    const summary: Block = {
      kind: "table",
      title: `${truncate(method, 80)}: what remains`,
      columns: ["", "parameters before", "after", "left", "bytes before", "after"],
      rows: [
        ["non-embedding", ...change(before.nonEmbedding, after.nonEmbedding)],
        ["whole model", ...change(before.total, after.total)],
      ],
    };
    const changed = roleChanges(before, after);
    if (changed.length === 0) return [summary];
    const columns = ["role", "stored as", ...summary.columns.slice(1)];
    return [summary, { kind: "table", title: "By role", columns, rows: changed.slice(0, mostRows) }];
  });
}

/** Roles that were not changed are not listed. */
function roleChanges(before: ModelCounts, after: ModelCounts): CellValue[][] {
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
        ...(was === undefined ? [null, role.stored, null, null, role.bytes] : change(was, role)),
      ],
    ];
  });
}

function change(before: Counts, after: Counts): CellValue[] {
  const left = before.stored === 0 ? null : formatPercent(after.stored / before.stored);
  return [before.stored, after.stored, left, before.bytes, after.bytes];
}

const evaluated = z.record(
  z.string(),
  z.object({ values: z.record(z.string(), z.number().nullable()), details: z.unknown() }),
);

const protocol = z.object({
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
const perplexity = z.object({
  loss: z.number(),
  perplexity: z.number(),
  word_perplexity: z.number().nullable(),
  bits_per_byte: z.number().nullable(),
  protocol,
});
const generation = z.object({ samples: z.array(z.object({ prompt: z.string(), text: z.string() })) });

export function evaluateBlocks(files: StepFiles): readonly Block[] {
  return files.blocks("eval.json", () =>
    Object.entries(files.json("eval.json", evaluated)).flatMap(
      ([name, { values, details }]): readonly Block[] => {
        if (name === "perplexity") {
          const found = perplexity.safeParse(details);
          if (found.success) return perplexityBlocks(found.data);
        }
        if (name === "counts") {
          const found = modelCounts.safeParse(details);
          if (found.success) return [countsBlock(found.data)];
        }
        if (name === "generate" && (files.has("samples.json") || generation.safeParse(details).success))
          return sampleBlocks(files, details);
        const rows = Object.entries(values).map(([metric, value]) => [
          truncate(metric, 120),
          roundFigure(value),
        ]);
        return rows.length === 0
          ? []
          : [
              {
                kind: "table",
                title: truncate(name, 80),
                columns: ["metric", "value"],
                rows: rows.slice(0, mostRows),
              },
            ];
      },
    ),
  );
}

function perplexityBlocks({
  loss,
  perplexity: token,
  word_perplexity: word,
  bits_per_byte: bits,
  protocol: how,
}: z.output<typeof perplexity>): Block[] {
  return [
    {
      kind: "table",
      title: "Perplexity",
      columns: ["per token", "per word", "loss, nats a token", "bits a byte"],
      rows: [[roundFigure(token), roundFigure(word), roundFigure(loss), roundFigure(bits)]],
    },
    { kind: "text", text: truncate(protocolLine(how), 1000) },
  ];
}

function countsBlock({ nonEmbedding, total }: Pick<ModelCounts, "nonEmbedding" | "total">): Block {
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

function sampleBlocks(files: StepFiles, details: unknown): readonly Block[] {
  return files.blocks("samples.json", () => {
    const { samples } = files.has("samples.json")
      ? files.json("samples.json", generation)
      : generation.parse(details);
    const shown = samples
      .slice(0, mostSamples)
      .map(({ prompt, text }) => ({ prompt: truncate(prompt, 2000), text: truncate(text, 8000) }));
    return [{ kind: "samples", title: "Samples", samples: shown }];
  });
}

export function exportBlocks(files: StepFiles): readonly Block[] {
  return files.blocks("model", () => {
    const links = files.fileLinks("model");
    return links.length > 0 ? links : [{ kind: "text", text: `${files.name}/model holds no file.` }];
  });
}

/** With a paper the card of all runs is the report, and the page of a single run is opened on request. */
export function reportBlocks(files: StepFiles, { plan }: Pick<RunRecord, "plan">): readonly Block[] {
  return files.blocks("report.md", () => {
    if (plan.paper !== undefined) return files.has("report.md") ? [files.link("report.md")] : [];
    const text = files.text("report.md");
    return [{ kind: "text", text: truncate(text, mostText) }, files.link("report.md")];
  });
}

/** Tables that were written as figures. */
export function figureBlocks(files: StepFiles): readonly Block[] {
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
