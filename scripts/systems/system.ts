/** A published system, as the page of systems lists it. */
export interface System {
  readonly title: string;
  /** An arXiv identifier, or else the year, with the place where it helps to find it. */
  readonly source: string;
  /** What it does, in a few words. */
  readonly idea: string;
  /** Files that have it, from the root; none if it is not here. */
  readonly files?: readonly string[];
  /** The keys of an experiment that use it. */
  readonly keys?: string;
  /** A page or an example about it. */
  readonly page?: string;
  /** What is missing or different, or why it is not here. */
  readonly note?: string;
}

export const methodFile = (id: string) => `src/backend/methods/${id}.ts`;
