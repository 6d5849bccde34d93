/** The status bar of a cell: its runs with their last loss, and whether they ran the current text. */
import * as vscode from "vscode";
import { formatNumber } from "../../protocol/quantities";
import { isActive } from "../../protocol/run";
import { areComparable } from "../../protocol/protocolMarks";
import type { RunSummary } from "../../protocol/service/runs";
import type { NotebookController } from "./controller";
import { notebookType } from "./serializer";
import type { Workbench } from "../workbench";
import { plural, t } from "../l10n";

export function registerCellStatus(workbench: Workbench, controller: NotebookController): vscode.Disposable {
  const changeEmitter = new vscode.EventEmitter<void>();
  const provider: vscode.NotebookCellStatusBarItemProvider = {
    onDidChangeCellStatusBarItems: changeEmitter.event,
    provideCellStatusBarItems: (cell) => {
      const attached = controller.attachedTo(cell);
      const runs = attached.flatMap(({ run }) => workbench.runs.get(run) ?? []);
      if (runs.length === 0) return [];
      return attached.some(({ stale }) => stale)
        ? [createStaleItem(), createRunsItem(runs)]
        : [createRunsItem(runs)];
    },
  };
  return vscode.Disposable.from(
    changeEmitter,
    controller.onDidChangeRuns(() => changeEmitter.fire()),
    workbench.runs.onDidChange(() => changeEmitter.fire()),
    vscode.notebooks.registerNotebookCellStatusBarItemProvider(notebookType, provider),
  );
}

function createRunsItem(runs: readonly RunSummary[]): vscode.NotebookCellStatusBarItem {
  const activeCount = runs.filter(isActive).length;
  const loss = formatLowestLoss(runs);
  const parts = [
    plural(runs.length, "1 run", "{0} runs"),
    ...(activeCount > 0 && runs.length > 1 ? [t("{0} active", activeCount)] : []),
    ...(loss === undefined ? [] : [loss]),
  ];
  const item = new vscode.NotebookCellStatusBarItem(
    `$(graph-line) ${parts.join(" · ")}`,
    vscode.NotebookCellStatusBarAlignment.Right,
  );
  item.tooltip = t("Open these runs in the Charts panel");
  item.command = {
    command: "lathe.openCharts",
    title: t("Open Charts"),
    arguments: [runs.map(({ folder }) => folder)],
  };
  item.accessibilityInformation = { label: t("{0}: open charts", parts.join(", ")) };
  return item;
}

function createStaleItem(): vscode.NotebookCellStatusBarItem {
  const item = new vscode.NotebookCellStatusBarItem(
    `$(history) ${t("from an earlier version")}`,
    vscode.NotebookCellStatusBarAlignment.Right,
  );
  item.tooltip = t(
    "This cell or a cell above it has changed since these runs. Run it again to update the results.",
  );
  item.priority = 1;
  return item;
}

/** The lowest of the last losses: that of validation where there is one. */
function formatLowestLoss(runs: readonly RunSummary[]): string | undefined {
  for (const [metric, name] of [
    ["eval/loss", t("eval loss")],
    ["train/loss", t("train loss")],
  ] as const) {
    if (!areComparable(runs, metric)) return t("{0} not comparable", name);
    const values = runs.flatMap(({ metrics }) => metrics[metric]?.last ?? []).filter(Number.isFinite);
    if (values.length > 0) return `${name} ${formatNumber(Math.min(...values))}`;
  }
  return undefined;
}
