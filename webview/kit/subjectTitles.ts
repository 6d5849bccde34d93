/** The title of a model that a page has read already, once its run has another name. */
import { getFileName } from "../../src/protocol/fileName";
import type { Subject } from "../../src/protocol/service/models";
import type { RunSummary } from "../../src/protocol/service/runs";

/** The title as it was if the model belongs to none of the runs. */
export function updateTitle(title: string, subject: Subject, changed: readonly RunSummary[]): string {
  if (subject.kind !== "run") return title;
  const run = changed.find(({ folder }) => folder === subject.run);
  if (run === undefined) return title;
  return subject.checkpoint === undefined ? run.name : `${run.name} · ${getFileName(subject.checkpoint)}`;
}
