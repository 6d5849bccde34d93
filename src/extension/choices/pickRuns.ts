/** Which runs a command means: those of the tree, those that a page names, or those that a person picks from a list. */
import * as vscode from "vscode";
import { WorkbenchError } from "../../protocol/errors";
import type { RunSummary } from "../../protocol/service/runs";
import { selection, getTrees } from "../trees";
import { toSingleLine, escapeLinks } from "../views/text";
import type { Workbench } from "../workbench";
import { t } from "../l10n";

export interface RunPickOptions {
  /** Above the list: "Stop which run?" */
  readonly title: string;
  readonly fits?: (run: RunSummary) => boolean;
  /** The message if no run fits, such as "No run is active." */
  readonly none: string;
}

/** Undefined when nobody chose. */
export async function pickRun(
  workbench: Workbench,
  args: readonly unknown[],
  options: RunPickOptions,
): Promise<RunSummary | undefined> {
  const runs = await findMatchingRuns(workbench, args, options);
  if (!("candidates" in runs)) return runs.given[0];
  return (await vscode.window.showQuickPick(runs.candidates.map(createRunItem), getQuickPickOptions(options)))
    ?.run;
}

/** Empty when nobody chose. */
export async function pickRuns(
  workbench: Workbench,
  args: readonly unknown[],
  options: RunPickOptions,
): Promise<readonly RunSummary[]> {
  const runs = await findMatchingRuns(workbench, args, options);
  if (!("candidates" in runs)) return runs.given;
  if (runs.candidates.length === 1) return runs.candidates;
  const items = runs.candidates.map(createRunItem);
  const picked = await vscode.window.showQuickPick(items, {
    ...getQuickPickOptions(options),
    canPickMany: true,
  });
  return (picked ?? []).map(({ run }) => run);
}

/** The runs that the arguments of a command refer to; undefined if they refer to none. */
export function getRunsFromArguments(
  workbench: Workbench,
  [first, selected]: readonly unknown[],
): readonly RunSummary[] | undefined {
  if (isFolderList(first)) {
    return first.map((folder) => {
      const run = workbench.runs.get(folder);
      if (run === undefined)
        throw new WorkbenchError("not-found", t("The run in {0} no longer exists.", folder));
      return run;
    });
  }
  const items =
    Array.isArray(selected) && selected.includes(first) ? (selected as readonly unknown[]) : [first];
  const runs = items.flatMap((item) => {
    const run = getRun(item);
    // The tree may show it as it was a moment ago.
    return run === undefined ? [] : [workbench.runs.get(run.folder) ?? run];
  });
  return runs.length === 0 ? undefined : runs;
}

/**
 * What a key is meant for: the row with the focus, and all that are selected if it is one of them. VS Code reports only
 * the selection, which the arrow keys do not move, so the focused row is the one that toggling adds or removes.
 */
async function findKeyTarget(workbench: Workbench): Promise<readonly unknown[]> {
  const view = getTrees(workbench).get("runs");
  if (view === undefined) return [];
  const before = view.selection;
  await vscode.commands.executeCommand("list.toggleSelection");
  const after = view.selection;
  if (after.length !== before.length) await vscode.commands.executeCommand("list.toggleSelection");
  const focused = after.find((item) => !before.includes(item));
  return focused === undefined ? [before[0], before] : [focused];
}

async function findMatchingRuns(
  workbench: Workbench,
  args: readonly unknown[],
  { fits = () => true, none }: RunPickOptions,
): Promise<{ readonly given: readonly RunSummary[] } | { readonly candidates: readonly RunSummary[] }> {
  const allRuns = await workbench.runs.load();
  const target = args[0] === selection ? await findKeyTarget(workbench) : args;
  const requested = getRunsFromArguments(workbench, target);
  const matches = (requested ?? allRuns).filter(fits);
  if (matches.length === 0) throw new WorkbenchError("not-found", none);
  return requested === undefined ? { candidates: matches } : { given: matches };
}

function getQuickPickOptions({ title }: RunPickOptions) {
  return { title, placeHolder: t("Name, state or tag"), matchOnDescription: true, matchOnDetail: true };
}

function createRunItem(run: RunSummary): vscode.QuickPickItem & { readonly run: RunSummary } {
  const tags = run.tags.map((tag) => `#${toSingleLine(tag, 40)}`);
  return {
    label: escapeLinks(toSingleLine(run.name)),
    description: escapeLinks([run.state, toSingleLine(run.variant, 80), ...tags].filter(Boolean).join(" · ")),
    detail: escapeLinks(toSingleLine(run.id)),
    run,
  };
}

function isFolderList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

function getRun(item: unknown): RunSummary | undefined {
  return typeof item === "object" && item !== null && "run" in item ? (item.run as RunSummary) : undefined;
}
