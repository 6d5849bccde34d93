/** A run's settings to change, one after the other: then a new run with them, or the cells of an experiment. */
import path from "node:path";
import * as vscode from "vscode";
import { toWorkbenchError } from "../../protocol/errors";
import type { RunSetting } from "../../protocol/service/again";
import type { RunSummary } from "../../protocol/service/runs";
import { pickRun } from "../choices/pickRuns";
import { defineCommand } from "../command";
import { createExperiment } from "../createExperiment";
import { plural, t } from "../l10n";
import { escapeNotification } from "../plainText";
import { requireTrust, whenTrusted } from "../trust";
import { getExperimentTitle } from "../views/text";
import type { Workbench } from "../workbench";

/** Path to value, both as `--set` takes them. */
type Changes = ReadonlyMap<string, string>;

interface Item extends vscode.QuickPickItem {
  readonly choice?: "run" | "copy" | RunSetting;
}

export default defineCommand({
  title: "Run Again with Changes…",
  icon: "$(debug-rerun)",
  palette: "lathe.hasRuns",
  enablement: whenTrusted,
  menus: [
    {
      menu: "view/item/context",
      when: "view == lathe.runs && viewItem =~ /\\brun\\b/",
      group: "1_control@2",
    },
  ],
  async run(workbench, ...args) {
    requireTrust(t("Starting a run"));
    const run = await pickRun(workbench, args, {
      title: t("Select a run to run again"),
      fits: ({ state }) => state !== "unreadable",
      none: t("There are no runs yet."),
    });
    if (run === undefined) return;
    const { settings } = await workbench.backend.request("runs.settings", { run: run.folder });
    let changes: Changes = new Map();
    for (;;) {
      const picked = await vscode.window.showQuickPick(createItems(settings, changes), {
        title: t("Run {0} Again", run.name),
        placeHolder: t("Select settings to change, then Run"),
        matchOnDescription: true,
        matchOnDetail: true,
      });
      if (picked?.choice === undefined) return;
      if (picked.choice === "run") return startAgain(workbench, run, changes);
      if (picked.choice === "copy") return copyAsCells(workbench, run, changes);
      changes = await changeSetting(workbench, run, picked.choice, changes);
    }
  },
});

function createItems(settings: readonly RunSetting[], changes: Changes): readonly Item[] {
  const changed = settings.filter(({ path: name }) => changes.has(name));
  const separate = (label: string): Item => ({ label, kind: vscode.QuickPickItemKind.Separator });
  const createItem = (setting: RunSetting): Item => {
    const { path: name, value, description } = setting;
    const current = value ?? t("not set");
    const next = changes.get(name);
    return {
      label: name,
      description: next === undefined ? current : `${current} → ${next}`,
      detail: description,
      choice: setting,
    };
  };
  return [
    {
      label: `$(play) ${t("Run")}`,
      description:
        changed.length === 0
          ? t("with the same settings")
          : plural(changed.length, "1 change", "{0} changes"),
      choice: "run",
    },
    {
      label: `$(new-file) ${t("Copy as Cells")}`,
      description: t("to a new experiment"),
      choice: "copy",
    },
    ...(changed.length === 0 ? [] : [separate(t("Changes")), ...changed.map(createItem)]),
    separate(t("Settings")),
    ...settings.filter((setting) => !changed.includes(setting)).map(createItem),
  ];
}

/** The old value takes the change back. */
async function changeSetting(
  workbench: Workbench,
  run: RunSummary,
  setting: RunSetting,
  changes: Changes,
): Promise<Changes> {
  const current = changes.get(setting.path) ?? setting.value ?? "";
  const next =
    setting.values.length > 0
      ? await pickValue(setting, current)
      : await vscode.window.showInputBox({
          title: setting.path,
          value: current,
          prompt: `${setting.description} (${setting.type})`,
          validateInput: (text) => findProblem(workbench, run, change(setting, text, changes)),
        });
  return next === undefined ? changes : change(setting, next, changes);
}

async function pickValue(
  { path: title, values, description }: RunSetting,
  current: string,
): Promise<string | undefined> {
  const items = values.map((label) => ({
    label,
    ...(label === current ? { description: t("current") } : {}),
  }));
  return (await vscode.window.showQuickPick(items, { title, placeHolder: description }))?.label;
}

function change({ path: name, value }: RunSetting, text: string, changes: Changes): Changes {
  const next = new Map(changes);
  if (text.trim() === (value ?? "")) next.delete(name);
  else next.set(name, text.trim());
  return next;
}

async function findProblem(
  workbench: Workbench,
  run: RunSummary,
  changes: Changes,
): Promise<string | undefined> {
  try {
    await workbench.backend.request("runs.planAgain", { run: run.folder, settings: writeSettings(changes) });
    return undefined;
  } catch (thrown) {
    return toWorkbenchError(thrown).message;
  }
}

function writeSettings(changes: Changes): readonly string[] {
  return [...changes].map(([name, value]) => `${name}=${value}`);
}

async function startAgain(workbench: Workbench, run: RunSummary, changes: Changes): Promise<void> {
  const { name, folder } = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Window, title: t("Lathe: starting") },
    () => workbench.backend.request("runs.again", { run: run.folder, settings: writeSettings(changes) }),
  );
  const message = escapeNotification(t("A run was started: {0}.", name.slice(0, 200)));
  void vscode.window.showInformationMessage(message, t("Open Charts")).then((action) => {
    if (action !== undefined) workbench.openPanel("charts", { runs: [run.folder, folder] });
  });
}

async function copyAsCells(workbench: Workbench, run: RunSummary, changes: Changes): Promise<void> {
  const { experiment } = run;
  const name = experiment === undefined ? run.name : getExperimentTitle(experiment);
  await createExperiment(
    `${name}-copy`,
    async (file) => {
      const settings = writeSettings(changes);
      return (
        await workbench.backend.request("runs.asCells", { run: run.folder, settings, file: file.fsPath })
      ).text;
    },
    experiment === undefined ? undefined : vscode.Uri.file(path.dirname(experiment)),
  );
}
