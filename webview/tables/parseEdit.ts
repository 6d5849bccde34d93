/** What a person typed into a cell as a change of the run's notes; undefined if it changes nothing. */
import type { RunNotes } from "../../src/protocol/run";
import type { RunSummary } from "../../src/protocol/service/runs";
import type { EditableField } from "./runColumns";

export function parseEdit(run: RunSummary, field: EditableField, text: string): RunNotes | undefined {
  if (field === "tags") {
    const tags = [...new Set(text.split(",").map((tag) => tag.trim()))].filter((tag) => tag !== "");
    return tags.join() === run.tags.join() ? undefined : { tags };
  }
  if (text === run[field]) return undefined;
  return field === "name" ? { name: text.trim() } : { notes: text };
}
