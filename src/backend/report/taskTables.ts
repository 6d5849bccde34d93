/** Tables of evaluated tasks: each number with its standard error and protocol, and runs against each other document by document. */
import { setImmediate } from "node:timers/promises";
import type { Block, CellValue } from "../../protocol/blocks";
import { toWorkbenchError } from "../../protocol/errors";
import { describeProtocol, groupByProtocol } from "../../protocol/lossProtocol";
import type { RunRecord } from "../../protocol/run";
import { formatCount } from "../../protocol/quantities";
import { defaultResamples } from "../../statistics/pairedComparison";
import { describePoint, getVariantTitle } from "../card/figures";
import { formatTaskDifference, formatTaskNumber } from "../evaluation/harness/summarizeTask";
import tasks from "../evaluation/tasks";
import {
  type ComparedValue,
  compareTask,
  type EvaluatedTasks,
  listCommonTasks,
  readRunTasks,
} from "../runs/folder/compareTasks";
import type { Sibling } from "../runs/planning/siblings";

const getTask = (value: string): string => value.slice(0, value.indexOf("/"));

/** Whether a metric is a number of a task, which these tables show. */
export function isTaskValue(metric: string): boolean {
  return Object.hasOwn(tasks.goals, metric);
}

/** Empty if no run evaluated a task. Runs are compared with those of the variant `baseline`, by default that of the first run. */
export async function createTaskTables(
  runs: readonly Sibling[],
  baseline: string | undefined,
  signal: AbortSignal,
): Promise<Block[]> {
  const values = Object.keys(tasks.goals).filter((value) =>
    runs.some(({ record }) => record.summary[value] !== undefined),
  );
  if (values.length === 0) return [];
  const pairs = pairRuns(runs, baseline);
  return [
    ...createResultTable(runs, values),
    ...(await createPairedTable(pairs, ({ plan }) => nameVariant(plan), signal)),
  ];
}

function createResultTable(runs: readonly Sibling[], values: readonly string[]): Block[] {
  const notes = new Set<string>();
  const rows = values.flatMap((value) => {
    const measured = runs.filter(({ record }) => record.summary[value] !== undefined);
    const protocols = measured.map(({ record }) => record.losses?.[value]);
    const { letters, notes: differences } = groupByProtocol(getTask(value), protocols);
    for (const note of differences) notes.add(note);
    const known = protocols.find((each) => each !== undefined);
    if (differences.length === 0 && known !== undefined)
      notes.add(`${getTask(value)}: ${describeProtocol(known)}.`);
    return measured.map(({ record: { summary, plan, id } }, i): CellValue[] => {
      const error = summary[`${value}_stderr`]?.last;
      const number = formatTaskNumber(summary[value]!.last);
      return [
        value,
        nameVariant(plan),
        String(plan.seed),
        error === undefined ? number : `${number} ± ${formatTaskNumber(error)}`,
        letters[i] ?? null,
        id,
      ];
    });
  });
  const columns = ["value", "variant", "seed", "result ± standard error", "measured as", "run"];
  const isLettered = rows.some((row) => row[4] !== null);
  const select = <T>(cells: readonly T[]) => cells.filter((_, i) => isLettered || i !== 4);
  return [
    { kind: "table", title: "Tasks", columns: select(columns), rows: rows.map(select) },
    ...[...notes].map((text): Block => ({ kind: "text", text })),
  ];
}

/** Of the numbers that are shown for each document: those that papers print. */
const isPrinted = ({ value }: ComparedValue) => !/_(bytes|tokens)$/.test(value);

type Pair = readonly [run: Sibling, base: Sibling];

/** Each run against its base on the documents that both evaluated; what cannot be compared is named with the reason. */
export async function createPairedTable(
  pairs: readonly Pair[],
  nameRun: (record: RunRecord) => string,
  signal: AbortSignal,
): Promise<Block[]> {
  const evaluated = new Map<Sibling, EvaluatedTasks>();
  const open = (run: Sibling): EvaluatedTasks => {
    const known = evaluated.get(run);
    if (known !== undefined) return known;
    const opened = readRunTasks(run.folder, run.record);
    evaluated.set(run, opened);
    return opened;
  };
  const rows: CellValue[][] = [];
  const notes: string[] = [];
  for (const pair of pairs) {
    const [run, base] = pair;
    const [name, baseName] = pair.map(({ record }) => nameRun(record)) as [string, string];
    const attempt = (work: () => void) => {
      try {
        work();
      } catch (thrown) {
        const { code, message } = toWorkbenchError(thrown);
        if (code === "internal") throw thrown;
        notes.push(`${name} is not compared with ${baseName}: ${message}`);
      }
    };
    let names: readonly string[] = [];
    attempt(() => (names = listCommonTasks(open(base), open(run))));
    for (const task of names) {
      // Resampling the documents of a large task takes a moment.
      await setImmediate();
      signal.throwIfAborted();
      attempt(() => {
        const values = compareTask(task, open(base), open(run), { resamples: defaultResamples, seed: 0 });
        rows.push(
          ...values
            .filter(isPrinted)
            .map((value) => createPairedRow(value, name, baseName, run.record.plan.seed)),
        );
      });
    }
  }
  const table: Block = {
    kind: "table",
    title: "Tasks, document by document",
    columns: [
      "value",
      "model",
      "against",
      "seed",
      "documents",
      "difference",
      "95 % interval",
      "only it : only the other",
      "McNemar p",
    ],
    rows,
  };
  return [
    ...(rows.length === 0
      ? []
      : [
          table,
          {
            kind: "text",
            text: `Differences are of means over the same documents, with intervals of the paired bootstrap (${formatCount(defaultResamples)} resamples); p is that of McNemar's exact test on the documents that only one of the two has right.`,
          } as const,
        ]),
    ...notes.map((text): Block => ({ kind: "text", text })),
  ];
}

function createPairedRow(
  { value, documents, difference, interval, onlyFirst, onlySecond, p }: ComparedValue,
  name: string,
  baseName: string,
  seed: number,
): CellValue[] {
  return [
    value,
    name,
    baseName,
    String(seed),
    String(documents),
    formatTaskDifference(difference),
    interval === undefined
      ? null
      : `${formatTaskDifference(interval[0])} to ${formatTaskDifference(interval[1])}`,
    p === undefined ? null : `${onlySecond} : ${onlyFirst}`,
    p === undefined ? null : p.toPrecision(3),
  ];
}

/** Each run with the run of the baseline that has the same seed and shares most values of the sweep with it. */
function pairRuns(runs: readonly Sibling[], baseline = runs[0]!.record.plan.variant): Pair[] {
  const isBase = ({ record }: Sibling) => record.plan.variant === baseline;
  const hasOthers = !runs.every(isBase);
  return runs.flatMap((run) => {
    if (hasOthers && isBase(run)) return [];
    const { seed, sweep } = run.record.plan;
    const countShared = ({ record }: Sibling) =>
      Object.entries(sweep).filter(([path, value]) => record.plan.sweep[path] === value).length;
    const candidates = runs.filter((each) => isBase(each) && each.record.plan.seed === seed);
    // In a sweep of one variant, its first run is the baseline of the others.
    const base = hasOthers
      ? [...candidates].sort((a, b) => countShared(b) - countShared(a))[0]
      : candidates[0];
    return base === undefined || base === run ? [] : [[run, base] as const];
  });
}

function nameVariant({ variant, sweep }: Sibling["record"]["plan"]): string {
  const point = describePoint(sweep);
  return point === "" ? getVariantTitle(variant) : `${getVariantTitle(variant)} (${point})`;
}
