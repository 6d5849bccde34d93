/** The report of an experiment without published numbers: its conclusions, one row for each variant, each run below. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { createExperimentReport, type ExperimentReport } from "../../../src/backend/report/experimentReport";
import { renderReport } from "../../../src/backend/report/reportPages";
import { listRuns } from "../../../src/backend/runs/folder/findRuns";
import { loadPlans } from "../../../src/backend/runs/planning/loadPlans";
import { schemaCatalog } from "../../../src/backend/schemaCatalog";
import { writeFinishedRuns } from "../../support/finishedRuns";
import type { RunRecord } from "../../../src/protocol/run";
import { createTemporaryFolder } from "../../support/temporary";

const text = `
data: {grammar: {length: 4000}, tokenizer: bytes, sequence_len: 16}
model: {model_type: phi3, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 32}
device: cpu
variants: {wide: {}, narrow: {model: {hidden_size: 8, intermediate_size: 12}}, other: {model: {intermediate_size: 8}}}
sweep: {seed: [0, 1, 2]}
train: {max_steps: 10}
`;
const losses = { wide: [1.5, 1.52, 1.54], narrow: [2, 2.02, 2.04], other: [1.0, 1.1, 1.2] };
const protocol = (data: string) => ({
  "eval/loss": {
    data,
    split: "validation",
    hash: data.padEnd(64, "0"),
    tokens: 4096,
    method: "sequences of 16",
  },
});

async function report(
  finishOther: boolean,
  otherText: string,
  other: Partial<RunRecord> = {},
): Promise<ExperimentReport> {
  const folder = createTemporaryFolder();
  const file = join(folder, "plain.lathe.md");
  writeFileSync(file, `# Widths\n\n\`\`\`yaml\n${text}\`\`\`\n`);
  writeFileSync(join(folder, "package.json"), "{}");
  await writeFinishedRuns(file, ({ variant, seed }) => {
    if (variant === "other" && !finishOther) return undefined;
    const loss = losses[variant as keyof typeof losses][seed]!;
    return {
      summary: { "eval/loss": { last: loss, min: loss, max: 4 }, "train/loss": { last: 1, min: 1, max: 4 } },
      losses: protocol(variant === "other" ? otherText : "text"),
      ...(variant === "other" ? other : {}),
    };
  });
  const plans = await loadPlans(file, {}, schemaCatalog);
  const runs = await listRuns(join(plans.workspace, ".lathe", "runs"));
  return createExperimentReport(
    plans,
    runs,
    ["lathe", "report", "plain.lathe.md"],
    new AbortController().signal,
  );
}

describe("without a paper", () => {
  let partial: ExperimentReport;
  beforeAll(async () => {
    partial = await report(false, "text");
  });

  test("it states the best variant, its interval, and whether the seeds decide it", () => {
    const [conclusions] = partial.parts.filter(({ kind }) => kind === "conclusions");
    // Student's t for two degrees of freedom: 4.303 · 0.02 / √3.
    expect(conclusions).toEqual({
      kind: "conclusions",
      sentences: [
        "Lowest eval/loss: wide with 1.52 ± 0.0497 (3 seeds). Next is narrow with 2.02 ± 0.0497 (3 seeds); their 95 % intervals do not overlap.",
        "From 6 of 9 runs: 3 are not finished for the current text.",
      ],
    });
    expect([partial.finished, partial.planned]).toEqual([6, 9]);
  });

  test("it has one row for each variant with mean, interval and count, and each run folded below", () => {
    const [tables] = partial.parts.flatMap((part) => (part.kind === "blocks" ? part.blocks : []));
    if (tables?.kind !== "table") throw new Error("no table");
    const column = (name: string) => tables.rows.map((row) => row[tables.columns.indexOf(name)]);
    expect(column("variant")).toEqual(["wide", "narrow", "other"]);
    expect(column("eval loss")).toEqual(["1.5200 ± 0.0497", "2.0200 ± 0.0497", null]);
    expect(column("seeds")).toEqual(["3", "3", "0"]);
    expect(tables.columns).not.toContain("perplexity/bits");
    const [folded] = partial.parts.flatMap((part) => (part.kind === "folded" ? [part] : []));
    expect(folded!.title).toBe("Each of the 6 runs, with its seed");
    const [runs] = folded!.blocks;
    if (runs?.kind !== "table") throw new Error("no table");
    expect(runs.rows.map((row) => row.slice(0, 3))).toContainEqual(["wide", "1", "1.52"]);
  });

  test("its page has the date, device, command and versions before the tables", () => {
    const html = renderReport([partial]);
    for (const fact of ["2026-11-20", "cpu (2 threads)", "lathe report plain.lathe.md", "lathe 0.1.0"])
      expect(html.indexOf(fact), fact).toBeGreaterThan(0);
    expect(html.indexOf("lathe 0.1.0")).toBeLessThan(html.indexOf("<table"));
    expect(html.indexOf("Lowest eval/loss")).toBeLessThan(html.indexOf("lathe 0.1.0"));
    expect(html).toContain("<details>");
  });

  test("a loss of other text is not called the best", async () => {
    const { blocks } = await report(true, "another text");
    const texts = blocks.flatMap((block) => (block.kind === "text" ? [block.text] : []));
    expect(texts.join(" ")).toContain("Lowest eval/loss: wide");
    expect(texts.join(" ")).toContain("1 variant measured it in another way and cannot be compared");
    const same = await report(true, "text");
    expect(JSON.stringify(same.blocks)).toContain("Lowest eval/loss: other");
  });

  test("runs that a search pruned have no row among the results, and are listed with their reasons", async () => {
    const pruned = { step: 3, steps: 10, metric: "eval/loss", value: 3.21, needed: 2.95 };
    const { parts, document, finished, planned } = await report(true, "text", {
      state: "pruned",
      halving: { rung: 0, values: [3.21], pruned },
    });
    expect([finished, planned]).toEqual([6, 6]);
    expect(document).toMatchObject({
      unfinished: 0,
      pruned: Array<unknown>(3).fill(expect.stringContaining("other")),
    });
    const [conclusions] = parts.flatMap((part) => (part.kind === "conclusions" ? [part.sentences] : []));
    expect(conclusions).toEqual([
      expect.stringContaining("Lowest eval/loss: wide"),
      "From 6 runs. 3 more were pruned by the search, and have no result.",
    ]);
    const folded = parts.flatMap((part) => (part.kind === "folded" ? [part] : []));
    expect(folded.map(({ title }) => title)).toEqual([
      "Each of the 6 runs, with its seed",
      "The 3 runs that the search pruned",
    ]);
    expect(JSON.stringify(folded[1])).toContain("pruned at step 3 of 10: eval loss 3.21, rung needed ≤ 2.95");
  });
});
