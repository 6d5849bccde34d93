/** What the server of the tests answers: the pages of the panels and of cells, their scripts and styles. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createContentSecurityPolicy, createPageHtml } from "../../src/extension/panels/pageHtml";

const nonce = "bm9uY2U";
const viewerStyle = "html { background: var(--vscode-editor-background); } body { padding: 0 20px; }";

export interface Served {
  readonly type: string;
  readonly body: string | Buffer | undefined;
}

export function servePath(path: string, folder: string, host: string): Served {
  const origin = `http://${host}`;
  const html = (body: string): Served => ({ type: "text/html", body });
  const [, kind, name = ""] = path.split("/");
  switch (kind) {
    case "panel": {
      const page = createPageHtml({ title: name, script: `/pages/${name}.js`, origin, nonce });
      return html(page.replace("</head>", `<link rel="stylesheet" href="/viewer.css"></head>`));
    }
    case "notebook":
    case "silent-notebook":
      return html(notebookHtml(origin, kind === "notebook"));
    case "viewer.css":
      return { type: "text/css", body: viewerStyle };
    case "start.js": {
      const messaging = name !== "silent";
      return {
        type: "text/javascript",
        body: `import { activate } from "/pages/renderer.js"; import { startRenderer } from "/pages/rendererStage.js"; await startRenderer(activate, ${messaging});`,
      };
    }
    case "pages": {
      const file = join(folder, "pages", name);
      const body = /^[\w.]+$/.test(name) && existsSync(file) ? readFileSync(file) : undefined;
      return { type: "text/javascript", body };
    }
    default:
      return { type: "text/plain", body: undefined };
  }
}

/** Outputs of all cells share one page, whose policy is the notebook's. */
function notebookHtml(origin: string, messaging: boolean): string {
  const policy = createContentSecurityPolicy({ origin, nonce }).replace("script-src", `script-src ${origin}`);
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta http-equiv="Content-Security-Policy" content="${policy}">
    <title>Notebook</title>
    <link rel="stylesheet" href="/viewer.css">
  </head>
  <body>
    <script type="module" nonce="${nonce}" src="/start.js/${messaging ? "live" : "silent"}"></script>
  </body>
</html>
`;
}
