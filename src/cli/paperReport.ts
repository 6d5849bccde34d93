/** The card of an experiment's paper, from the runs that are there: for the terminal, and as pages beside the runs. */
import { mkdirSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { removeExperimentEnding } from "../protocol/fileName";
import { createCardBlocks, summarizeCard, createPaperCard } from "../backend/card/paperCard";
import {
  createCurveFigures,
  createShrinkFigures,
  toShrinkRuns,
  createTokenRateFigures,
  createWeightFigures,
  collectGeneratedTexts,
} from "../backend/report/figures";
import { renderHtmlPage, type Part } from "../backend/report/html";
import { writeMarkdown } from "../backend/report/markdown";
import { writeAtomic } from "../backend/runs/folder/atomicFile";
import { listRuns } from "../backend/runs/folder/findRuns";
import type { Plans } from "../backend/runs/planning/loadPlans";
import { getWorkspaceRunsFolder } from "../backend/runs/folder/runLocation";
import {
  describeDataRead,
  readFigures,
  findFinishedRuns,
  findPaper,
  estimateFigures,
} from "../backend/runs/planning/siblings";
import type { RunRecord } from "../protocol/run";
import type { Block } from "../protocol/blocks";
import type { Outcome } from "./command";
import { formatTable } from "./table";
import { toPlainText, toPlainLine, type Terminal } from "./terminal";
import { wrapText } from "./textWidth";

interface CardReport {
  readonly title: string;
  readonly note: string;
  readonly blocks: readonly Block[];
  readonly parts: readonly Part[];
  readonly document: object;
}

/** Undefined where one of the experiments names no paper. `out` is the folder of the runs, where it is not the usual one. */
export async function writePaperReport(
  experiments: readonly Plans[],
  terminal: Terminal,
  out?: string,
): Promise<Outcome | undefined> {
  const getRunsFolder = (workspace: string) =>
    out === undefined ? getWorkspaceRunsFolder(workspace) : resolve(out);
  const cards: CardReport[] = [];
  for (const plans of experiments) {
    const card = await createCardReport(plans, getRunsFolder(plans.workspace));
    if (card === undefined) return undefined;
    cards.push(card);
  }
  const [first] = experiments;
  if (first === undefined) return undefined;
  // Beside the runs: `.lathe/reports`, or in the folder that was named for the runs.
  const runsFolder = getRunsFolder(first.workspace);
  const base = join(
    out === undefined ? dirname(runsFolder) : runsFolder,
    "reports",
    createFileName(experiments),
  );
  mkdirSync(dirname(base), { recursive: true });
  const title = cards[0]!.title;
  const parts: Part[] = [{ kind: "heading", level: 1, text: title }, ...cards.flatMap((card) => card.parts)];
  rmSync(`${base}-figures`, { recursive: true, force: true });
  const [report, page] = [`${base}.md`, `${base}.html`];
  writeMarkdown(report, `${base}-figures`, parts);
  writeAtomic(page, renderHtmlPage(title, parts));
  const documents = cards.map(({ document }) => document);
  const text = cards.flatMap((card) => [
    wrapText(toPlainLine(card.title), terminal.textWidth),
    ...card.blocks.map((block) => formatBlock(block, terminal)),
    wrapText(toPlainLine(card.note), terminal.textWidth),
  ]);
  return {
    document: {
      ...(documents.length === 1 ? documents[0] : { cards: documents }),
      report,
      page,
    },
    text: [...text, `${report}\n${page}`].join("\n\n"),
  };
}

async function createCardReport(
  { plans, workspace }: Plans,
  runsFolder: string,
): Promise<CardReport | undefined> {
  const paper = findPaper(plans);
  if (paper === undefined) return undefined;
  const siblings = findFinishedRuns(plans, await listRuns(runsFolder));
  const figures = await Promise.all(
    plans.map((plan, i) =>
      siblings[i] === undefined ? estimateFigures(plan, workspace) : readFigures(siblings[i]),
    ),
  );
  const card = createPaperCard(paper, figures);
  const blocks = createCardBlocks(paper, card);
  const finished = siblings.filter((run) => run !== undefined);
  const unfinished = plans.length - finished.length;
  const dataRead = describeDataRead(finished.map(({ record }) => record));
  const note = [
    unfinished === 0
      ? `From ${finished.length} runs.`
      : `From ${finished.length} of ${plans.length} runs: ${unfinished} are not finished for the current text.`,
    ...(dataRead === "" ? [] : [dataRead]),
  ].join(" ");
  const runs = toShrinkRuns(finished);
  const figureSections = [
    ["What happens as models shrink", createShrinkFigures(runs, paper)],
    ["What the models write", createTokenRateFigures(runs)],
    ["Training", await createCurveFigures(runs)],
    [
      "Matrices before and after",
      await createWeightFigures(runs, paper.baseline, new AbortController().signal),
    ],
  ] as const;
  const texts = collectGeneratedTexts(runs);
  const conclusions = summarizeCard(card);
  // A page begins with what the tables lead to; a terminal ends with it, where the reader is.
  const tables = blocks.slice(0, blocks.length - conclusions.length);
  const createHeading = (level: 2 | 3, text: string): Part => ({ kind: "heading", level, text });
  return {
    title: paper.title,
    note,
    blocks,
    parts: [
      createHeading(2, plans[0]?.experiment ?? paper.title),
      { kind: "conclusions", sentences: [...conclusions, note] },
      { kind: "facts", facts: listRunFacts(finished.map(({ record }) => record)) },
      { kind: "blocks", blocks: tables },
      ...figureSections.flatMap(([title, sectionFigures]): Part[] =>
        sectionFigures.length === 0
          ? []
          : [createHeading(3, title), { kind: "figures", figures: sectionFigures }],
      ),
      ...(texts.length === 0
        ? []
        : [createHeading(3, "Texts side by side"), { kind: "texts", texts } as const]),
    ],
    document: {
      paper: paper.title,
      runs: finished.map(({ record }) => record.id),
      unfinished: unfinished,
      rows: card.rows,
      models: card.groups,
      answers: card.answers,
      rates: card.rates,
      sized: card.sized,
      conclusion: conclusions,
    },
  };
}

/** When, where and by what the numbers were made. */
function listRunFacts(records: readonly RunRecord[]): (readonly [string, string])[] {
  const distinct = (values: readonly (string | undefined)[]) =>
    [...new Set(values.filter((value) => value !== undefined))].join("; ");
  const days = records.map(({ endedAt, createdAt }) => (endedAt ?? createdAt).slice(0, 10)).sort();
  const facts = [
    ["Runs of", days.length === 0 ? "" : distinct([days[0], days.at(-1)]).replace("; ", " to ")],
    ["Device", distinct(records.map(({ device }) => device && `${device.name} (${device.description})`))],
    ["Command", ["lathe", ...process.argv.slice(2).map(quoteArgument)].join(" ")],
    [
      "Versions",
      distinct(
        records.map(({ versions = {} }) =>
          Object.entries(versions)
            .map(([name, version]) => `${name} ${version}`)
            .join(", "),
        ),
      ),
    ],
    [
      "Code",
      distinct(
        records.map(({ git }) => git && `${git.commit.slice(0, 10)}${git.dirty ? " with changes" : ""}`),
      ),
    ],
    ["Page of", new Date().toISOString().slice(0, 10)],
  ] as const;
  return facts.filter(([, value]) => value !== "");
}

function quoteArgument(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}

/** After the file and the scale; several cards share the name of the first. */
function createFileName(experiments: readonly Plans[]): string {
  const [{ experiment, scale } = { experiment: "report", scale: undefined }] = experiments[0]?.plans ?? [];
  const name = removeExperimentEnding(experiment).replace(/[^\p{L}\p{N}._-]+/gu, "-");
  return [name, scale ?? [], experiments.length > 1 ? `with-${experiments.length - 1}-more` : []]
    .flat()
    .join("-");
}

function formatBlock(block: Block, terminal: Terminal): string {
  if (block.kind === "text") return wrapText(toPlainText(block.text), terminal.textWidth);
  if (block.kind !== "table") return "";
  const rows = block.rows.map((row) => row.map((cell) => toPlainLine(String(cell ?? "–"))));
  const title = wrapText(toPlainLine(block.title ?? ""), terminal.textWidth);
  return [terminal.colors.bold(title), formatTable(block.columns, rows, terminal)].join("\n");
}
