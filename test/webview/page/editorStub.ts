/** What the editor adds to a page before the page's code: its API and its colors. It runs in the page. */
interface Given {
  readonly kind: string;
  readonly variables: Readonly<Record<string, string>>;
}

declare const latheTheme: Given;
declare const lathePost: (message: unknown) => void;

let state: unknown = JSON.parse(sessionStorage.getItem("state") ?? "null");
const api = {
  postMessage: (message: unknown) => lathePost(message),
  setState: (next: unknown) => {
    state = next;
    sessionStorage.setItem("state", JSON.stringify(next));
  },
  getState: () => state ?? undefined,
};

/** Like the editor: variables on the document, the kind of theme on the body. */
function applyTheme({ kind, variables }: Given): void {
  const { style } = document.documentElement;
  for (const name of [...style]) if (name.startsWith("--vscode-")) style.removeProperty(name);
  for (const [name, value] of Object.entries(variables)) style.setProperty(`--vscode-${name}`, value);
  document.body.className = kind;
  document.body.dataset.vscodeThemeKind = kind;
}

Object.assign(window, { acquireVsCodeApi: () => api, applyTheme });
// Before the page's module, which runs once the document has been parsed.
document.addEventListener("readystatechange", () => applyTheme(latheTheme), { once: true });
