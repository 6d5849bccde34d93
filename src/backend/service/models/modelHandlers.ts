/** Lists and exports the models on disk. The service itself reads no weights. */
import { rm } from "node:fs/promises";
import { isAbsolute, join, relative } from "node:path";
import * as z from "zod";
import type { Handlers } from "../../../protocol/connection";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import type { ModelRequests, Subject } from "../../../protocol/service/models";
import { runLatheCommand } from "../latheProcess";
import { ModelList } from "./modelList";
import type { Service } from "../service";

type Requests = Pick<ModelRequests, "models.list" | "models.export" | "models.formats">;

const exportedSchema = z.object({ folder: z.string(), files: z.array(z.object({ name: z.string() })) });

export function createModelHandlers(service: Service): Handlers<Requests> {
  const list = new ModelList(service);
  return {
    "models.list": async (_, { signal }) => ({ models: await list.models(signal) }),
    "models.formats": async () => {
      const { exporters } = await import("../../exports/catalog");
      return { formats: Object.entries(exporters).map(([id, { title }]) => ({ id, title })) };
    },
    "models.export": async ({ subject, format, to }, { signal }) => {
      service.requireTrust("Exporting a model");
      if (!isAbsolute(to))
        throw new WorkbenchError(
          "invalid-input",
          `${to} is not an absolute path. Give the full path to write to.`,
        );
      const { findExporter } = await import("../../exports/exportModel");
      findExporter(format);
      const model = await resolveModelPath(service, subject);
      const work = runLatheCommand(
        "export",
        [`--format=${format}`, `--out=${to}`, "--", model],
        exportedSchema,
        signal,
      ).catch((thrown: unknown) => clearAfter(thrown, to));
      const { folder, files } = await service.finish(work);
      return { files: files.map(({ name }) => join(folder, name)) };
    },
  };
}

/** Removes the incomplete files of a cancelled export. */
async function clearAfter(thrown: unknown, to: string): Promise<never> {
  const { code, details } = toWorkbenchError(thrown);
  if (code === "cancelled" && typeof details["pid"] === "number") {
    const { getDraftPath } = await import("../../exports/writtenFolder");
    await rm(getDraftPath(to, details["pid"]), { recursive: true, force: true });
  }
  throw thrown;
}

async function resolveModelPath(service: Service, subject: Subject): Promise<string> {
  if (subject.kind === "path") return subject.path;
  if (subject.kind === "plan")
    throw new WorkbenchError(
      "unsupported",
      "A planned model has no weights to export. Run the experiment first.",
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
