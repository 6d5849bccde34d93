/** What the editor puts into a page before the page's own code: its interface, its colours. It runs in the page. */
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

/** As the editor does it: variables on the document, its kind on the body. */
function applyTheme({ kind, variables }: Given): void {
  const { style } = document.documentElement;
  for (const name of [...style]) if (name.startsWith("--vscode-")) style.removeProperty(name);
  for (const [name, value] of Object.entries(variables)) style.setProperty(`--vscode-${name}`, value);
  document.body.className = kind;
  document.body.dataset.vscodeThemeKind = kind;
}

Object.assign(window, { acquireVsCodeApi: () => api, applyTheme });
// Before the page's module, which runs once the document has been read.
document.addEventListener("readystatechange", () => applyTheme(latheTheme), { once: true });
