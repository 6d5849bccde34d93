/** The report of an experiment from the runs that are there: for the terminal, as pages, and for the window. */
import type { Block } from "../../protocol/blocks";
import type { FoundRun } from "../../protocol/run";
import { listMetrics, type ShrinkRun } from "../../statistics/shrinkSeries";
import { groupRuns, type RunFigures } from "../card/figures";
import { createCardBlocks, createModelTable, createPaperCard, summarizeCard } from "../card/paperCard";
import type { Paper } from "../../schema/paper";
import type { Plans } from "../runs/planning/loadPlans";
import {
  describeDataRead,
  estimateFigures,
  findFinishedRuns,
  findPaper,
  readFigures,
  type Sibling,
} from "../runs/planning/siblings";
import { createEvaluationSections } from "./evaluationSections";
import {
  collectGeneratedTexts,
  createCurveFigures,
  createShrinkFigures,
  createTokenRateFigures,
  createWeightFigures,
  toShrinkRuns,
} from "./figures";
import type { Figure, Part } from "./html";
import { listRunFacts } from "./runFacts";
import { createPrunedTable, createRunTable } from "./runTable";
import { createScalingSection } from "./scalingLaw";
import { createTaskTables, isTaskValue } from "./taskTables";
import { concludeVariants } from "./variantConclusions";

export interface ExperimentReport {
  readonly title: string;
  readonly note: string;
  /** For a terminal, with the conclusions last, where the reader is. */
  readonly blocks: readonly Block[];
  readonly parts: readonly Part[];
  readonly document: object;
  readonly finished: number;
  readonly planned: number;
}

interface Findings {
  readonly title: string;
  readonly tables: readonly Block[];
  readonly conclusions: readonly string[];
  readonly document: object;
}

/** More sentences than that nobody reads first. */
const maxConclusions = 4;
/** Columns of the table of models, or of no interest in a report. */
const tabled = /^(train|eval|optimizer|system|gpu)\/|^perplexity\/(loss|token)$/;
/** Tasks have tables of their own, with standard errors and protocols. */
const isColumn = (metric: string) => !tabled.test(metric) && !isTaskValue(metric);

/** `command` writes the same report in a terminal. */
export async function createExperimentReport(
  { plans: allPlans, workspace, experiment }: Plans,
  runs: readonly FoundRun[],
  command: readonly string[],
  signal: AbortSignal,
): Promise<ExperimentReport> {
  const prunedRuns = findFinishedRuns(allPlans, runs, "pruned");
  const done = findFinishedRuns(allPlans, runs);
  // What a search ended has no result.
  const isShown = (_: unknown, i: number) => done[i] !== undefined || prunedRuns[i] === undefined;
  const [plans, siblings] = [allPlans.filter(isShown), done.filter(isShown)];
  const pruned = prunedRuns.flatMap((run, i) => (done[i] !== undefined || run === undefined ? [] : [run]));
  const figures: RunFigures[] = [];
  for (const [i, plan] of plans.entries()) {
    signal.throwIfAborted();
    const sibling = siblings[i];
    figures.push(sibling === undefined ? await estimateFigures(plan, workspace) : await readFigures(sibling));
  }
  const finished = siblings.filter((run) => run !== undefined);
  const shrinkRuns = toShrinkRuns(finished);
  const paper = findPaper(plans);
  const metrics = listMetrics(shrinkRuns);
  const name = plans[0]?.experiment ?? experiment.file;
  const mainFindings =
    paper === undefined ? findInVariants(name, figures, metrics) : findInCard(paper, figures);
  const taskTables = await createTaskTables(finished, paper?.baseline, signal);
  const scaling = createScalingSection(plans, figures, findEntropy(finished));
  const findings = {
    ...mainFindings,
    tables: [...mainFindings.tables, ...taskTables, ...(scaling?.tables ?? [])],
    conclusions: [...(scaling?.conclusions ?? []), ...mainFindings.conclusions],
  };
  const note = describeRuns(plans.length, finished, pruned.length);
  const sections = [
    ["Scaling law", scaling?.figures ?? []] as const,
    ...(await createSections(shrinkRuns, paper, metrics, signal)),
  ];
  const texts = collectGeneratedTexts(shrinkRuns);
  const heading = (level: 2 | 3, text: string): Part => ({ kind: "heading", level, text });
  const { title, tables, conclusions } = findings;
  return {
    title,
    note,
    blocks: [...tables, ...conclusions.map((text): Block => ({ kind: "text", text }))],
    parts: [
      // Without a paper, the title names the experiment.
      ...(paper === undefined ? [] : [heading(2, name)]),
      { kind: "conclusions", sentences: [...conclusions, note] },
      {
        kind: "facts",
        facts: listRunFacts(
          finished.map(({ record }) => record),
          command,
        ),
      },
      { kind: "blocks", blocks: tables },
      ...(finished.length === 0
        ? []
        : [
            {
              kind: "folded",
              title: `Each of the ${finished.length} runs, with its seed`,
              blocks: [
                removeEmptyColumns(
                  createRunTable(finished, ["eval/loss", "train/loss", ...metrics.filter(isColumn)]),
                ),
              ],
            } as const,
          ]),
      ...(pruned.length === 0
        ? []
        : [
            {
              kind: "folded",
              title: `The ${pruned.length} runs that the search pruned`,
              blocks: [createPrunedTable(pruned)],
            } as const,
          ]),
      ...sections.flatMap(([section, sectionFigures]): Part[] =>
        sectionFigures.length === 0
          ? []
          : [heading(3, section), { kind: "figures", figures: sectionFigures }],
      ),
      ...(texts.length === 0 ? [] : [heading(3, "Texts side by side"), { kind: "texts", texts } as const]),
    ],
    document: {
      ...(paper === undefined ? { experiment: name } : { paper: paper.title }),
      runs: finished.map(({ record }) => record.id),
      unfinished: plans.length - finished.length,
      ...(pruned.length === 0 ? {} : { pruned: pruned.map(({ record }) => record.id) }),
      ...findings.document,
      conclusion: conclusions,
    },
    finished: finished.length,
    planned: plans.length,
  };
}

