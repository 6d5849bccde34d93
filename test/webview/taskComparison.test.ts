/** Runs that evaluated tasks, side by side: numbers with standard errors, and a comparison document by document. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { LossProtocol } from "../../src/protocol/lossProtocol";
import { WrittenRun } from "./sampleRuns";
import { usePages, useWorkspace } from "./usePages";

const protocol: LossProtocol = {
  data: "piqa",
  split: "validation",
  hash: "aa".repeat(32),
  tokens: 8,
  unit: "rows",
  method: "0 examples, task version 1.0",
};

describe("runs that evaluated tasks", () => {
  const workspace = useWorkspace();
  const pages = usePages(workspace, async () => {
    for (const [name, answers, method] of [
      ["dense", [1, 1, 0, 0, 1, 1, 1, 1], protocol.method],
      ["pruned", [1, 1, 1, 0, 0, 0, 0, 0], protocol.method],
      ["shown", [1, 1, 1, 0, 0, 0, 0, 0], "5 examples, task version 1.0"],
    ] as const) {
      const acc = answers.filter((answer) => answer === 1).length / answers.length;
      const { path } = await WrittenRun.write(workspace, {
        name,
        steps: 20,
        measured: { "piqa/acc": acc, "piqa/acc_stderr": 0.163 },
        record: { losses: { "piqa/acc": { ...protocol, method } } },
      });
      mkdirSync(join(path, "steps", "1-evaluate"), { recursive: true });
      const lines = answers.map((answer, i) =>
        JSON.stringify({ task: "piqa", doc_id: i, doc_hash: `h${i}`, values: { acc: answer } }),
      );
      writeFileSync(join(path, "steps", "1-evaluate", "documents-piqa.jsonl"), `${lines.join("\n")}\n`);
    }
  });

  it("shows standard errors, and differences only between equal protocols", async () => {
    const page = await pages.harness.panel("runs", {}, { width: 1500, height: 800 });
    const { page: window } = page;
    const names = window.locator(".body > .row .cell.name");
    await expect.poll(() => names.count()).toBe(3);
    const texts = await names.allInnerTexts();
    const at = (name: string) => names.nth(texts.findIndex((text) => text.includes(name)));
    await at("dense").click();
    await at("pruned").click({ modifiers: ["Control"] });
    await window.getByRole("button", { name: "Compare" }).click();
    const comparison = window.locator(".comparison");
    const tasks = comparison.locator("table.tasks");
    await expect.poll(() => tasks.count()).toBe(1);
    const line = comparison.locator("tr", { hasText: "piqa/acc last" });
    expect(await line.innerText()).toContain("0.75 ± 0.16");
    expect(await comparison.innerText()).not.toContain("stderr");
    // The differences are to the run that is shown first.
    expect(await tasks.locator("tbody tr").innerText()).toMatch(
      /^piqa\/acc\s+(pruned\s+dense\s.*−0\.3750.*\s1 : 4|dense\s+pruned\s.*\+0\.3750.*\s4 : 1)\s+0\.375$/s,
    );
    await at("shown").click({ modifiers: ["Control"] });
    await window.getByRole("button", { name: "Compare" }).click();
    await expect
      .poll(async () => (await comparison.locator("p").allInnerTexts()).join("\n"))
      .toMatch(/in different ways: (0|5) examples instead of (0|5) examples/);
    expect(page.faults).toEqual([]);
    await page.close();
  });
});
