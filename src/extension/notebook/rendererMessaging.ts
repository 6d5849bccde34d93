/** Answers the pages under the cells: one connection for each notebook editor, since its outputs share one page. */
import * as vscode from "vscode";
import type { Requests } from "../../protocol/backend";
import { rendererRequests } from "../../protocol/cellOutput";
import { hostRequests } from "../panels/hostRequests";
import type { Log } from "../log";
import { connectPage, type ConnectedPage } from "../panels/relay";
import { plainText } from "../plainText";
import type { Workbench } from "../workbench";

interface Page extends ConnectedPage {
  receive(message: unknown): void;
}

const isOfBackend = (name: (typeof rendererRequests)[number]) => !name.startsWith("page.");

export function registerRendererMessaging(workbench: Workbench): vscode.Disposable {
  const messaging = vscode.notebooks.createRendererMessaging("lathe-cell");
  const pages = new Map<vscode.NotebookEditor, Page>();
  const close = (isOver: (editor: vscode.NotebookEditor) => boolean) => {
    for (const [editor, page] of pages)
      if (isOver(editor)) {
        page.dispose();
        pages.delete(editor);
      }
  };
  const post = async (message: unknown, to: vscode.NotebookEditor) => {
    const isDelivered = await messaging.postMessage(message, to);
    // An editor in the background may still draw; one that neither shows nor listens is gone.
    if (!isDelivered && !vscode.window.visibleNotebookEditors.includes(to)) close((editor) => editor === to);
  };
  const pageOf = (editor: vscode.NotebookEditor): Page => {
    const already = pages.get(editor);
    if (already !== undefined) return already;
    const page = connect(workbench, (message) => void post(message, editor));
    pages.set(editor, page);
    return page;
  };
  return vscode.Disposable.from(
    messaging.onDidReceiveMessage(({ editor, message }) => pageOf(editor).receive(message)),
    vscode.workspace.onDidCloseNotebookDocument((notebook) =>
      close((editor) => editor.notebook === notebook),
    ),
    { dispose: () => close(() => true) },
  );
}

function connect({ backend, openPanel, log }: Workbench, post: (message: unknown) => void): Page {
  let receive: (message: unknown) => void = () => undefined;
  const page = connectPage({
    channel: { post, listen: (listener) => (receive = listener) },
    backend,
    requests: rendererRequests.filter(isOfBackend) as (keyof Requests)[],
    events: ["metricsAppended", "runsChanged"],
    host: hostRequests({ openPanel, log: (level, message) => writeTo(log, level, message) }),
    onFault: (error) => log.error(plainText(error.message)),
  });
  return { ...page, receive: (message) => receive(message) };
}

function writeTo(log: vscode.LogOutputChannel, level: Parameters<Log>[0], message: string): void {
  const line = plainText(message);
  if (level === "error") log.error(line);
  else if (level === "warning") log.warn(line);
  else log.info(line);
}
