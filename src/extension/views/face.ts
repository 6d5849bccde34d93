/** What a node of a tree looks like: plain data, so that it can be tested where there is no editor. `treeItem.ts` shows it. */

export interface Icon {
  readonly id: string;
  /** A colour of the theme; without one the icon is as the text. */
  readonly color?: string;
}

export interface Face {
  /**
   * Never twice in a tree, and the same after a reload: what is open and selected hangs on it. VS Code refuses an id that
   * it still knows from an answer that is on its way, so what is fetched slowly has none and goes by its label.
   */
  readonly id?: string;
  readonly label: string;
  readonly description?: string;
  readonly icon: Icon;
  /** Markdown whose foreign text is escaped. Without it a tooltip may come later, when it is asked for. */
  readonly tooltip?: string;
  /** Words between dots, for `when` clauses: `viewItem =~ /\brunning\b/`. */
  readonly contextValue: string;
  /** What a screen reader says: the label and what icon and colour tell those who see. */
  readonly spoken: string;
  readonly children: "none" | "collapsed" | "expanded";
  readonly click?: { readonly command: string; readonly title: string };
}

/** A row that says why there are no others. */
export interface ProblemNode {
  readonly kind: "problem";
  readonly message: string;
}
