/** What a saved view of Runs contains: how the table is arranged, filtered and looked at, not which runs there are. */
import { compareText } from "../../src/protocol/compareText";
import type { RunsView } from "../../src/schema/savedViews";
import type { ViewContent, ViewMenuPage } from "../kit/viewMenu";
import { defaultViewState, type ViewState } from "../views/viewState";
import type { RunColumn } from "./runColumns";
import { type Arrangement, defaultArrangement } from "./runTable";

export type RunsContent = ViewContent<RunsView>;

/** The parts of the page's state that a view sets. */
export interface RunsLook {
  readonly arrangement: Arrangement;
  readonly filter: string;
  /** Settings are columns of the table. */
  readonly settings: boolean;
  readonly view: ViewState;
}

export interface RunsLookPage {
  readonly columns: readonly RunColumn[];
  getLook(): RunsLook;
  applyLook(look: RunsLook): void;
  changed(): void;
}

export function createRunsViewPage(page: RunsLookPage): ViewMenuPage<RunsView> {
  return {
    panel: "runs",
    capture: () => captureRuns(page.getLook(), page.columns),
    normalize: (content) => captureRuns(restoreRuns(content), page.columns),
    apply: (content) => page.applyLook(restoreRuns(content)),
    changed: () => page.changed(),
  };
}

/** A column counts as chosen only where that makes a difference: shown and hidden again, it is as before. */
function captureRuns(look: RunsLook, columns: readonly RunColumn[]): RunsContent {
  const { arrangement, filter, settings, view } = look;
  const { sorting, columnVisibility, columnSizing, grouping } = arrangement;
  const usual = new Map(columns.map((column) => [column.id, column]));
  const chosen = Object.entries(columnVisibility).filter(([id, isShown]) => usual.get(id)?.shown !== isShown);
  const list = (isShown: boolean) =>
    chosen
      .filter(([, each]) => each === isShown)
      .map(([id]) => id)
      .sort();
  const [show, hide] = [list(true), list(false)];
  const widths = Object.entries(columnSizing)
    .filter(([id, width]) => usual.get(id)?.width !== width)
    .sort(([a], [b]) => compareText(a, b));
  const [group] = grouping;
  const picture = capturePicture(view);
  return {
    ...(filter === "" ? {} : { filter }),
    ...(JSON.stringify(sorting) === JSON.stringify(defaultArrangement.sorting)
      ? {}
      : { sort: sorting.map(({ id, desc }) => ({ column: id, ...(desc ? { descending: true } : {}) })) }),
    ...(group === undefined ? {} : { group }),
    ...(show.length === 0 ? {} : { show }),
    ...(hide.length === 0 ? {} : { hide }),
    ...(widths.length === 0 ? {} : { widths: Object.fromEntries(widths) }),
    ...(settings ? { settings } : {}),
    ...(picture === undefined ? {} : { picture }),
  };
}

function restoreRuns(content: RunsContent): RunsLook {
  const { sort, group, show = [], hide = [], widths = {}, picture } = content;
  const { logarithmic, kind, axes, metric, across, up } = picture ?? {};
  return {
    arrangement: {
      sorting:
        sort?.map(({ column, descending = false }) => ({ id: column, desc: descending })) ??
        defaultArrangement.sorting,
      columnVisibility: Object.fromEntries([
        ...show.map((id) => [id, true] as const),
        ...hide.map((id) => [id, false] as const),
      ]),
      columnSizing: widths,
      grouping: group === undefined ? [] : [group],
      expanded: true,
    },
    filter: content.filter ?? "",
    settings: content.settings ?? false,
    view: {
      kind: kind ?? defaultViewState.kind,
      axes,
      metric,
      across,
      up,
      logarithmic: logarithmic ?? {},
      height: defaultViewState.height,
    },
  };
}

/** What is above the table. */
function capturePicture({ kind, axes, metric, across, up, logarithmic }: ViewState): RunsContent["picture"] {
  const scales = Object.entries(logarithmic).sort(([a], [b]) => compareText(a, b));
  const picture = {
    ...(kind === "table" ? {} : { kind }),
    ...(axes === undefined ? {} : { axes: [...axes] }),
    ...(metric === undefined ? {} : { metric }),
    ...(across === undefined ? {} : { across }),
    ...(up === undefined ? {} : { up }),
    ...(scales.length === 0 ? {} : { logarithmic: Object.fromEntries(scales) }),
  };
  return Object.keys(picture).length === 0 ? undefined : picture;
}
