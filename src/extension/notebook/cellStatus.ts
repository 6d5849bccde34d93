/** The status bar of a cell: its runs with their last loss, and whether they ran the current text. */
import * as vscode from "vscode";
import { formatNumber } from "../../protocol/quantities";
import { isActive } from "../../protocol/run";
import type { RunSummary } from "../../protocol/service/runs";
import type { NotebookController } from "./controller";
import { notebookType } from "./serializer";
import type { Workbench } from "../workbench";

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
    runs.length === 1 ? "1 run" : `${runs.length} runs`,
    ...(activeCount > 0 && runs.length > 1 ? [`${activeCount} active`] : []),
    ...(loss === undefined ? [] : [loss]),
  ];
  const item = new vscode.NotebookCellStatusBarItem(
    `$(graph-line) ${parts.join(" · ")}`,
    vscode.NotebookCellStatusBarAlignment.Right,
  );
  item.tooltip = "Open these runs in the Charts panel";
  item.command = {
    command: "lathe.openCharts",
    title: "Open Charts",
    arguments: [runs.map(({ folder }) => folder)],
  };
  item.accessibilityInformation = { label: `${parts.join(", ")}: open charts` };
  return item;
}

function createStaleItem(): vscode.NotebookCellStatusBarItem {
  const item = new vscode.NotebookCellStatusBarItem(
    "$(history) from an earlier version",
    vscode.NotebookCellStatusBarAlignment.Right,
  );
  item.tooltip =
    "This cell or a cell above it has changed since these runs. Run it again to update the results.";
  item.priority = 1;
  return item;
}

/** The lowest of the last losses: that of validation where there is one. */
function formatLowestLoss(runs: readonly RunSummary[]): string | undefined {
  for (const [metric, name] of [
    ["eval/loss", "eval loss"],
    ["train/loss", "train loss"],
  ] as const) {
    const values = runs.flatMap(({ metrics }) => metrics[metric]?.last ?? []).filter(Number.isFinite);
    if (values.length > 0) return `${name} ${formatNumber(Math.min(...values))}`;
  }
  return undefined;
}
