/** Which runs the tree shows: by text, state, tag and star, all of which have to fit. */
import * as vscode from "vscode";
import { defineCommand } from "../command";
import type { Workbench } from "../workbench";
import { formatCount } from "../../protocol/quantities";
import { createFilterTerm } from "../../protocol/runFilter";
import { parseFilterText } from "../views/runTree/arrangement";
import { shownStates, statePresentations } from "../views/runTree/runStates";
import { getShownRuns } from "../views/runTree/shownRuns";
import { toSingleLine, escapeLinks } from "../views/text";
import { t } from "../l10n";

export default defineCommand({
  title: "Filter Runs",
  icon: "$(filter)",
  palette: "lathe.hasRuns",
  menus: [{ menu: "view/title", when: "view == lathe.runs && lathe.hasRuns", group: "navigation@3" }],
  /** Takes a filter from a caller that knows it: `state:done loss<1`, or `{ text, states, tags, star }`. */
  async run(workbench, requested) {
    const shownRuns = getShownRuns(workbench);
    const filter = parseFilterText(requested) || (await pickFilter(workbench, shownRuns.arrangement.filter));
    if (filter !== undefined) await shownRuns.arrange({ filter });
  },
});

interface Choice extends vscode.QuickPickItem {
  /** What it adds to the filter. */
  readonly field?: string;
  readonly value?: string;
}

/** One list with everything in it: what is typed is a filter of the runs, not of the list. */
async function pickFilter(workbench: Workbench, current: string): Promise<string | undefined> {
  const pick = vscode.window.createQuickPick<Choice>();
  const choices = createChoices(workbench);
  Object.assign(pick, {
    title: t("Filter runs"),
    placeholder: t("Words, state:done, eval/loss<2, tag:x, -tag:old, or select from the list"),
    value: current,
    canSelectMany: true,
    items: choices,
  });
  const isAccepted = await new Promise<boolean>((resolve) => {
    pick.onDidAccept(() => resolve(true));
    pick.onDidHide(() => resolve(false));
    pick.show();
  });
  const text = pick.value.trim();
  const selection = pick.selectedItems;
  pick.dispose();
  if (!isAccepted) return undefined;
  const values = new Map<string, string[]>();
  for (const { field, value } of selection)
    if (field !== undefined && value !== undefined) values.set(field, [...(values.get(field) ?? []), value]);
  const terms = [...values].map(([field, alternatives]) => createFilterTerm(field, alternatives));
  return [text, ...terms].join(" ").trim();
}

function createChoices({ runs }: Workbench): Choice[] {
  const allRuns = runs.all ?? [];
  const starred = allRuns.filter((run) => run.star).length;
  const countByTag = new Map<string, number>();
  for (const run of allRuns) for (const tag of run.tags) countByTag.set(tag, (countByTag.get(tag) ?? 0) + 1);
  const separator = (label: string): Choice => ({ label, kind: vscode.QuickPickItemKind.Separator });
  return [
    {
      label: t("Starred"),
      description: formatCount(starred),
      alwaysShow: true,
      field: "star",
      value: "yes",
    },
    separator(t("States")),
    ...shownStates.flatMap((state): Choice[] => {
      const runCount = allRuns.filter((run) => run.state === state).length;
      if (runCount === 0) return [];
      return [
        {
          label: statePresentations[state].word,
          description: formatCount(runCount),
          alwaysShow: true,
          field: "state",
          value: state,
        },
      ];
    }),
    ...(countByTag.size === 0 ? [] : [separator(t("Tags"))]),
    ...[...countByTag]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([tag, runCount]): Choice => ({
        label: `#${escapeLinks(toSingleLine(tag, 60))}`,
        description: formatCount(runCount),
        alwaysShow: true,
        field: "tag",
        value: tag,
      })),
  ];
}
