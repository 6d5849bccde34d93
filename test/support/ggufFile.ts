/** GGUF files of tiny models. */
import { join } from "node:path";
import { expect } from "vitest";
import { exportModel } from "../../src/backend/exports/exportModel";
import type { ExportSubject } from "../../src/backend/exports/exporter";
import { createTemporaryFolder, createTinyShape, drawModelTensors } from "./subject";

/** Writes a file, and passes it to a function before the folder is removed. */
export async function withGgufFile<T>(
  subject: ExportSubject,
  options: object,
  use: (file: string, notices: string) => Promise<T> | T,
): Promise<T> {
  using folder = createTemporaryFolder();
  const target = join(folder.path, "out");
  const { notices, files } = await exportModel(subject, { format: "gguf", ...options }, target);
  expect(files.map(({ name }) => name)).toEqual(["model.gguf"]);
  return await use(join(target, "model.gguf"), notices.join("\n"));
}

export const subjectOf = (family: string, changes: object = {}) => {
  const shape = createTinyShape(family, { ...changes });
  return { shape, tensors: drawModelTensors(shape, 4) };
};
