/** The tree of runs as its view and its commands share it: the runs of the window, arranged as the workspace remembers. */
import * as vscode from "vscode";
import { toWorkbenchError } from "../../../protocol/errors";
import { RunSettings } from "../../../protocol/runSettings";
import type { Workbench } from "../../workbench";
import { memoizeByWorkbench } from "../memoizeByWorkbench";
import { type Arrangement, parseArrangement } from "./arrangement";
import { type MoreNode, type Redraw, RunTree } from "./runTree";

const key = "lathe.runArrangement";

export interface ShownRuns {
  readonly tree: RunTree;
  readonly arrangement: Arrangement;
  readonly onDidChange: vscode.Event<Redraw>;
  arrange(change: Partial<Arrangement>): Promise<void>;
  showMore(node: MoreNode): void;
}

export const getShownRuns = memoizeByWorkbench(({ context, runs, backend, log }: Workbench): ShownRuns => {
  const tree = new RunTree();
  const changes = new vscode.EventEmitter<Redraw>();
  let arrangement = parseArrangement(context.workspaceState.get(key));
  const updateContext = () =>
    vscode.commands.executeCommand("setContext", "lathe.runsFiltered", arrangement.filter !== "");

  const attempt = (work: () => Promise<unknown>) =>
    void work().catch((thrown: unknown) => log.error(toWorkbenchError(thrown).message));
  const settings = new RunSettings(backend, attempt, () => {
    tree.setSettings(settings.values);
    changes.fire("everything");
  });
  /** Before there are runs, a filter knows no metric either. */
  const readSettings = () => tree.size > 0 && settings.readFor(tree.filterProblem);

  tree.arrange(arrangement);
  tree.apply(runs.all ?? [], []);
  readSettings();
  void updateContext();
  context.subscriptions.push(
    changes,
    runs.onDidChange(({ changed, removed }) => {
      changes.fire(tree.apply(changed, removed));
      settings.update(changed);
      readSettings();
    }),
  );
  return {
    tree,
    get arrangement() {
      return arrangement;
    },
    onDidChange: changes.event,
    async arrange(change) {
      arrangement = { ...arrangement, ...change };
      tree.arrange(arrangement);
      readSettings();
      changes.fire("everything");
      await updateContext();
      await context.workspaceState.update(key, arrangement);
    },
    showMore(node) {
      changes.fire(tree.showMore(node));
    },
  };
});
