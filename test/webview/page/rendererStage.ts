/** What a notebook's webview does for a renderer, as far as this renderer needs it. It runs in the page. */
import type { OutputItem, RendererApi, RendererContext } from "vscode-notebook-renderer";

declare const lathePost: (message: unknown) => void;

type Listener = (message: unknown) => void;

/** `messaging` is false for a notebook whose messages get no answer. */
export async function startRenderer(
  activate: (context: RendererContext<unknown>) => RendererApi | undefined | Promise<RendererApi | undefined>,
  messaging: boolean,
): Promise<void> {
  const context: RendererContext<unknown> = {
    setState: () => undefined,
    getState: () => undefined,
    getRenderer: async () => undefined,
    workspace: { isTrusted: true },
    ...(messaging
      ? {
          postMessage: (message: unknown) => lathePost(message),
          onDidReceiveMessage: (listener: Listener) => {
            addEventListener("message", ({ data }: MessageEvent<unknown>) => listener(data));
            return { dispose: () => undefined };
          },
        }
      : {}),
  };
  const api = (await activate(context))!;
  Object.assign(window, {
    showOutput: (id: string, output: unknown) => {
      const item = { id, mime: "application/vnd.lathe.cell+json", metadata: {}, json: () => output };
      let element = document.getElementById(id);
      if (element === null) {
        element = document.body.appendChild(document.createElement("div"));
        element.id = id;
        element.className = "output";
      }
      return api.renderOutputItem(item as OutputItem, element, new AbortController().signal);
    },
    removeOutput: (id: string) => {
      api.disposeOutputItem?.(id);
      document.getElementById(id)?.remove();
    },
  });
}