/** The entropy rate of the text, if all runs read the same one from a known source. */
function findEntropy(runs: readonly Sibling[]): number | undefined {
  const rates = new Set(runs.map(({ record }) => record.floor));
  return rates.size === 1 ? [...rates][0] : undefined;
}

/** Published numbers against those of the runs. */
function findInCard(paper: Paper, figures: readonly RunFigures[]): Findings {
  const card = createPaperCard(paper, figures);
  const conclusions = summarizeCard(card);
  const blocks = createCardBlocks(paper, card);
  const { rows, groups, answers, rates, sized } = card;
  return {
    title: paper.title,
    // A page begins with what the tables lead to.
    tables: blocks.slice(0, blocks.length - conclusions.length),
    conclusions,
    document: { rows, models: groups, answers, rates, sized },
  };
}

/** The variants against each other. */
function findInVariants(name: string, figures: readonly RunFigures[], metrics: readonly string[]): Findings {
  const groups = groupRuns(figures);
  const others = metrics.filter((metric) => !tabled.test(metric));
  const headline = figures.some(({ values }) => values["eval/loss"] !== undefined)
    ? "eval/loss"
    : "train/loss";
  return {
    title: `Report of ${name}`,
    tables: createModelTable({ metrics: others.filter(isColumn) }, groups).map(removeEmptyColumns),
    conclusions: concludeVariants(groups, [headline, ...others]).slice(0, maxConclusions),
    document: { models: groups },
  };
}

function removeEmptyColumns(block: Block): Block {
  if (block.kind !== "table") return block;
  const kept = block.columns.flatMap((_, i) => (block.rows.some((row) => row[i] !== null) ? [i] : []));
  return {
    ...block,
    columns: kept.map((i) => block.columns[i]!),
    rows: block.rows.map((row) => kept.map((i) => row[i] ?? null)),
  };
}

function describeRuns(planned: number, finished: readonly Sibling[], pruned: number): string {
  const unfinished = planned - finished.length;
  const dataRead = describeDataRead(finished.map(({ record }) => record));
  return [
    unfinished === 0
      ? `From ${finished.length} run${finished.length === 1 ? "" : "s"}.`
      : `From ${finished.length} of ${planned} runs: ${unfinished} are not finished for the current text.`,
    ...(pruned === 0 ? [] : [`${pruned} more were pruned by the search, and have no result.`]),
    ...(dataRead === "" ? [] : [dataRead]),
  ].join(" ");
}

async function createSections(
  runs: readonly ShrinkRun[],
  paper: Paper | undefined,
  metrics: readonly string[],
  signal: AbortSignal,
): Promise<readonly (readonly [title: string, figures: readonly Figure[]])[]> {
  const shown = paper?.metrics ?? metrics.filter((metric) => !tabled.test(metric));
  return [
    ["What happens as models shrink", createShrinkFigures(runs, { metrics: [...shown] })],
    ["What the models write", createTokenRateFigures(runs)],
    ...createEvaluationSections(runs),
    ["Training", await createCurveFigures(runs)],
    // Only a paper names the model that the others are compared with.
    [
      "Matrices before and after",
      paper === undefined ? [] : await createWeightFigures(runs, paper.baseline, signal),
    ],
  ];
}
