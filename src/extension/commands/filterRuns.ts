/** Which runs the tree shows: by text, state, tag and star, all of which have to fit. */
import * as vscode from "vscode";
import { defineCommand } from "../command";
import type { Workbench } from "../workbench";
import { formatCount } from "../../protocol/quantities";
import { isFiltering, parseFilter, type RunFilter } from "../views/runTree/arrangement";
import { shownStates, statePresentations } from "../views/runTree/runStates";
import { getShownRuns } from "../views/runTree/shownRuns";
import { toSingleLine, escapeLinks } from "../views/text";

export default defineCommand({
  title: "Filter Runs",
  icon: "$(filter)",
  palette: "lathe.hasRuns",
  menus: [{ menu: "view/title", when: "view == lathe.runs && lathe.hasRuns", group: "navigation@3" }],
  /** Takes a filter, `{ text, states, tags, star }`, from a caller that knows it. */
  async run(workbench, requested) {
    const shownRuns = getShownRuns(workbench);
    const requestedFilter = parseFilter(requested);
    const filter = isFiltering(requestedFilter)
      ? requestedFilter
      : await pickFilter(workbench, shownRuns.arrangement.filter);
    if (filter !== undefined) await shownRuns.arrange({ filter });
  },
});

interface Choice extends vscode.QuickPickItem {
  readonly narrow?: (filter: RunFilter) => RunFilter;
}

/** One list with everything in it: what is typed is looked for in the runs, not in the list. */
async function pickFilter(workbench: Workbench, current: RunFilter): Promise<RunFilter | undefined> {
  const pick = vscode.window.createQuickPick<Choice>();
  const choices = createChoices(workbench, current);
  Object.assign(pick, {
    title: "Filter runs",
    placeholder: "Type part of a name, or select states and tags",
    value: current.text ?? "",
    canSelectMany: true,
    items: choices,
    selectedItems: choices.filter(({ picked }) => picked),
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
  const textFilter: RunFilter = text === "" ? {} : { text };
  return selection.reduce((filter, { narrow }) => narrow?.(filter) ?? filter, textFilter);
}

function createChoices({ runs }: Workbench, { states = [], tags = [], star = false }: RunFilter): Choice[] {
  const allRuns = runs.all ?? [];
  const starred = allRuns.filter((run) => run.star).length;
  const formatRunCount = (runCount: number) => formatCount(runCount);
  const countByTag = new Map<string, number>(tags.map((tag) => [tag, 0]));
  for (const run of allRuns) for (const tag of run.tags) countByTag.set(tag, (countByTag.get(tag) ?? 0) + 1);
  const separator = (label: string): Choice => ({ label, kind: vscode.QuickPickItemKind.Separator });
  return [
    {
      label: "Starred",
      description: formatRunCount(starred),
      picked: star,
      alwaysShow: true,
      narrow: (filter) => ({ ...filter, star: true }),
    },
    separator("States"),
    ...shownStates.flatMap((state): Choice[] => {
      const runCount = allRuns.filter((run) => run.state === state).length;
      if (runCount === 0 && !states.includes(state)) return [];
      return [
        {
          label: statePresentations[state].word,
          description: formatRunCount(runCount),
          picked: states.includes(state),
          alwaysShow: true,
          narrow: (filter) => ({ ...filter, states: [...(filter.states ?? []), state] }),
        },
      ];
    }),
    ...(countByTag.size === 0 ? [] : [separator("Tags")]),
    ...[...countByTag]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([tag, runCount]): Choice => ({
        label: `#${escapeLinks(toSingleLine(tag, 60))}`,
        description: formatRunCount(runCount),
        picked: tags.includes(tag),
        narrow: (filter) => ({ ...filter, tags: [...(filter.tags ?? []), tag] }),
      })),
  ];
}
