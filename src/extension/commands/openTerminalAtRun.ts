/** A terminal in the folder of a run that follows the run, or shows what it came to. */
import path from "node:path";
import * as vscode from "vscode";
import { isActive } from "../../protocol/run";
import { pickRun } from "../choices/pickRuns";
import { defineCommand } from "../command";
import { t } from "../l10n";
import { prepareTerminalPrograms } from "../terminals";
import { getPathPrefix } from "../terminalPrograms";
import { requireTrust, whenTrusted } from "../trust";
import { toSingleLine } from "../views/text";

export default defineCommand({
  title: "Open Terminal at Run",
  icon: "$(terminal)",
  palette: "lathe.hasRuns",
  enablement: whenTrusted,
  menus: [
    { menu: "view/item/context", when: "view == lathe.runs && viewItem =~ /\\brun\\b/", group: "6_copy@3" },
  ],
  async run(workbench, ...args) {
    requireTrust(t("Opening a terminal"));
    const run = await pickRun(workbench, args, {
      title: t("Select a run to open a terminal at"),
      none: t("There are no runs yet."),
    });
    if (run === undefined) return;
    const inherited = process.env["PATH"] ?? "";
    const terminal = vscode.window.createTerminal({
      name: `lathe: ${toSingleLine(run.name, 40)}`,
      cwd: run.folder,
      env: { PATH: `${getPathPrefix(prepareTerminalPrograms(workbench.context))}${inherited}` },
      iconPath: new vscode.ThemeIcon("terminal"),
    });
    terminal.show();
    const id = path.basename(run.folder);
    // A name is typed into a shell only if it means nothing to it.
    if (/^[\w.-]+$/.test(id)) terminal.sendText(`lathe ${isActive(run) ? "attach" : "show"} ${id}`);
  },
});
