/** Where a report is written, and its pages: HTML in one file, and Markdown with its figures. */
import { mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { removeExperimentEnding } from "../../protocol/fileName";
import type { RunPlan } from "../../protocol/run";
import { writeAtomic } from "../runs/folder/atomicFile";
import type { ExperimentReport } from "./experimentReport";
import { type Part, renderHtmlPage } from "./html";
import { writeMarkdown } from "./markdown";

/** After the file and the scale; several experiments share the name of the first. */
export function nameReport(experiments: readonly { readonly plans: readonly RunPlan[] }[]): string {
  const [{ experiment, scale } = { experiment: "report", scale: undefined }] = experiments[0]?.plans ?? [];
  const name = removeExperimentEnding(experiment).replace(/[^\p{L}\p{N}._-]+/gu, "-");
  return [name, scale ?? [], experiments.length > 1 ? `with-${experiments.length - 1}-more` : []]
    .flat()
    .join("-");
}

function joinParts(reports: readonly ExperimentReport[]): {
  readonly title: string;
  readonly parts: readonly Part[];
} {
  const title = reports[0]!.title;
  return {
    title,
    parts: [
      { kind: "heading", level: 1, text: title },
      ...reports.flatMap(({ title: each, parts }, i): readonly Part[] =>
        // A report of a paper begins with the name of its experiment.
        i === 0 || parts[0]?.kind === "heading"
          ? parts
          : [{ kind: "heading", level: 2, text: each }, ...parts],
      ),
    ],
  };
}

export function renderReport(reports: readonly ExperimentReport[]): string {
  const { title, parts } = joinParts(reports);
  return renderHtmlPage(title, parts);
}

/** Writes `<name>.html`, `<name>.md` and the folder of its figures. */
export function writeReportPages(
  folder: string,
  name: string,
  reports: readonly ExperimentReport[],
): { readonly report: string; readonly page: string } {
  const base = join(folder, name);
  const [report, page] = [`${base}.md`, `${base}.html`];
  mkdirSync(dirname(base), { recursive: true });
  rmSync(`${base}-figures`, { recursive: true, force: true });
  const { title, parts } = joinParts(reports);
  writeMarkdown(report, `${base}-figures`, parts);
  writeAtomic(page, renderHtmlPage(title, parts));
  return { report, page };
}
