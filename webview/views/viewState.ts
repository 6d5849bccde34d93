/** How a person looks at the runs of the table: as lines over axes, as points, or by what matters. Plain data, kept by the page. */
export type ViewKind = "table" | "parallel" | "scatter" | "importance";

export interface ViewState {
  readonly kind: ViewKind;
  /** Fields of the parallel axes in their order; left out for those that differ among the runs. */
  readonly axes?: readonly string[] | undefined;
  /** The axis whose range is being edited. */
  readonly axis?: string | undefined;
  /** What colors the lines, and what importance is for. */
  readonly metric?: string | undefined;
  readonly across?: string | undefined;
  readonly up?: string | undefined;
  /** Axes for which a person chose between a linear and a logarithmic scale. */
  readonly logarithmic: Readonly<Record<string, boolean>>;
  readonly height: number;
}

export const defaultViewState: ViewState = { kind: "table", logarithmic: {}, height: 360 };
