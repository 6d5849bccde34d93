/** The views above the table of runs. They show what the table shows; their state is the page's, their ranges are its filter. */
import { html, nothing, type TemplateResult } from "lit";
import { removeRanges } from "../../src/protocol/filterRange";
import { ProtocolMarks } from "../../src/protocol/protocolMarks";
import { parseFilter } from "../../src/protocol/runFilter";
import type { RunSummary } from "../../src/protocol/service/runs";
import { Memo } from "../kit/memo";
import { renderSplitter } from "../tables/splitter";
import { ImportanceView } from "./importanceView";
import { ParallelView } from "./parallelView";
import { ScatterView } from "./scatterView";
import { listViewFields } from "./viewFields";
import type { ViewPage } from "./viewPage";
import { defaultViewState, type ViewKind, type ViewState } from "./viewState";

const kinds: readonly (readonly [ViewKind, string])[] = [
  ["table", "Table"],
  ["parallel", "Parallel coordinates"],
  ["scatter", "Scatter"],
  ["importance", "Importance"],
];

/** What the page gives; the views derive the rest. */
export type ViewsInput = Omit<
  ViewPage,
  "state" | "change" | "fields" | "runs" | "marks" | "width" | "height"
> & {
  readonly all: ReadonlyMap<string, RunSummary>;
};

/** Below it, the controls take two rows. */
const narrowWidth = 800;
const roomOfSecondRow = 32;
const roomOfControls = 76;
const minHeight = 240;

export class RunViews {
  private readonly parallel = new ParallelView();
  private readonly scatter = new ScatterView();
  private readonly importance = new ImportanceView();
  private readonly selection = new Memo<Pick<ViewPage, "runs" | "fields" | "marks">>();

  constructor(
    public state: ViewState = defaultViewState,
    private readonly onChange: (before: ViewState) => void,
  ) {}

  change(change: Partial<ViewState>): void {
    const before = this.state;
    this.state = { ...before, ...change };
    this.onChange(before);
  }

  renderTabs(): TemplateResult {
    return html`<div class="views" role="group" aria-label="View">
      ${kinds.map(
        ([kind, title]) =>
          html`<button
            class="toggle"
            aria-pressed=${String(this.state.kind === kind)}
            @click=${() => this.change({ kind, axis: undefined })}
          >
            ${title}
          </button>`,
      )}
    </div>`;
  }

  draw(input: ViewsInput): TemplateResult | typeof nothing {
    const { kind, height } = this.state;
    if (kind === "table") return nothing;
    const narrow = document.body.clientWidth < narrowWidth ? roomOfSecondRow : 0;
    const shownHeight = Math.min(height + narrow, Math.max(minHeight, window.innerHeight - 240));
    const page: ViewPage = {
      ...input,
      ...this.selection.get([input.matching, input.columns, input.filter, this.state], () =>
        this.select(input),
      ),
      state: this.state,
      change: (change) => this.change(change),
      width: Math.max(320, document.body.clientWidth - 24),
      height: shownHeight - roomOfControls - narrow,
    };
    const view = { parallel: this.parallel, scatter: this.scatter, importance: this.importance }[kind];
    return html`<section
        class="view"
        style="height:${shownHeight}px"
        aria-label=${kinds.find(([each]) => each === kind)![1]}
      >
        ${view.draw(page)}
      </section>
      ${renderSplitter("Height of the view", shownHeight, (pixels) => this.change({ height: pixels - narrow }), "upper")}`;
  }

  afterDraw(root: ParentNode): void {
    this.parallel.afterDraw(root);
    this.scatter.afterDraw(root);
  }

  /** The runs that the filter leaves without the ranges of the axes, whose fields are those that differ among them. */
  private select({ all, columns, filter }: ViewsInput): Pick<ViewPage, "runs" | "fields" | "marks"> {
    const everything = [...all.values()];
    const possible = { fields: listViewFields(columns, everything), state: this.state };
    const axes =
      this.state.kind === "parallel"
        ? ParallelView.getAxes(possible)
        : this.state.kind === "scatter"
          ? ScatterView.getAxes(possible)
          : [];
    const lifted = removeRanges(
      filter,
      axes.map(({ column }) => column),
      columns,
    );
    const runs = everything.filter(parseFilter(lifted, columns).matches);
    const marks = new ProtocolMarks(() => everything, runs);
    return { runs, fields: listViewFields(columns, runs), marks };
  }
}
