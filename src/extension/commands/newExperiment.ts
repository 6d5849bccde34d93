import * as vscode from "vscode";
import { defineCommand } from "../command";
import { listTemplates, openCopy } from "../templates";

export default defineCommand({
  title: "New Experiment…",
  icon: "$(new-file)",
  menus: [{ menu: "view/title", when: "view == lathe.experiments", group: "navigation@1" }],
  async run({ context }) {
    const templates = await listTemplates(context.extensionUri);
    const picked = await vscode.window.showQuickPick(
      templates.map((template) => ({ label: template.title, detail: template.summary, template })),
      { title: "Start from", matchOnDetail: true },
    );
    if (picked !== undefined) await openCopy(picked.template);
  },
});
