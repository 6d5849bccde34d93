/** The card of an experiment's paper, from the runs that are there: for the terminal, and as a page beside the runs. */
import { mkdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { cardBlocks, conclusion, paperCard } from "../backend/card/paperCard";
import { writeAtomic } from "../backend/runs/atomicFile";
import { listRuns } from "../backend/runs/findRuns";
import type { Plans } from "../backend/runs/loadPlans";
import { runsFolderOf } from "../backend/runs/runLocation";
import { figuresOf, finishedRuns, paperOf, plannedFigures } from "../backend/runs/siblings";
import { type Block, markdownOf } from "../protocol/blocks";
import type { Outcome } from "./command";
import { table } from "./table";
import { plain, plainLine, type Terminal } from "./terminal";

/** Undefined where the experiment names no paper. `out` is the folder of the runs, where it is not the usual one. */
export async function paperReport(
  { plans, workspace }: Plans,
  terminal: Terminal,
  out?: string,
): Promise<Outcome | undefined> {
  const paper = paperOf(plans);
  if (paper === undefined) return undefined;
  const runsFolder = out === undefined ? runsFolderOf(workspace) : resolve(out);
  const siblings = finishedRuns(plans, await listRuns(runsFolder));
  const figures = await Promise.all(
    plans.map((plan, i) =>
      siblings[i] === undefined ? plannedFigures(plan, workspace) : figuresOf(siblings[i]),
    ),
  );
  const card = paperCard(paper, figures);
  const blocks = cardBlocks(paper, card);
  const done = siblings.filter((run) => run !== undefined);
  const left = plans.length - done.length;
  const note =
    left === 0
      ? `From ${done.length} runs.`
      : `From ${done.length} of ${plans.length} runs: ${left} have not been finished for the text as it stands.`;
  const path = join(reportsFolder(runsFolder, out !== undefined), `${fileName(plans)}.md`);
  mkdirSync(dirname(path), { recursive: true });
  const title: Block = { kind: "text", text: `${paper.title}. ${note}` };
  writeAtomic(path, `${markdownOf([title, ...blocks])}\n`);
  const document = {
    paper: paper.title,
    runs: done.map(({ record }) => record.id),
    unfinished: left,
    rows: card.rows,
    models: card.groups,
    answers: card.answers,
    conclusion: conclusion(card),
    report: path,
  };
  const text = [plainLine(paper.title), ...blocks.map((block) => blockText(block, terminal)), note, path];
  return { document, text: text.join("\n\n") };
}

/** Beside the runs: `.lathe/reports`, or in the folder that was named for the runs. */
function reportsFolder(runsFolder: string, named: boolean): string {
  return join(named ? runsFolder : dirname(runsFolder), "reports");
}

/** After the file and the scale. */
function fileName(plans: Plans["plans"]): string {
  const [{ experiment, scale } = { experiment: "report", scale: undefined }] = plans;
  const name = experiment.replace(/(\.lathe)?\.(md|ya?ml)$/i, "").replace(/[^\p{L}\p{N}._-]+/gu, "-");
  return scale === undefined ? name : `${name}-${scale}`;
}

function blockText(block: Block, { colors }: Terminal): string {
  if (block.kind === "text") return plain(block.text);
  if (block.kind !== "table") return "";
  const rows = block.rows.map((row) => row.map((cell) => plainLine(String(cell ?? "–"))));
  return [colors.bold(plainLine(block.title ?? "")), table(block.columns, rows, colors)].join("\n");
}
