/** The status bar of a cell: its runs with their last loss, and whether they ran the current text. */
import * as vscode from "vscode";
import { figure } from "../../protocol/quantities";
import { isActive } from "../../protocol/run";
import type { RunSummary } from "../../protocol/service/runs";
import type { NotebookController } from "./controller";
import { notebookType } from "./serializer";
import type { Workbench } from "../workbench";

export function registerCellStatus(workbench: Workbench, controller: NotebookController): vscode.Disposable {
  const changed = new vscode.EventEmitter<void>();
  const provider: vscode.NotebookCellStatusBarItemProvider = {
    onDidChangeCellStatusBarItems: changed.event,
    provideCellStatusBarItems: (cell) => {
      const attached = controller.attachedTo(cell);
      const runs = attached.flatMap(({ run }) => workbench.runs.get(run) ?? []);
      if (runs.length === 0) return [];
      return attached.some(({ stale }) => stale) ? [staleItem(), runsItem(runs)] : [runsItem(runs)];
    },
  };
  return vscode.Disposable.from(
    changed,
    controller.onDidChangeRuns(() => changed.fire()),
    workbench.runs.onDidChange(() => changed.fire()),
    vscode.notebooks.registerNotebookCellStatusBarItemProvider(notebookType, provider),
  );
}

function runsItem(runs: readonly RunSummary[]): vscode.NotebookCellStatusBarItem {
  const going = runs.filter(isActive).length;
  const loss = lossOf(runs);
  const parts = [
    runs.length === 1 ? "1 run" : `${runs.length} runs`,
    ...(going > 0 && runs.length > 1 ? [`${going} active`] : []),
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

function staleItem(): vscode.NotebookCellStatusBarItem {
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
function lossOf(runs: readonly RunSummary[]): string | undefined {
  for (const [metric, name] of [
    ["eval/loss", "eval loss"],
    ["train/loss", "train loss"],
  ] as const) {
    const values = runs.flatMap(({ metrics }) => metrics[metric]?.last ?? []).filter(Number.isFinite);
    if (values.length > 0) return `${name} ${figure(Math.min(...values))}`;
  }
  return undefined;
}
