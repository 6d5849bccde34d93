/** Answers the pages under the cells: one connection for each notebook editor, since its outputs share one page. */
import * as vscode from "vscode";
import type { Requests } from "../../protocol/backend";
import { rendererRequests } from "../../protocol/cellOutput";
import { createHostRequests } from "../panels/hostRequests";
import type { Log } from "../log";
import { connectPage, type ConnectedPage } from "../panels/relay";
import { escapeControls } from "../plainText";
import type { Workbench } from "../workbench";

interface Page extends ConnectedPage {
  receive(message: unknown): void;
}

const isBackendRequest = (name: (typeof rendererRequests)[number]) => !name.startsWith("page.");

export function registerRendererMessaging(workbench: Workbench): vscode.Disposable {
  const messaging = vscode.notebooks.createRendererMessaging("lathe-cell");
  const pages = new Map<vscode.NotebookEditor, Page>();
  const closePages = (isClosed: (editor: vscode.NotebookEditor) => boolean) => {
    for (const [editor, page] of pages)
      if (isClosed(editor)) {
        page.dispose();
        pages.delete(editor);
      }
  };
  const post = async (message: unknown, target: vscode.NotebookEditor) => {
    const isDelivered = await messaging.postMessage(message, target);
    // An editor in the background may still draw; one that neither shows nor listens is gone.
    if (!isDelivered && !vscode.window.visibleNotebookEditors.includes(target))
      closePages((editor) => editor === target);
  };
  const getPage = (editor: vscode.NotebookEditor): Page => {
    const existing = pages.get(editor);
    if (existing !== undefined) return existing;
    const page = connectRenderer(workbench, (message) => void post(message, editor));
    pages.set(editor, page);
    return page;
  };
  return vscode.Disposable.from(
    messaging.onDidReceiveMessage(({ editor, message }) => getPage(editor).receive(message)),
    vscode.workspace.onDidCloseNotebookDocument((notebook) =>
      closePages((editor) => editor.notebook === notebook),
    ),
    { dispose: () => closePages(() => true) },
  );
}

function connectRenderer(
  { backend, openPanel, looks, log }: Workbench,
  post: (message: unknown) => void,
): Page {
  let receive: (message: unknown) => void = () => undefined;
  const page = connectPage({
    channel: { post, listen: (listener) => (receive = listener) },
    backend,
    requests: rendererRequests.filter(isBackendRequest) as (keyof Requests)[],
    events: ["metricsAppended", "runsChanged"],
    host: createHostRequests({ openPanel, looks, log: (level, message) => writeTo(log, level, message) }),
    onFault: (error) => log.error(escapeControls(error.message)),
  });
  const lookChanges = looks.onChange((look) => page.emit("lookChanged", look));
  return {
    ...page,
    dispose() {
      lookChanges.dispose();
      page.dispose();
    },
    receive: (message) => receive(message),
  };
}

function writeTo(log: vscode.LogOutputChannel, level: Parameters<Log>[0], message: string): void {
  const line = escapeControls(message);
  if (level === "error") log.error(line);
  else if (level === "warning") log.warn(line);
  else log.info(line);
}
