/** Every operation of the catalog, for tests that loop over them. */
import type { AnyOp, Attrs, Sample } from "../../src/backend/graph/op";
import { ops } from "../../src/backend/graph/ops/catalog";

const isOp = (candidate: unknown): candidate is AnyOp =>
  typeof candidate === "function" && "samples" in candidate;

/** The samples of an operation whose attributes have an unknown type. */
export const getSamples = (op: AnyOp): readonly Sample<Attrs>[] => op.samples as readonly Sample<Attrs>[];

export const catalogOps: readonly AnyOp[] = Object.values(ops).flatMap((file) =>
  Object.values(file).filter(isOp),
);
