/** Experiments to start from: one for a person's own text, and the examples that come with the extension. */
import path from "node:path";
import * as vscode from "vscode";
import { expectedTimes } from "./expectedTimes";
import { createOwnTextExperiment, summarizeOwnText } from "./ownText";
import type { Workbench } from "./workbench";
import { t } from "./l10n";

export interface Template {
  /** The file's path below examples/, without its ending. */
  readonly id: string;
  readonly title: string;
  readonly summary: string;
  /** How long a run of everything takes. */
  readonly time: string | undefined;
  readonly text: string;
}

export async function listExamples({ context }: Workbench): Promise<readonly Template[]> {
  const root = vscode.Uri.joinPath(context.extensionUri, "examples");
  const examples = (await findExperiments(root, "")).map(({ id, text }): Template => {
    const prose = text.split(/\r?\n\r?\n/);
    const title = /^#\s+(.*)$/m.exec(text)?.[1] ?? id;
    const first = prose.find((block) => /^[^#`\s]/.test(block)) ?? "";
    const summary = first
      .replace(/\s+/g, " ")
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .replaceAll("`", "");
    return { id, title, summary: summary.slice(0, 200), time: expectedTimes[id], text };
  });
  const order = Object.keys(expectedTimes);
  const rank = ({ id }: Template) => (order.includes(id) ? order.indexOf(id) : order.length);
  return examples.sort((a, b) => rank(a) - rank(b) || a.id.localeCompare(b.id));
}

/** Lists the own text first, then the quickest examples, then paper cards. Undefined if the person cancels. */
export async function pickTemplate(workbench: Workbench, title: string): Promise<Template | undefined> {
  const createItems = async () => {
    const templates = [await createOwnTextTemplate(workbench), ...(await listExamples(workbench))];
    return templates.map((template) => ({
      label: template.title,
      detail: template.summary,
      template,
      ...(template.time === undefined ? {} : { description: template.time }),
    }));
  };
  return (await vscode.window.showQuickPick(createItems(), { title, matchOnDetail: true }))?.template;
}

async function createOwnTextTemplate({ backend, log }: Workbench): Promise<Template> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  const survey =
    folder === undefined || !vscode.workspace.isTrusted
      ? undefined
      : await backend.request("texts.survey", { folder }).catch((thrown: unknown) => {
          log.warn(String(thrown));
          return undefined;
        });
  return {
    id: "own-text",
    title: t("A small model on your own text"),
    summary: summarizeOwnText(survey),
    time: t("a minute"),
    text: createOwnTextExperiment(survey),
  };
}

async function findExperiments(
  root: vscode.Uri,
  folder: string,
): Promise<{ readonly id: string; readonly text: string }[]> {
  const experiments: { readonly id: string; readonly text: string }[] = [];
  for (const [name, type] of await vscode.workspace.fs.readDirectory(vscode.Uri.joinPath(root, folder))) {
    const file = path.posix.join(folder, name);
    if (type === vscode.FileType.Directory) experiments.push(...(await findExperiments(root, file)));
    else if (name.endsWith(".lathe.md")) {
      const bytes = await vscode.workspace.fs.readFile(vscode.Uri.joinPath(root, file));
      experiments.push({ id: file.slice(0, -".lathe.md".length), text: new TextDecoder().decode(bytes) });
    }
  }
  return experiments;
}
