/** The results of retrieval by length and depth, as they are kept and shown. */
import * as z from "zod";

/** Far above what one evaluation measures. */
const maxCells = 4096;

const cellSchema = z.object({
  length: z.number(),
  depth: z.number(),
  correct: z.number(),
  samples: z.number().positive(),
});
export type RetrievalCell = Readonly<z.output<typeof cellSchema>>;

const detailsSchema = z.object({ cells: z.array(cellSchema).min(1).max(maxCells) });

/** The cells in the details of an evaluation; undefined if they are not those of retrieval. */
export function parseRetrieval(details: unknown): readonly RetrievalCell[] | undefined {
  const parsed = detailsSchema.safeParse(details);
  return parsed.success ? parsed.data.cells : undefined;
}

/** Lengths and depths in ascending order, and the cell of each. */
export function arrangeCells(cells: readonly RetrievalCell[]) {
  const collect = (key: "length" | "depth") =>
    [...new Set(cells.map((cell) => cell[key]))].sort((a, b) => a - b);
  return {
    lengths: collect("length"),
    depths: collect("depth"),
    find: (length: number, depth: number): RetrievalCell | undefined =>
      cells.find((cell) => cell.length === length && cell.depth === depth),
  };
}
