/** Which runs the tree shows: by text, state, tag and star, all of which have to fit. */
import * as vscode from "vscode";
import { defineCommand } from "../command";
import type { Workbench } from "../workbench";
import { count } from "../views/quantities";
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

/** One list with everything in it; the button asks for text, which then joins what is ticked. */
async function askFor(workbench: Workbench, before: RunFilter): Promise<RunFilter | undefined> {
  const pick = vscode.window.createQuickPick<Choice>();
  const choices = choicesOf(workbench, before);
  const { text: known = "" } = before;
  Object.assign(pick, {
    title:
      known === ""
        ? "Show which runs?"
        : `Show which runs, of those with ${unlinked(oneLine(`“${known}”`, 60))}?`,
    placeholder: "Tick states and tags. The button with the lens asks for part of the name.",
    canSelectMany: true,
    matchOnDescription: true,
    items: choices,
    selectedItems: choices.filter(({ picked }) => picked),
    buttons: [{ iconPath: new vscode.ThemeIcon("search"), tooltip: "Ask for Part of the Name…" }],
  });
  const chosen = await new Promise<"accepted" | "text" | undefined>((resolve) => {
    pick.onDidAccept(() => resolve("accepted"));
    pick.onDidTriggerButton(() => resolve("text"));
    pick.onDidHide(() => resolve(undefined));
    pick.show();
  });
  const ticked = pick.selectedItems;
  pick.dispose();
  if (chosen === undefined) return undefined;
  const text = chosen === "text" ? await askForText(known) : known;
  if (text === undefined) return undefined;
  const kept: RunFilter = text === "" ? {} : { text };
  return ticked.reduce((filter, { narrow }) => narrow?.(filter) ?? filter, kept);
}

function askForText(value: string): Thenable<string | undefined> {
  return vscode.window.showInputBox({
    title: "Show runs with this in their name, variant, tags or notes",
    prompt: "Leave it empty to show runs whatever they are called.",
    value,
  });
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
