/** Lists and exports the models on disk. The service itself reads no weights. */
import { rm } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import * as z from "zod";
import type { Handlers } from "../../../protocol/connection";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import type { ModelRequests } from "../../../protocol/service/models";
import { runLatheCommand } from "../latheProcess";
import { ModelList } from "./modelList";
import { resolveModelPath } from "./modelPath";
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
      const model = await resolveModelPath(service, subject, "export");
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
