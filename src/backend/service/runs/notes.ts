/**
 * `notes.json` of a run folder: a person's notes about a run, and the only file there that the run does not write.
 */
import { join } from "node:path";
import * as z from "zod";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import type { RunNotes } from "../../../protocol/run";
import { writeAtomic } from "../../runs/folder/atomicFile";
import { readBounded, getFileStamp } from "../../runs/folder/boundedFile";
import { resolveInside } from "../../runs/folder/insideFolder";

const maxBytes = 256 * 1024;
const notesFile = "notes.json";

/** Names and tags take one line of a tree or table. */
const oneLine = z.string().transform((text) => text.replace(/\s+/gu, " ").trim());

/** Unknown keys are preserved, so that notes of a newer version survive an older one. */
const notesSchema = z.looseObject({
  name: oneLine.pipe(z.string().max(200, "a name has at most 200 characters")).optional(),
  tags: z
    .array(oneLine.pipe(z.string().min(1, "a tag is not empty").max(64, "a tag has at most 64 characters")))
    .max(32, "a run has at most 32 tags")
    .transform((tags) => [...new Set(tags)])
    .optional(),
  notes: z.string().max(20_000, "notes have at most 20,000 characters").optional(),
  star: z.boolean().optional(),
});

/** A missing file means no notes. An invalid one is an error, since overwriting it would lose a person's text. */
export function readNotes(folder: string): RunNotes {
  if (getNotesStamp(folder) === "") return {};
  const path = join(folder, notesFile);
  const text = readBounded(path, maxBytes);
  try {
    return removeEmptyName(notesSchema.parse(JSON.parse(text)));
  } catch (cause) {
    const why = cause instanceof z.ZodError ? describeError(cause) : (cause as Error).message;
    throw new WorkbenchError(
      "corrupt",
      `${path} can't be read as notes: ${why}. Fix or delete it.`,
      {},
      { cause },
    );
  }
}

/** Replaces the specified fields and preserves the rest. */
export function annotate(folder: string, changes: RunNotes): void {
  const parsed = notesSchema.safeParse(changes);
  if (!parsed.success)
    throw new WorkbenchError("invalid-input", `These notes can't be saved: ${describeError(parsed.error)}.`);
  const notes = removeEmptyName({ ...readNotes(folder), ...parsed.data } as RunNotes);
  try {
    writeAtomic(resolveInside(folder, notesFile), `${JSON.stringify(notes, undefined, 2)}\n`);
  } catch (thrown) {
    throw toWorkbenchError(thrown, folder);
  }
}

export function getNotesStamp(folder: string): string {
  return getFileStamp(join(folder, notesFile));
}

/** An empty name restores the run's own. */
function removeEmptyName(notes: z.infer<typeof notesSchema> | RunNotes): RunNotes {
  const { name, ...rest } = notes;
  return (name === undefined || name === "" ? rest : notes) as RunNotes;
}

function describeError(error: z.ZodError): string {
  const issue = error.issues[0];
  const where = issue?.path.join(".") ?? "";
  return `${where === "" ? "" : `${where}: `}${issue?.message ?? "not notes"}`;
}
