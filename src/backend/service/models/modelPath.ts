/** Where the files of a model are that a request names. Reads no weights. */
import { relative } from "node:path";
import { WorkbenchError } from "../../../protocol/errors";
import type { Subject } from "../../../protocol/service/models";
import type { Service } from "../service";

/** Throws for a planned model; `action` names what it was needed for. Nothing in a run folder is read through a link. */
export async function resolveModelPath(service: Service, subject: Subject, action: string): Promise<string> {
  if (subject.kind === "path") return subject.path;
  if (subject.kind === "plan")
    throw new WorkbenchError(
      "unsupported",
      `A planned model has no weights to ${action}. Run the experiment first.`,
    );
  const { run, checkpoint = "last" } = subject;
  service.runs.find(run);
  const [{ findCheckpoint }, { resolveInside }] = await Promise.all([
    import("../../imports/runFolder"),
    import("../../runs/folder/insideFolder"),
  ]);
  if (checkpoint !== "last" && checkpoint !== "best") return resolveInside(run, checkpoint);
  // Paths in the run's own files are not followed through links either.
  return resolveInside(run, relative(run, findCheckpoint(run, checkpoint)));
}
