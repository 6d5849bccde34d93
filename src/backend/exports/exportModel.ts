/** Writes a model in a format of the catalog. The folder appears under its name only when everything in it is written. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { toWorkbenchError, WorkbenchError } from "../../protocol/errors";
import { exporters } from "./catalog";
import type { ExportSubject } from "./exporter";

export interface Exported {
  readonly format: string;
  readonly folder: string;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  /** Lines that a reader must not miss. */
  readonly notices: readonly string[];
}

export async function exportModel(
  subject: ExportSubject,
  { format, ...given }: { readonly format: string; readonly [option: string]: unknown },
  folder: string,
): Promise<Exported> {
  const exporter = Object.hasOwn(exporters, format) ? exporters[format] : undefined;
  if (exporter === undefined) {
    const allowed = Object.keys(exporters);
    throw new WorkbenchError(
      "invalid-input",
      `There is no export format "${format}"; known are ${allowed.join(", ")}.`,
      { allowed },
    );
  }
  const options = exporter.options.parse(given) as unknown;
  const target = resolve(folder);
  const draft = join(dirname(target), `.${basename(target)}.${process.pid}.tmp`);
  try {
    // Something of the user's may be there; an export never replaces it.
    if (existsSync(target) && (!statSync(target).isDirectory() || readdirSync(target).length > 0))
      throw new WorkbenchError(
        "invalid-input",
        `${target} is there already and not empty. Choose another folder.`,
      );
    rmSync(draft, { recursive: true, force: true });
    mkdirSync(draft, { recursive: true });
    const notices = await exporter.write(subject, options, draft);
    if (existsSync(target)) rmdirSync(target);
    renameSync(draft, target);
    const files = readdirSync(target).map((name) => ({ name, bytes: statSync(join(target, name)).size }));
    return { format, folder: target, files, notices };
  } catch (thrown) {
    rmSync(draft, { recursive: true, force: true });
    throw toWorkbenchError(thrown);
  }
}
