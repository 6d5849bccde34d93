/** Which runs a command means: those of the tree, those that a page names, or those that a person picks from a list. */
import * as vscode from "vscode";
import { WorkbenchError } from "../../protocol/errors";
import type { RunSummary } from "../../protocol/service/runs";
import { selection, treesOf } from "../trees";
import { oneLine, unlinked } from "../views/text";
import type { Workbench } from "../workbench";

export interface RunQuestion {
  /** Above the list: "Stop which run?" */
  readonly title: string;
  readonly fits?: (run: RunSummary) => boolean;
  /** The message if no run fits, such as "No run is active." */
  readonly none: string;
}

/** Undefined when nobody chose. */
export async function chosenRun(
  workbench: Workbench,
  args: readonly unknown[],
  question: RunQuestion,
): Promise<RunSummary | undefined> {
  const runs = await fittingRuns(workbench, args, question);
  if (!("candidates" in runs)) return runs.given[0];
  return (await vscode.window.showQuickPick(runs.candidates.map(runItem), options(question)))?.run;
}

/** Empty when nobody chose. */
export async function chosenRuns(
  workbench: Workbench,
  args: readonly unknown[],
  question: RunQuestion,
): Promise<readonly RunSummary[]> {
  const runs = await fittingRuns(workbench, args, question);
  if (!("candidates" in runs)) return runs.given;
  if (runs.candidates.length === 1) return runs.candidates;
  const items = runs.candidates.map(runItem);
  const picked = await vscode.window.showQuickPick(items, { ...options(question), canPickMany: true });
  return (picked ?? []).map(({ run }) => run);
}

/** The runs that the arguments of a command refer to; undefined if they refer to none. */
export function runsOfArguments(
  workbench: Workbench,
  [first, selected]: readonly unknown[],
): readonly RunSummary[] | undefined {
  if (isFolders(first)) {
    return first.map((folder) => {
      const run = workbench.runs.get(folder);
      if (run === undefined) throw new WorkbenchError("not-found", `The run in ${folder} no longer exists.`);
      return run;
    });
  }
  const items = itemsOf(workbench, first, selected);
  const runs = items.flatMap((item) => {
    const run = runOf(item);
    // The tree may show it as it was a moment ago.
    return run === undefined ? [] : [workbench.runs.get(run.folder) ?? run];
  });
  return runs.length === 0 ? undefined : runs;
}

/** One node, all that are selected along with it, or, after a key, whatever is selected. */
function itemsOf(workbench: Workbench, first: unknown, selected: unknown): readonly unknown[] {
  if (first === selection) return treesOf(workbench).get("runs")?.selection ?? [];
  return Array.isArray(selected) && selected.includes(first) ? (selected as unknown[]) : [first];
}

async function fittingRuns(
  workbench: Workbench,
  args: readonly unknown[],
  { fits = () => true, none }: RunQuestion,
): Promise<{ readonly given: readonly RunSummary[] } | { readonly candidates: readonly RunSummary[] }> {
  const all = await workbench.runs.load();
  const given = runsOfArguments(workbench, args);
  const fitting = (given ?? all).filter(fits);
  if (fitting.length === 0) throw new WorkbenchError("not-found", none);
  return given === undefined ? { candidates: fitting } : { given: fitting };
}

function options({ title }: RunQuestion) {
  return { title, placeHolder: "Name, state or tag", matchOnDescription: true, matchOnDetail: true };
}

function runItem(run: RunSummary): vscode.QuickPickItem & { readonly run: RunSummary } {
  const tags = run.tags.map((tag) => `#${oneLine(tag, 40)}`);
  return {
    label: unlinked(oneLine(run.name)),
    description: unlinked([run.state, oneLine(run.variant, 80), ...tags].filter(Boolean).join(" · ")),
    detail: unlinked(oneLine(run.id)),
    run,
  };
}

function isFolders(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

function runOf(item: unknown): RunSummary | undefined {
  return typeof item === "object" && item !== null && "run" in item ? (item.run as RunSummary) : undefined;
}
