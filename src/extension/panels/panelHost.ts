/** Opens panels as editors, connects their pages, and restores them after a reload of the window. */
import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import type { Unsubscribe } from "../../protocol/connection";
import type { WorkbenchError } from "../../protocol/errors";
import type { PanelId, PanelInputs } from "../../protocol/page";
import type { RestartableBackend } from "../backendProcess";
import type { Log } from "../log";
import type { RunStore } from "../runStore";
import type { RunLooks } from "./runLooks";
import { panels } from "./catalog";
import { createHostRequests } from "./hostRequests";
import { createPageHtml } from "./pageHtml";
import { connectPage, type ConnectedPage } from "./relay";

export interface PanelHostOptions {
  readonly context: vscode.ExtensionContext;
  readonly backend: RestartableBackend;
  readonly runs: RunStore;
  readonly looks: RunLooks;
  readonly log: Log;
}

interface OpenOptions {
  readonly focusedView?: string;
}

export interface PanelHost extends Unsubscribe {
  /** With `focusedView`, the view with this id keeps the keyboard, as after a click on a row of its tree. */
  readonly open: <P extends PanelId>(panel: P, input: PanelInputs[P], options?: OpenOptions) => void;
}

/** What a page keeps over a reload; see `webview/page.ts`. */
interface SavedPage {
  readonly input: unknown;
  readonly state: unknown;
}

interface OpenPanel {
  readonly webview: vscode.WebviewPanel;
  readonly page: ConnectedPage;
  input: unknown;
}

/** What a panel shows that was closed before its page could keep anything. */
const emptyInputs: PanelInputs = {
  runs: {},
  charts: { runs: [] },
  shrink: {},
  parameters: { subjects: [] },
  weights: { subjects: [] },
  report: {},
  tryModel: { subjects: [] },
};

/** Milliseconds after which a page that is still visible is not hidden by the one that was opened. */
const hidingTime = 3000;

export function getViewType(panel: PanelId): string {
  return `lathe.${panel}Panel`;
}

export function createPanelHost({ context, backend, runs, looks, log }: PanelHostOptions): PanelHost {
  const openPanels = new Map<PanelId, OpenPanel>();
  const media = vscode.Uri.joinPath(context.extensionUri, "media");
  const pages = vscode.Uri.joinPath(context.extensionUri, "dist", "pages");
  const options = { enableScripts: true, localResourceRoots: [pages, media] };

  const logFault = (error: WorkbenchError) => log("error", error.stack ?? error.message);

  function open<P extends PanelId>(id: P, input: PanelInputs[P], { focusedView }: OpenOptions = {}): void {
    const existing = openPanels.get(id);
    const preserveFocus = focusedView !== undefined;
    if (preserveFocus) keepFocus(focusedView, existing?.webview);
    if (existing === undefined) {
      // The page makes the same request again, and shows its errors.
      panels[id].prepare?.(backend, input).catch(() => undefined);
      const webview = vscode.window.createWebviewPanel(
        getViewType(id),
        panels[id].title,
        { viewColumn: vscode.ViewColumn.Active, preserveFocus },
        // A hidden page keeps its state: a zoomed chart or a long table would be tedious to find again.
        { ...options, retainContextWhenHidden: true, enableFindWidget: true },
      );
      attach(id, webview, { input, state: undefined });
      return;
    }
    existing.input = input;
    existing.webview.reveal(undefined, preserveFocus);
    existing.page.emit("inputChanged", { input });
  }

  /** VS Code gives the keyboard to a page that it hides, if it can search it: `opened` may hide another one. */
  function keepFocus(view: string, opened: vscode.WebviewPanel | undefined): void {
    for (const { webview } of openPanels.values()) {
      if (!webview.visible || webview === opened) continue;
      const subscription = webview.onDidChangeViewState(() => {
        if (webview.visible) return;
        subscription.dispose();
        void vscode.commands.executeCommand(`${view}.focus`);
      });
      // One beside the opened page stays visible, and is not hidden by it later either.
      setTimeout(() => void subscription.dispose(), hidingTime);
    }
  }

  function attach(id: PanelId, webview: vscode.WebviewPanel, saved: SavedPage): void {
    const { title, icon, requests, events } = panels[id];
    const page = connectPage({
      channel: {
        post: (message) => void webview.webview.postMessage(message),
        listen: (listener) => void webview.webview.onDidReceiveMessage(listener),
      },
      backend,
      requests,
      events,
      host: {
        ...createHostRequests({ openPanel: open, looks, log }),
        // Thousands of runs are here already, and need not cross from the service once more for each page.
        "runs.list": async () => ({ runs: await runs.load() }),
        "page.ready": () => ({ input: openPanels.get(id)?.input, state: saved.state, look: looks.look }),
      },
      onFault: logFault,
    });
    openPanels.set(id, { webview, page, input: saved.input });
    webview.onDidDispose(() => {
      page.dispose();
      // If a panel was restored twice, the later one remains.
      if (openPanels.get(id)?.webview === webview) openPanels.delete(id);
    });
    webview.iconPath = {
      light: vscode.Uri.joinPath(media, "panels", `${icon}-light.svg`),
      dark: vscode.Uri.joinPath(media, "panels", `${icon}-dark.svg`),
    };
    webview.webview.options = options;
    webview.webview.html = createPageHtml({
      title,
      script: webview.webview.asWebviewUri(vscode.Uri.joinPath(pages, `${id}.js`)).toString(),
      origin: webview.webview.cspSource,
      nonce: randomBytes(16).toString("base64url"),
    });
  }

  const lookChanges = looks.onChange((look) => {
    for (const { page } of openPanels.values()) page.emit("lookChanged", look);
  });
  const serializers = (Object.keys(panels) as PanelId[]).map((id) =>
    vscode.window.registerWebviewPanelSerializer(getViewType(id), {
      async deserializeWebviewPanel(webview, saved: Partial<SavedPage> | undefined) {
        openPanels.get(id)?.webview.dispose();
        attach(id, webview, { input: saved?.input ?? emptyInputs[id], state: saved?.state });
      },
    }),
  );

  return {
    open,
    dispose() {
      lookChanges.dispose();
      for (const serializer of serializers) serializer.dispose();
      // The panels themselves remain, so that the next window restores them.
      for (const { page } of openPanels.values()) page.dispose();
    },
  };
}
