/** What every page may request of the host itself, in a panel or under a cell. */
import path from "node:path";
import * as vscode from "vscode";
import type { Handlers } from "../../protocol/connection";
import { WorkbenchError } from "../../protocol/errors";
import { type HostRequests, pageCommands, type PanelId, type PanelInputs } from "../../protocol/page";
import type { Log } from "../log";
import { isWithin } from "./isWithin";
import { t } from "../l10n";
import type { RunLooks } from "./runLooks";

export interface PageHost {
  readonly openPanel: <P extends PanelId>(panel: P, input: PanelInputs[P]) => void;
  readonly looks: RunLooks;
  readonly log: Log;
}

export function createHostRequests({
  openPanel,
  looks,
  log,
}: PageHost): Omit<Handlers<HostRequests>, "page.ready"> {
  return {
    "page.save": async ({ name, content }) => {
      const defaultUri = getSuggestedTarget(name);
      const target = await vscode.window.showSaveDialog(defaultUri === undefined ? {} : { defaultUri });
      if (target === undefined) return { saved: false };
      const bytes = "text" in content ? Buffer.from(content.text) : Buffer.from(content.base64, "base64");
      await vscode.workspace.fs.writeFile(target, bytes);
      return { saved: true };
    },
    "page.pickFolder": async ({ title }) => {
      const [folder] =
        (await vscode.window.showOpenDialog({
          title,
          canSelectFiles: false,
          canSelectFolders: true,
          canSelectMany: false,
        })) ?? [];
      return folder === undefined ? {} : { path: folder.fsPath };
    },
    "page.copy": async ({ text }) => {
      await vscode.env.clipboard.writeText(text);
      return {};
    },
    "page.openInBrowser": async ({ path: file }) => {
      await requireInside(file);
      if (path.extname(file) !== ".html")
        throw new WorkbenchError(
          "unsupported",
          t("A page may not open {0} in the browser.", path.basename(file)),
        );
      if (!(await vscode.env.openExternal(vscode.Uri.file(file))))
        throw new WorkbenchError(
          "unsupported",
          t(
            "{0} could not be opened in the browser. Export it, then open the exported file.",
            path.basename(file),
          ),
        );
      return {};
    },
    "page.openFile": async ({ path: file, line }) => {
      await requireInside(file);
      const uri = vscode.Uri.file(file);
      const { type } = await vscode.workspace.fs.stat(uri);
      if ((type & vscode.FileType.Directory) !== 0)
        await vscode.commands.executeCommand("revealInExplorer", uri);
      else
        await vscode.commands.executeCommand(
          "vscode.open",
          uri,
          line === undefined ? {} : { selection: new vscode.Range(line - 1, 0, line - 1, 0) },
        );
      return {};
    },
    "page.openPanel": async ({ panel, input }) => {
      (openPanel as (panel: PanelId, input: unknown) => void)(panel, input);
      return {};
    },
    "page.command": async ({ command, runs }) => {
      if (
        !pageCommands.includes(command) ||
        !Array.isArray(runs) ||
        !runs.every((run) => typeof run === "string")
      )
        throw new WorkbenchError("unsupported", t("A page may not start {0}.", command), {
          allowed: pageCommands,
        });
      await vscode.commands.executeCommand(command, runs);
      return {};
    },
    "page.slots": async ({ runs }) => ({ slots: await looks.getSlots(runs) }),
    "page.look": async () => looks.look,
    "page.setBaseline": async ({ run }) => {
      looks.setBaseline(run);
      return {};
    },
    "page.keepView": async ({ panel, view }) => {
      looks.keepView(panel, view);
      return {};
    },
    "page.log": async ({ level, message }) => {
      log(level, message);
      return {};
    },
  };
}

async function requireInside(file: string): Promise<void> {
  const roots = (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri.fsPath);
  if (!(await isWithin(file, roots)))
    throw new WorkbenchError(
      "unsupported",
      t(
        "{0} is outside the opened folders, so it cannot be opened from here. Open its folder first.",
        path.basename(file),
      ),
    );
}

/** Only the name of what the page suggests counts, not a path that may be in it. */
function getSuggestedTarget(name: string): vscode.Uri | undefined {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  const file = name.replace(/[^\p{L}\p{N}._ -]+/gu, "-").replace(/^\.+/, "");
  return folder === undefined ? undefined : vscode.Uri.joinPath(folder, file === "" ? "export" : file);
}
