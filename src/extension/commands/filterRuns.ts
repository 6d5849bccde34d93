/** Which runs the tree shows: by text, state, tag and star, all of which have to fit. */
import * as vscode from "vscode";
import { defineCommand } from "../command";
import type { Workbench } from "../workbench";
import { count } from "../../protocol/quantities";
import { isFiltering, parseFilter, type RunFilter } from "../views/runTree/arrangement";
import { shownStates, stateFaces } from "../views/runTree/runStates";
import { shownRuns } from "../views/runTree/shownRuns";
import { oneLine, unlinked } from "../views/text";

export default defineCommand({
  title: "Filter Runs",
  icon: "$(filter)",
  palette: "lathe.hasRuns",
  menus: [{ menu: "view/title", when: "view == lathe.runs && lathe.hasRuns", group: "navigation@3" }],
  /** Takes a filter, `{ text, states, tags, star }`, from a caller that knows it. */
  async run(workbench, given) {
    const shown = shownRuns(workbench);
    const named = parseFilter(given);
    const filter = isFiltering(named) ? named : await askFor(workbench, shown.arrangement.filter);
    if (filter !== undefined) await shown.arrange({ filter });
  },
});

interface Choice extends vscode.QuickPickItem {
  readonly narrow?: (filter: RunFilter) => RunFilter;
}

/** One list with everything in it: what is typed is looked for in the runs, not in the list. */
async function askFor(workbench: Workbench, before: RunFilter): Promise<RunFilter | undefined> {
  const pick = vscode.window.createQuickPick<Choice>();
  const choices = choicesOf(workbench, before);
  Object.assign(pick, {
    title: "Filter runs",
    placeholder: "Type part of a name, or select states and tags",
    value: before.text ?? "",
    canSelectMany: true,
    items: choices,
    selectedItems: choices.filter(({ picked }) => picked),
  });
  const accepted = await new Promise<boolean>((resolve) => {
    pick.onDidAccept(() => resolve(true));
    pick.onDidHide(() => resolve(false));
    pick.show();
  });
  const text = pick.value.trim();
  const ticked = pick.selectedItems;
  pick.dispose();
  if (!accepted) return undefined;
  const named: RunFilter = text === "" ? {} : { text };
  return ticked.reduce((filter, { narrow }) => narrow?.(filter) ?? filter, named);
}

function choicesOf({ runs }: Workbench, { states = [], tags = [], star = false }: RunFilter): Choice[] {
  const all = runs.all ?? [];
  const starred = all.filter((run) => run.star).length;
  const number = (many: number) => count(many);
  const perTag = new Map<string, number>(tags.map((tag) => [tag, 0]));
  for (const run of all) for (const tag of run.tags) perTag.set(tag, (perTag.get(tag) ?? 0) + 1);
  const separator = (label: string): Choice => ({ label, kind: vscode.QuickPickItemKind.Separator });
  return [
    {
      label: "Starred",
      description: number(starred),
      picked: star,
      alwaysShow: true,
      narrow: (filter) => ({ ...filter, star: true }),
    },
    separator("States"),
    ...shownStates.flatMap((state): Choice[] => {
      const many = all.filter((run) => run.state === state).length;
      if (many === 0 && !states.includes(state)) return [];
      return [
        {
          label: stateFaces[state].word,
          description: number(many),
          picked: states.includes(state),
          alwaysShow: true,
          narrow: (filter) => ({ ...filter, states: [...(filter.states ?? []), state] }),
        },
      ];
    }),
    ...(perTag.size === 0 ? [] : [separator("Tags")]),
    ...[...perTag]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([tag, many]): Choice => ({
        label: `#${unlinked(oneLine(tag, 60))}`,
        description: number(many),
        picked: tags.includes(tag),
        narrow: (filter) => ({ ...filter, tags: [...(filter.tags ?? []), tag] }),
      })),
  ];
}
