import * as vscode from "vscode";
import type { RunSummary } from "../../protocol/service/runs";
import type { Subject } from "../../protocol/service/models";
import { pickRuns } from "../choices/pickRuns";
import { getStoredSubjects } from "../choices/subjects";
import { defineCommand } from "../command";
import { getDefaultDevice } from "../settings";
import { requireTrust, whenTrusted } from "../trust";
import type { Workbench } from "../workbench";
import { t } from "../l10n";

/** As many as fit side by side. */
const maxModels = 3;

export default defineCommand({
  title: "Try Model",
  icon: "$(comment-discussion)",
  enablement: whenTrusted,
  menus: [
    {
      menu: "view/item/context",
      when: "view == lathe.runs && viewItem =~ /\\brun\\b.*\\bmeasured\\b/",
      group: "3_open@5",
    },
    {
      menu: "view/item/context",
      when: "view == lathe.models && viewItem =~ /\\bmodel\\b/",
      group: "3_open@3",
    },
  ],
  async run(workbench, ...args) {
    requireTrust(t("Trying a model"));
    const subjects = getStoredSubjects(workbench, args) ?? (await pickSubjects(workbench, args));
    if (subjects === undefined) return;
    const device = getDefaultDevice();
    workbench.openPanel("tryModel", {
      subjects: subjects.slice(0, maxModels),
      ...(device === undefined ? {} : { device }),
    });
    if (subjects.length > maxModels)
      void vscode.window.showInformationMessage(
        t("Showing the first {0} of {1} models.", maxModels, subjects.length),
      );
  },
});

/** None if no run has a model yet, because the panel also takes folders; undefined when nobody chose. */
async function pickSubjects(
  workbench: Workbench,
  args: readonly unknown[],
): Promise<readonly Subject[] | undefined> {
  if (!(await workbench.runs.load()).some(hasModel)) return [];
  const runs = await pickRuns(workbench, args, {
    title: t("Select one to three runs to try their models"),
    fits: hasModel,
    none: t("No run has produced a model yet."),
  });
  return runs.length === 0 ? undefined : runs.map(({ folder }) => ({ kind: "run", run: folder }));
}

function hasModel({ metrics }: RunSummary): boolean {
  return Object.keys(metrics).length > 0;
}
