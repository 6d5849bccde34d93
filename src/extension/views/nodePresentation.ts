/** What a node of a tree looks like: plain data, so that it can be tested where there is no editor. `treeItem.ts` shows it. */

export interface Icon {
  readonly id: string;
  /** A theme color; without one the icon has the color of the text. */
  readonly color?: string;
}

export interface NodePresentation {
  /**
   * Never twice in a tree, and the same after a reload: what is open and selected hangs on it. VS Code refuses an id that
   * it still knows from a pending answer, so nodes that are fetched slowly have none and are identified by their label.
   */
  readonly id?: string;
  readonly label: string;
  readonly description?: string;
  readonly icon: Icon;
  /** Markdown whose foreign text is escaped. Without it a tooltip may come later, when it is asked for. */
  readonly tooltip?: string;
  /** Words between dots, for `when` clauses: `viewItem =~ /\brunning\b/`. */
  readonly contextValue: string;
  /** For screen readers: the label and the meaning of icon and color. */
  readonly spoken: string;
  readonly children: "none" | "collapsed" | "expanded";
  readonly click?: { readonly command: string; readonly title: string };
}

/** A row that explains why there are no others. */
export interface ProblemNode {
  readonly kind: "problem";
  readonly message: string;
}
