/** Figures as numbers: a page draws them with the editor's colors, a report on paper. Bounded, because they are sent. */

export type FigureData = HeatMapData | KeptTokensData | StackedBarsData;

/** Shares from 0 to 1 by row and column. */
export interface HeatMapData {
  readonly kind: "heatMap";
  /** What the rows and the columns are. */
  readonly axes: readonly [down: string, across: string];
  readonly rowNames: readonly string[];
  readonly columnNames: readonly string[];
  /** Row by row; null is an empty cell. */
  readonly shares: readonly (number | null)[];
  /** What a share is of, for each cell, such as `13 of 20`. */
  readonly notes?: readonly (string | null)[];
}

/** Shares of wholes that are divided into the same parts. */
export interface StackedBarsData {
  readonly kind: "stackedBars";
  /** Names of the parts, in their order. */
  readonly parts: readonly string[];
  readonly rows: readonly {
    readonly name: string;
    /** From 0 to 1, in the order of the parts; together 1. */
    readonly shares: readonly number[];
  }[];
}

/** Which tokens of a text are in the caches of heads. */
export interface KeptTokensData {
  readonly kind: "keptTokens";
  /** The length of the text. */
  readonly tokens: number;
  /** 1 unless the text is long; the last column may have fewer. */
  readonly tokensPerColumn: number;
  /** The text of each column, shortened. */
  readonly texts: readonly string[];
  /** From the first layer on; rows of one layer are next to each other. */
  readonly rows: readonly KeptTokensRow[];
}

export interface KeptTokensRow {
  /** `layer 3`, or `layers 4–7` if several share a row. */
  readonly layer: string;
  /** The head in its layer; undefined if several heads share the row. */
  readonly head?: number;
  readonly heads: number;
  /** How many tokens of each column are kept, summed over the heads. */
  readonly counts: readonly number[];
}

/** Tokens of a column of the text. */
export function countColumnTokens(
  { tokens, tokensPerColumn }: Pick<KeptTokensData, "tokens" | "tokensPerColumn">,
  column: number,
): number {
  return Math.min(tokensPerColumn, tokens - column * tokensPerColumn);
}
