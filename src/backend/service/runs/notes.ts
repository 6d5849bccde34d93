/** `notes.json` of a run folder: a person's own words about a run, the only file there that the run does not write. */
import { join } from "node:path";
import * as z from "zod";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import type { RunNotes } from "../../../protocol/run";
import { writeAtomic } from "../../runs/folder/atomicFile";
import { readBounded, stampOf } from "../../runs/folder/boundedFile";
import { insideFolder } from "../../runs/folder/insideFolder";

const mostBytes = 256 * 1024;
const notesFile = "notes.json";

/** Names and tags stand in one line of a tree or table. */
const oneLine = z.string().transform((text) => text.replace(/\s+/gu, " ").trim());

/** Unknown keys stay, so that a newer version's notes survive an older one. */
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

/** No file means no notes; a broken one is an error, since writing over it would lose what a person wrote. */
export function readNotes(folder: string): RunNotes {
  if (notesStamp(folder) === "") return {};
  const path = join(folder, notesFile);
  const text = readBounded(path, mostBytes);
  try {
    return withoutEmptyName(notesSchema.parse(JSON.parse(text)));
  } catch (cause) {
    const why = cause instanceof z.ZodError ? reasonOf(cause) : (cause as Error).message;
    throw new WorkbenchError(
      "corrupt",
      `${path} can't be read as notes: ${why}. Mend or delete it.`,
      {},
      { cause },
    );
  }
}

/** What is given replaces what was; the rest stays. */
export function annotate(folder: string, given: RunNotes): void {
  const parsed = notesSchema.safeParse(given);
  if (!parsed.success)
    throw new WorkbenchError("invalid-input", `These notes can't be kept: ${reasonOf(parsed.error)}.`);
  const notes = withoutEmptyName({ ...readNotes(folder), ...parsed.data } as RunNotes);
  try {
    writeAtomic(insideFolder(folder, notesFile), `${JSON.stringify(notes, undefined, 2)}\n`);
  } catch (thrown) {
    throw toWorkbenchError(thrown, folder);
  }
}

export function notesStamp(folder: string): string {
  return stampOf(join(folder, notesFile));
}

/** An empty name gives the run its own one back. */
function withoutEmptyName(notes: z.infer<typeof notesSchema> | RunNotes): RunNotes {
  const { name, ...rest } = notes;
  return (name === undefined || name === "" ? rest : notes) as RunNotes;
}

function reasonOf(error: z.ZodError): string {
  const issue = error.issues[0];
  const where = issue?.path.join(".") ?? "";
  return `${where === "" ? "" : `${where}: `}${issue?.message ?? "not notes"}`;
}
