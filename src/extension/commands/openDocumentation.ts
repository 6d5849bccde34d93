/** The pages that come with the extension, in VS Code's own Markdown preview: they need no network. */
import * as vscode from "vscode";
import { defineCommand } from "../command";
import { t } from "../l10n";

const firstPage = "workbench";

export default defineCommand({
  title: "Open Documentation…",
  icon: "$(book)",
  /** Takes the name of a page, without its ending. */
  async run({ context }, requested) {
    const folder = vscode.Uri.joinPath(context.extensionUri, "docs");
    const page = typeof requested === "string" ? requested : await pickPage(folder);
    if (page === undefined || !/^[\w-]+$/.test(page)) return;
    await vscode.commands.executeCommand("markdown.showPreview", vscode.Uri.joinPath(folder, `${page}.md`));
  },
});

async function pickPage(folder: vscode.Uri): Promise<string | undefined> {
  const entries = await vscode.workspace.fs.readDirectory(folder);
  const names = entries.filter(([name]) => name.endsWith(".md")).map(([name]) => name.replace(".md", ""));
  names.sort((a, b) => Number(b === firstPage) - Number(a === firstPage) || a.localeCompare(b));
  const items = await Promise.all(
    names.map(async (page) => {
      const bytes = await vscode.workspace.fs.readFile(vscode.Uri.joinPath(folder, `${page}.md`));
      const text = new TextDecoder().decode(bytes);
      return { label: /^# (.*)$/m.exec(text)?.[1] ?? page, description: page, page };
    }),
  );
  const picked = await vscode.window.showQuickPick(items, {
    title: t("Open documentation"),
    placeHolder: t("Select a page"),
  });
  return picked?.page;
}
