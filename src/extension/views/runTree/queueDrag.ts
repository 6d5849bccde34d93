/** Waiting runs are dragged to the place where they are to start; everything else stays where it is. */
import * as vscode from "vscode";
import type { Workbench } from "../../workbench";
import { computeDroppedOrder, computeMoves } from "./queueMoves";
import type { RunTree, RunTreeNode } from "./runTree";

/** VS Code's own type for this tree: the view's id in lower case. */
const mimeType = "application/vnd.code.tree.lathe.runs";

export function createQueueDragController(
  { backend, report }: Workbench,
  tree: RunTree,
): vscode.TreeDragAndDropController<RunTreeNode> {
  return {
    dragMimeTypes: [mimeType],
    dropMimeTypes: [mimeType],
    handleDrag(source, data) {
      const waiting = source.flatMap((node) =>
        node.kind === "run" && node.parent?.kind === "queue" ? [node.run.folder] : [],
      );
      if (waiting.length > 0) data.set(mimeType, new vscode.DataTransferItem(waiting));
    },
    async handleDrop(target, data) {
      const dragged: unknown = data.get(mimeType)?.value;
      const queue = tree.getRoots().find(({ kind }) => kind === "queue");
      const group = target === undefined ? undefined : (tree.getParent(target) ?? target);
      if (queue === undefined || group !== queue || !Array.isArray(dragged)) return;
      const order = tree.getChildren(queue).flatMap((node) => (node.kind === "run" ? [node.run.folder] : []));
      const dropTarget = target?.kind === "run" ? target.run.folder : undefined;
      try {
        for (const move of computeMoves(order, computeDroppedOrder(order, dragged as string[], dropTarget)))
          await backend.request("runs.requeue", move);
      } catch (error) {
        report(error);
      }
    },
  };
}
